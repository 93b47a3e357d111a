"""Pages of sign-in and of the office's administration: people, API tokens, the office's own data."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts import service
from server.accounts.current import (
    FAILED_SIGN_IN,
    SESSION_COOKIE,
    actor,
    carry_session,
    drop_session,
    find_actor,
)
from server.accounts.rules import STAFF_ROLES
from server.errors import Forbidden, Invalid, Throttled
from server.web.forms import explained, see_other, texts_of
from server.web.keys import CLOCK, DATABASE, SETTINGS
from server.web.middlewares import remote_address, status_of
from server.web.paths import same_site_path
from server.web.templates import render
from server.web.texts import read_form


async def sign_in_page(request: web.Request) -> web.Response:
    """`GET /sign-in`; who is signed in already goes on at once."""
    target = same_site_path(request.query.get("next", "/"))
    if find_actor(request) is not None:
        return see_other(target)
    return render(request, "accounts/sign_in.html", {"next": target, "username": "", "errors": {}})


async def sign_in(request: web.Request) -> web.Response:
    """`POST /sign-in`: the session cookie and back to where the visitor was going, or the form with the reason."""
    form = await read_form(request)
    username, password = str(form.get("username", "")), str(form.get("password", ""))
    target = same_site_path(str(form.get("next", "/")))
    try:
        signed_in = await service.sign_in(
            request.app[DATABASE],
            username=username,
            password=password,
            address=remote_address(request),
            now=request.app[CLOCK].now(),
            session_hours=request.app[SETTINGS].session_hours,
        )
    except (service.WrongSignIn, Throttled) as error:
        async with request.app[DATABASE].reading() as session:
            request[FAILED_SIGN_IN] = await service.find_failed(session, username, error.code)
        context = {"next": target, "username": username[:80], "errors": explained(error)}
        return render(request, "accounts/sign_in.html", context, status=status_of(error))
    response = see_other(target)
    carry_session(request, response, signed_in)
    return response


async def sign_out(request: web.Request) -> web.Response:
    """`POST /sign-out`."""
    if token := request.cookies.get(SESSION_COOKIE):
        async with request.app[DATABASE].transaction() as session:
            await service.sign_out(session, token)
    response = see_other("/sign-in")
    drop_session(response)
    return response


async def account_page(request: web.Request) -> web.Response:
    """`GET /account`: who one is here, and one's own password. Not for API tokens."""
    return _account_page(request)


async def change_password(request: web.Request) -> web.Response:
    """`POST /account/password`."""
    form = await read_form(request)
    try:
        await service.change_password(
            request.app[DATABASE],
            actor(request),
            request.cookies.get(SESSION_COOKIE, ""),
            current=str(form.get("current", "")),
            new=str(form.get("new", "")),
            again=str(form.get("again", "")),
            now=request.app[CLOCK].now(),
        )
    except (Invalid, Throttled) as error:
        return _account_page(request, error)
    return see_other("/account?changed=1")


def _account_page(request: web.Request, error: Invalid | Throttled | None = None) -> web.Response:
    who = actor(request)
    if who.kind != "staff":
        raise Forbidden
    context = {
        "who": who,
        "changed": "changed" in request.query,
        "errors": explained(error) if error else {},
    }
    return render(request, "accounts/account.html", context, status=status_of(error) if error else 200)


async def administration(request: web.Request) -> web.Response:
    """`GET /admin`: people, tokens and data of the office."""
    actor(request).require("staff.manage")
    async with request.app[DATABASE].reading() as session:
        return await _administration(request, session)


async def update_office(request: web.Request) -> web.Response:
    """`POST /admin/office`."""
    who = actor(request)
    sent = await texts_of(request, "office_name", "region_code", "phone")
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.update_office(
                session,
                who,
                name=sent["office_name"],
                region_code=sent["region_code"],
                phone=sent["phone"],
            )
    except Invalid as error:
        async with request.app[DATABASE].reading() as session:
            return await _administration(request, session, error, office_form=sent)
    return see_other("/admin#office")


async def new_staff_page(request: web.Request) -> web.Response:
    """`GET /admin/staff/new`."""
    actor(request).require("staff.manage")
    empty = dict.fromkeys(("username", "name", "certificate_number"), "") | {"role": "reviewer"}
    return render(request, "accounts/new_staff.html", {"form": empty, "errors": {}, "roles": STAFF_ROLES})


async def create_staff(request: web.Request) -> web.Response:
    """`POST /admin/staff`."""
    who = actor(request)
    who.require("staff.manage")
    sent = await texts_of(request, "username", "name", "role", "certificate_number")
    password = str((await read_form(request)).get("password", ""))
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.create_staff(
                session, office_id=who.office_id, password=password, now=request.app[CLOCK].now(), **sent
            )
    except Invalid as error:
        context = {"form": sent, "errors": explained(error), "roles": STAFF_ROLES}
        return render(request, "accounts/new_staff.html", context, status=422)
    return see_other("/admin#people")


async def staff_page(request: web.Request) -> web.Response:
    """`GET /admin/staff/<id>`: new password, switching the account off or on."""
    return await _staff_page(request)


async def reset_password(request: web.Request) -> web.Response:
    """`POST /admin/staff/<id>/password`."""
    password = str((await read_form(request)).get("password", ""))
    try:
        async with request.app[DATABASE].transaction() as session:
            await service.reset_password(session, actor(request), request.match_info["staff"], password)
    except Invalid as error:
        return await _staff_page(request, error)
    return see_other("/admin#people")


async def set_active(request: web.Request) -> web.Response:
    """`POST /admin/staff/<id>/active` with `active` = 1 or 0."""
    sent = await texts_of(request, "active")
    async with request.app[DATABASE].transaction() as session:
        await service.set_active(
            session, actor(request), request.match_info["staff"], active=sent["active"] == "1"
        )
    return see_other("/admin#people")


async def create_token(request: web.Request) -> web.Response:
    """`POST /admin/tokens`: the page that shows the secret, this once."""
    who = actor(request)
    who.require("token.manage")
    sent = await texts_of(request, "token_name", "token_role")
    try:
        async with request.app[DATABASE].transaction() as session:
            token, secret = await service.create_api_token(
                session, who.office_id, sent["token_name"], sent["token_role"], request.app[CLOCK].now()
            )
    except Invalid as error:
        async with request.app[DATABASE].reading() as session:
            return await _administration(request, session, error, token_form=sent)
    return render(request, "accounts/token_created.html", {"token": token, "secret": secret}, status=201)


async def revoke_page(request: web.Request) -> web.Response:
    """`GET /admin/tokens/<id>/revoke`: asks once more."""
    who = actor(request)
    who.require("token.manage")
    async with request.app[DATABASE].reading() as session:
        token = await service.get_api_token(session, who, request.match_info["token"])
    return render(request, "accounts/revoke_token.html", {"token": token})


async def revoke_token(request: web.Request) -> web.Response:
    """`POST /admin/tokens/<id>/revoke`."""
    async with request.app[DATABASE].transaction() as session:
        await service.revoke(session, actor(request), request.match_info["token"], request.app[CLOCK].now())
    return see_other("/admin#tokens")


async def _administration(
    request: web.Request,
    session: AsyncSession,
    error: Invalid | None = None,
    office_form: dict[str, str] | None = None,
    token_form: dict[str, str] | None = None,
) -> web.Response:
    who = actor(request)
    who.require("staff.manage")
    office = await service.get_office(session, who.office_id)
    context: dict[str, Any] = {
        "people": await service.list_staff(session, who.office_id),
        "tokens": await service.list_api_tokens(session, who.office_id),
        "roles": STAFF_ROLES,
        "office_form": office_form
        or {"office_name": office.name, "region_code": office.region_code, "phone": office.phone},
        "token_form": token_form or {"token_name": "", "token_role": "reviewer"},
        "errors": explained(error) if error else {},
    }
    return render(request, "accounts/administration.html", context, status=422 if error else 200)


async def _staff_page(request: web.Request, error: Invalid | None = None) -> web.Response:
    who = actor(request)
    who.require("staff.manage")
    async with request.app[DATABASE].reading() as session:
        person = await service.get_staff(session, who, request.match_info["staff"])
    context = {
        "person": person,
        "is_self": person.id == who.id,
        "errors": explained(error) if error else {},
    }
    return render(request, "accounts/staff.html", context, status=422 if error else 200)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/sign-in", sign_in_page),
        web.post("/sign-in", sign_in),
        web.post("/sign-out", sign_out),
        web.get("/account", account_page),
        web.post("/account/password", change_password),
        web.get("/admin", administration),
        web.post("/admin/office", update_office),
        web.get("/admin/staff/new", new_staff_page),
        web.post("/admin/staff", create_staff),
        web.get("/admin/staff/{staff}", staff_page),
        web.post("/admin/staff/{staff}/password", reset_password),
        web.post("/admin/staff/{staff}/active", set_active),
        web.post("/admin/tokens", create_token),
        web.get("/admin/tokens/{token}/revoke", revoke_page),
        web.post("/admin/tokens/{token}/revoke", revoke_token),
    ]
