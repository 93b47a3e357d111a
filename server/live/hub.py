"""The hub of one room: tails the inspection's log and keeps every connection up to date.

Nothing is queued for a connection. Each has a cursor into the log, and for what is not logged (`presence`,
`media`) only the newest message counts; so a slow client costs no memory and loses nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from server.accounts.rules import Actor
from server.evidence.chain import GENESIS
from server.inspections.log import UNTOLD
from server.live.state import RoomState

SEND_TIMEOUT_S = 20
NORMAL_CLOSURE = 1000


class Connection:
    """One WebSocket of one participant."""

    def __init__(
        self, actor: Actor, socket: web.WebSocketResponse, after: int, *, lines: bool = False
    ) -> None:
        """`lines`: the client recomputes the chain, so it gets what nobody shows too."""
        self.actor = actor
        self.after = after
        self._lines = lines
        self._socket = socket
        self._wake = asyncio.Event()
        self._bye: dict[str, str] | None = None
        self._sent: dict[str, str] = {}

    def wake(self) -> None:
        self._wake.set()

    def dismiss(self, code: str, **details: str) -> None:
        """Say `bye` with this code, after what is still to be said, and close."""
        self._bye = self._bye or {**details, "code": code}
        self._wake.set()

    async def say(self, message: dict[str, Any]) -> None:
        """Send one message now; a client that takes nothing for 20 s is cut off (it will reconnect)."""
        await self._say_text(json.dumps(message, ensure_ascii=False))

    async def pump(self, hub: Hub) -> None:
        """Send what the hub has and this connection has not, until dismissed or cut off."""
        while True:
            self._wake.clear()
            for seq, event in enumerate(hub.events[self.after :], self.after + 1):
                # What no page shows is told only to who checks the chain, as lines.
                if not isinstance(event, str):
                    await self.say({"type": "event", "event": event})
                elif self._lines:
                    await self.say({"type": "line", "seq": seq, "line": event})
                self.after = seq
            for kind, text in tuple(hub.latest.items()):
                if self._sent.get(kind) != text:
                    await self._say_text(text)
                    self._sent[kind] = text
            if self._bye is not None and self.after >= hub.state.seq:
                await self.say({"type": "bye", **self._bye})
                await self._socket.close(code=NORMAL_CLOSURE)
                return
            await self._wake.wait()

    async def _say_text(self, text: str) -> None:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._socket.send_str(text)


class Hub:
    """The folded log and the connections of one room. `events[n]` has `seq` n + 1; of an untold one it is the line."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any] | str] = []
        self.link = GENESIS
        """The head of the log as far as it is told here."""
        self.state = RoomState()
        self.connections: set[Connection] = set()
        self.latest: dict[str, str] = {}

    def extend(self, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take the next events of the log and tell everybody; returns those that were new.

        One of the untold types has its `line` with it.
        """
        fresh = [event for event in events if event["seq"] > self.state.seq]
        for event in fresh:
            self.events.append(event["line"] if event["type"] in UNTOLD else event)
            self.link = event["link"]
            self.state.apply(event)
        if fresh:
            self._wake_all()
        return fresh

    def announce(self, message: dict[str, Any]) -> None:
        """Make this the newest message of its type."""
        self.latest[message["type"]] = json.dumps(message, ensure_ascii=False)
        self._wake_all()

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)

    def remove(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def is_online(self, participant_id: str) -> bool:
        return any(connection.actor.id == participant_id for connection in self.connections)

    def dismiss(self, code: str, participant_id: str | None = None, **details: str) -> None:
        """`bye` to one participant's connections, or to all; `details` go with it."""
        for connection in tuple(self.connections):
            if participant_id is None or connection.actor.id == participant_id:
                connection.dismiss(code, **details)

    def _wake_all(self) -> None:
        for connection in self.connections:
            connection.wake()
