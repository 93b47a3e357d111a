"""Joining an inspection by an invitation, as a person with a phone would."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse, ClientSession
from aiortc import RTCIceServer
from yarl import URL

from server.demo.errors import Refused

DEVICE = "yunkan demo"


@dataclass(frozen=True)
class Joined:
    """What a join gives: who we are, the room's address and the token that opens it."""

    participant: str
    role: str
    token: str
    base: URL
    ice_servers: tuple[RTCIceServer, ...]
    inspection: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


async def join(
    session: ClientSession, address: str, invitation: str, name: str, *, device: str = DEVICE
) -> Joined:
    """Join at the service `address` by an invitation's token or URL.

    Agrees to the texts the service names and takes the place over when the link is already in use, each once.
    Raises `Refused` with the service's own code for everything else.
    """
    url = URL(address) / "api/v1/join"
    body: dict[str, Any] = {"invitation": token_of(invitation), "name": name, "device": device}
    for _ in range(3):
        async with session.post(url, json=body) as response:
            if response.status == 201:
                return _joined(URL(address), await response.json())
            error = await _error(response)
            match error.get("code"):
                case "consent_required" if "consent" not in body:
                    body["consent"] = {text["kind"]: _agreed(text) for text in error["texts"]}
                case "already_joined" if "takeover" not in body:
                    body["takeover"] = True
                case _:
                    raise _refused(response, error)
    raise Refused(409, "consent_required", "")


def _agreed(text: Mapping[str, Any]) -> dict[str, Any]:
    """To the very words that the service named."""
    return {name: text[name] for name in ("version", "sha256", "language")}


def token_of(invitation: str) -> str:
    """The token at the end of an invitation's URL, or the token itself."""
    return invitation.rstrip("/").rsplit("/", 1)[-1]


async def refusal(response: ClientResponse) -> Refused:
    """The error a response tells, whatever its body is."""
    return _refused(response, await _error(response))


async def _error(response: ClientResponse) -> Mapping[str, Any]:
    try:
        body = await response.json(content_type=None)
    except ValueError:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _refused(response: ClientResponse, error: Mapping[str, Any]) -> Refused:
    return Refused(
        response.status, str(error.get("code", "unknown")), str(error.get("message", response.reason))
    )


def _joined(address: URL, body: Mapping[str, Any]) -> Joined:
    return Joined(
        participant=body["participant"],
        role=body["role"],
        token=body["token"],
        base=address.join(URL(body["base"].rstrip("/"))),
        ice_servers=tuple(
            RTCIceServer(urls=s["urls"], username=s.get("username"), credential=s.get("credential"))
            for s in body["ice_servers"]
        ),
        inspection=_inspection(body["inspection"]),
    )


def _inspection(value: Any) -> str:
    return str(value["id"]) if isinstance(value, dict) else str(value)
