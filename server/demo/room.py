"""The room's WebSocket as a phone sees it: messages in, messages out, reconnecting by itself."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientConnectionError, ClientError, ClientSession, ClientWebSocketResponse, WSMsgType
from aiohttp import WSServerHandshakeError as HandshakeError

from server.demo.backoff import delays
from server.demo.errors import Refused, ServiceUnreachable
from server.demo.joining import Joined

ACK_TIMEOUT_S = 5.0
HEARTBEAT_S = 10.0
FINAL_BYES = {"ended", "replaced", "removed", "expired"}


@dataclass(frozen=True)
class Hello:
    """The connection stands; `seq` is the newest event the service has."""

    seq: int
    state: str


@dataclass(frozen=True)
class Happened:
    """An event of the inspection's log."""

    seq: int
    type: str
    actor: Mapping[str, Any]
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Presence:
    """Everyone who belongs to the room, and who of them is here."""

    participants: tuple[Mapping[str, Any], ...]

    def has_reviewer(self) -> bool:
        return any(p["online"] and p["role"] == "reviewer" for p in self.participants)


@dataclass(frozen=True)
class Media:
    """The slots as the service receives them."""

    slots: tuple[Mapping[str, Any], ...]

    def is_live(self, participant: str) -> bool:
        """Whether anything a participant publishes arrives."""
        return any(s["participant"] == participant and s["live"] for s in self.slots)


@dataclass(frozen=True)
class Lost:
    """The connection broke; the client is on its way back."""


@dataclass(frozen=True)
class Bye:
    """The last message: the room is closed to us for good."""

    code: str


Message = Hello | Happened | Presence | Media | Lost | Bye


def parse(message: Mapping[str, Any]) -> Message | None:
    """A server message as a value; None for a type this client does not know or does not show."""
    match message:
        case {"type": "hello", "seq": int(seq), **rest}:
            return Hello(seq, str(rest.get("state", "")))
        case {"type": "event", "event": {"seq": int(seq), "type": str(kind), "actor": actor, "body": body}}:
            return Happened(seq, kind, actor or {}, body or {})
        case {"type": "presence", "participants": list(participants)}:
            return Presence(tuple(participants))
        case {"type": "media", "slots": list(slots)}:
            return Media(tuple(slots))
        case {"type": "bye", "code": str(code)}:
            return Bye(code) if code in FINAL_BYES else Lost()
        case _:
            return None


class RoomClient:
    """`async with RoomClient(...) as room: async for message in room: ...`; ends after `Bye`.

    Raises `ServiceUnreachable` from the iteration when the backoff's budget is spent.
    """

    def __init__(
        self,
        session: ClientSession,
        joined: Joined,
        *,
        after: int = 0,
        waits: Callable[[], Iterator[float]] = delays,
    ) -> None:
        self._session = session
        self._joined = joined
        self._waits = waits
        self._socket: ClientWebSocketResponse | None = None
        self._answers: dict[str, asyncio.Future[int | None]] = {}
        self._ids = itertools.count(1)
        # Bounded: when the reader is slow the socket is read no further, and TCP holds the service back.
        self._inbox: asyncio.Queue[Message | BaseException] = asyncio.Queue(256)
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()
        self.last_seq = after

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._stay())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            message = await self._inbox.get()
            if isinstance(message, BaseException):
                raise message
            yield message
            if isinstance(message, Bye):
                return

    async def send(self, kind: str, **body: Any) -> int | None:
        """Send a message and wait for its `ack`; returns the seq of the event it made, if any.

        Raises `Refused` when the room answers `error`, `ConnectionError` when there is no connection or it breaks.
        """
        if self._socket is None:
            raise ConnectionError("the room is not connected")
        key = str(next(self._ids))
        answer: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._answers[key] = answer
        try:
            await self._socket.send_json({"type": kind, "id": key, **body})
            async with asyncio.timeout(ACK_TIMEOUT_S):
                return await answer
        except (TimeoutError, ClientConnectionError) as error:
            raise ConnectionError("the room did not answer") from error
        finally:
            self._answers.pop(key, None)

    async def _stay(self) -> None:
        try:
            await self._inbox.put(Bye(await self._connect_again_and_again()))
        except Exception as error:
            await self._inbox.put(error)

    async def _connect_again_and_again(self) -> str:
        waits = self._waits()
        while True:
            try:
                async with self._session.ws_connect(
                    self._joined.base / "room" % {"after": self.last_seq},
                    protocols=("yunkan.v1", f"bearer.{self._joined.token}"),
                    headers=self._joined.headers,
                    heartbeat=HEARTBEAT_S,
                ) as socket:
                    waits = self._waits()
                    code = await self._listen(socket)
                    if code is not None:
                        return code
            except HandshakeError as error:
                if Refused(error.status, "", "").is_final:
                    return "ended" if error.status == 410 else "removed"
            except (ClientError, TimeoutError, OSError):
                pass
            await self._inbox.put(Lost())
            wait = next(waits, None)
            if wait is None:
                raise ServiceUnreachable(str(self._joined.base))
            await asyncio.sleep(wait)

    async def _listen(self, socket: ClientWebSocketResponse) -> str | None:
        self._socket = socket
        self.connected.set()
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.TEXT:
                    continue
                message = frame.json()
                self._settle(message)
                match parsed := parse(message):
                    case Bye(code):
                        return code
                    case None | Lost():
                        continue
                    case Happened(seq):
                        self.last_seq = max(self.last_seq, seq)
                await self._inbox.put(parsed)
        finally:
            self._socket = None
            self.connected.clear()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError("the room was lost"))
        return None

    def _settle(self, message: Mapping[str, Any]) -> None:
        answer = self._answers.get(str(message.get("re")))
        if answer is None or answer.done():
            return
        if message.get("type") == "ack":
            answer.set_result(message.get("seq"))
        elif message.get("type") == "error":
            answer.set_exception(
                Refused(400, str(message.get("code", "unknown")), str(message.get("message", "")))
            )
