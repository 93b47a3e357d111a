"""The API describes itself: handlers carry what they take and give, and the description is built from the routes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from server import __version__

_OPERATION = "__operation__"
Handler = TypeVar("Handler", bound=Callable[[web.Request], Awaitable[web.StreamResponse]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one handler takes and gives. `gives` is a msgspec type, or a media type such as `image/png`."""

    summary: str
    takes: Any = None
    gives: Any = None
    status: int = 200
    query: dict[str, str]
    """Query parameter -> what it means."""
    errors: tuple[int, ...]


def operation(
    summary: str,
    *,
    takes: Any = None,
    gives: Any = None,
    status: int = 200,
    query: dict[str, str] | None = None,
    errors: tuple[int, ...] = (401, 403, 404),
) -> Callable[[Handler], Handler]:
    """Marks a handler as part of the described API."""

    def mark(handler: Handler) -> Handler:
        described = Operation(
            summary=summary, takes=takes, gives=gives, status=status, query=query or {}, errors=errors
        )
        setattr(handler, _OPERATION, described)
        return handler

    return mark


def describe(app: web.Application) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all described routes."""
    found: list[tuple[str, str, Operation]] = []
    for route in app.router.routes():
        described = getattr(route.handler, _OPERATION, None)
        if isinstance(described, Operation) and route.resource is not None and route.method != "HEAD":
            found.append((route.resource.canonical, route.method.lower(), described))
    types = {
        kind
        for _, _, described in found
        for kind in (described.takes, described.gives)
        if kind is not None and not isinstance(kind, str)
    }
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, method, described in sorted(found, key=lambda entry: entry[:2]):
        paths.setdefault(path, {})[method] = _describe(path, described, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Yunkan", "version": __version__},
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"bearer": []}],
        "paths": paths,
    }


_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {name: {"type": "string"} for name in ("code", "message", "request_id")},
        }
    },
}


def _content(kind: Any, schema_of: dict[Any, Any]) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": schema_of[kind]}}


def _describe(path: str, described: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"summary": described.summary, "responses": {}}
    document["parameters"] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ] + [
        {"name": name, "in": "query", "description": meaning, "schema": {"type": "string"}}
        for name, meaning in described.query.items()
    ]
    if described.takes is not None:
        document["requestBody"] = {"required": True, "content": _content(described.takes, schema_of)}
    success: dict[str, Any] = {"description": described.summary}
    if described.gives is not None:
        success["content"] = _content(described.gives, schema_of)
    document["responses"][str(described.status)] = success
    for status in described.errors:
        document["responses"][str(status)] = {
            "description": "An error in words",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
    return document


async def document(request: web.Request) -> web.Response:
    """`GET /api/openapi.json`."""
    return web.Response(body=msgspec.json.encode(describe(request.app)), content_type="application/json")


def routes() -> list[web.RouteDef]:
    return [web.get("/api/openapi.json", document)]
