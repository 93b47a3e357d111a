"""What the tests of a running inspection say to the service, and what they wait for."""

import asyncio
from typing import Any

from aiohttp import ClientWebSocketResponse
from aiohttp.test_utils import TestClient

from server.inspections.texts import current_texts

LANGUAGE = {"Accept-Language": "en"}


def consent() -> dict[str, str]:
    return {text.kind: text.version for text in current_texts("en")}


async def join(client: TestClient[Any, Any], invitation: str, **fields: Any) -> dict[str, Any]:
    """Join with consent; the answer's body. Fails the test if the service refuses."""
    body = {"invitation": invitation, "name": "田继业", "consent": consent(), **fields}
    async with client.post("/api/v1/join", json=body, headers=LANGUAGE) as response:
        assert response.status == 201, await response.text()
        answer: dict[str, Any] = await response.json()
    return answer


def bearer(joined: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {joined['token']}", **LANGUAGE}


class RoomClient:
    """A participant's WebSocket that keeps what it heard."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    @classmethod
    async def connect(
        cls, client: TestClient[Any, Any], joined: dict[str, Any], after: int = 0, *, lines: bool = False
    ) -> "RoomClient":
        socket = await client.ws_connect(
            f"{joined['base']}/room?after={after}{'&lines=1' if lines else ''}",
            protocols=("yunkan.v1", f"bearer.{joined['token']}"),
            headers=LANGUAGE,
        )
        return cls(socket)

    async def hear(self, type_: str, **fields: Any) -> dict[str, Any]:
        """The next message of this type with these fields; what comes before it is kept in `heard`."""
        async with asyncio.timeout(20):
            while True:
                message: dict[str, Any] = await self.socket.receive_json()
                self.heard.append(message)
                if message["type"] == type_ and all(
                    message.get(name) == value for name, value in fields.items()
                ):
                    return message

    async def hear_event(self, type_: str) -> dict[str, Any]:
        """The next event of this type."""
        while True:
            event: dict[str, Any] = (await self.hear("event"))["event"]
            if event["type"] == type_:
                return event

    async def say(self, **message: Any) -> dict[str, Any]:
        """Say it and wait for the service's answer to it, `ack` or `error`."""
        message.setdefault("id", f"m{len(self.heard)}")
        await self.socket.send_json(message)
        async with asyncio.timeout(20):
            while True:
                answer: dict[str, Any] = await self.socket.receive_json()
                self.heard.append(answer)
                if answer["type"] in ("ack", "error") and answer["re"] == message["id"]:
                    return answer

    async def close(self) -> None:
        await self.socket.close()
