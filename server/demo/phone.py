"""The simulated phone itself: what its person does from the link to the end of the inspection."""

import asyncio
import contextlib
import datetime
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, TCPConnector
from aiortc import RTCRemoteInboundRtpStreamStats

from server.demo import lines
from server.demo.backoff import delays
from server.demo.errors import Refused, ServiceUnreachable
from server.demo.joining import Joined, join
from server.demo.room import Bye, Happened, Hello, Lost, Media, Presence, RoomClient
from server.demo.tracks import Walk
from server.demo.watch import ArrivalWatch
from server.demo.whip import WhipPublisher, h264_codecs

log = logging.getLogger(__name__)

LOCATION_EVERY_S = 60.0
NETWORK_EVERY_S = 5.0
ANSWER_AFTER_S = 1.5
CHECK_EVERY_S = 0.5


@dataclass(frozen=True)
class Site:
    """Where the simulated phone says it is: WGS-84 degrees."""

    lat: float
    lon: float

    def fix(self, turn: int) -> tuple[float, float, float]:
        """The `turn`-th fix (lat, lon, accuracy in metres): within some ten metres, as a phone's fixes wander."""
        north_m, east_m = 6 * math.sin(turn * 1.7), 8 * math.cos(turn * 1.1)
        metre = 1 / 111_320
        lon = self.lon + east_m * metre / math.cos(math.radians(self.lat))
        return round(self.lat + north_m * metre, 6), round(lon, 6), round(11 + 3 * math.sin(turn), 1)


SITE = Site(lat=37.5878, lon=118.5473)


async def run(
    address: str,
    invitation: str,
    name: str,
    *,
    verify_tls: bool,
    stop: asyncio.Event,
    language: str = "zh-CN",
    site: Site = SITE,
) -> None:
    """Join by an invitation (token or URL) and show the walk until the inspection ends or `stop` is set.

    `verify_tls` is off for the self-signed certificate of a trial. Raises `Refused` if the service will not have us and
    `ServiceUnreachable` if it stays away for a quarter of an hour.
    """
    headers = {"Accept-Language": language}
    async with ClientSession(connector=TCPConnector(ssl=verify_tls), headers=headers) as session:
        joined = await _join(session, address, invitation, name)
        walk = await asyncio.to_thread(Walk)
        async with RoomClient(session, joined) as room:
            phone = _Phone(session, joined, room, walk=walk, translate=lines.catalogue(language), site=site)
            await phone.live(stop)


async def _join(session: ClientSession, address: str, invitation: str, name: str) -> Joined:
    # The demo is often started together with the service, which then needs some seconds more.
    for wait in delays(budget_s=60.0):
        try:
            return await join(session, address, invitation, name)
        except (ClientError, TimeoutError) as error:
            log.info("the service does not answer yet: %s", error)
            await asyncio.sleep(wait)
    raise ServiceUnreachable(address)


class _Phone:
    def __init__(
        self,
        session: ClientSession,
        joined: Joined,
        room: RoomClient,
        *,
        walk: Walk,
        translate: lines.Translate,
        site: Site,
    ) -> None:
        self._session = session
        self._joined = joined
        self._room = room
        self._walk = walk
        self._translate = translate
        self._site = site
        self._watch = ArrivalWatch()
        self._publish_anew = asyncio.Event()
        self._unanswered = asyncio.Event()
        self._reviewer_here = asyncio.Event()
        self._publisher: WhipPublisher | None = None

    async def live(self, stop: asyncio.Event) -> None:
        """Do everything at once until the room says bye or `stop` is set."""
        listening = asyncio.create_task(self._listen())
        tasks = [
            asyncio.create_task(work)
            for work in (
                self._publish(),
                self._check_arrival(),
                self._chat(),
                self._report_location(),
                self._report_network(),
            )
        ]
        stopping = asyncio.create_task(stop.wait())
        everything = [listening, stopping, *tasks]
        try:
            done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            if stopping in done:
                with contextlib.suppress(ConnectionError, Refused):
                    await self._room.send("leave")
            for task in done:
                task.result()
        finally:
            await _cancel(everything)

    async def _listen(self) -> None:
        clock = asyncio.get_running_loop().time
        newest_at_hello = 0
        async for message in self._room:
            match message:
                case Hello(seq):
                    newest_at_hello = max(newest_at_hello, seq)
                case Presence() as presence:
                    if presence.has_reviewer():
                        self._reviewer_here.set()
                case Media() as media:
                    self._watch.heard(media.is_live(self._joined.participant), clock())
                # What was said before we came (or while we were away) is not answered again.
                case Happened(seq, "chat.sent", actor) if seq > newest_at_hello:
                    if actor.get("id") != self._joined.participant:
                        self._unanswered.set()
                case Lost():
                    self._watch.out_of_touch()
                    log.info("the room is lost; coming back")
                case Bye(code):
                    log.info("the room says bye: %s", code)

    async def _publish(self) -> None:
        waits = delays()
        while True:
            self._publish_anew.clear()
            publisher = WhipPublisher(
                self._session, self._joined, self._walk.tracks(), video_codecs=h264_codecs()
            )
            try:
                await publisher.start()
                self._publisher = publisher
                self._watch.published(asyncio.get_running_loop().time())
                waits = delays()
                log.info("publishing")
                await _first(publisher.lost, self._publish_anew)
            except Refused as error:
                # The room's bye tells whether this is the end; a phone would ask again meanwhile.
                log.info("the service declines our camera: %s", error)
            except (ClientError, TimeoutError, OSError) as error:
                log.info("no connection for our camera: %r", error)
            finally:
                self._watch.closed()
                self._publisher = None
                await publisher.close()
            wait = next(waits, None)
            if wait is None:
                raise ServiceUnreachable(str(self._joined.base))
            await asyncio.sleep(wait)

    async def _check_arrival(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            if self._watch.is_due(asyncio.get_running_loop().time()) and not self._publish_anew.is_set():
                log.info("our camera does not arrive; publishing anew")
                self._publish_anew.set()

    async def _chat(self) -> None:
        await self._reviewer_here.wait()
        await self._say(self._translate(lines.GREETING))
        for turn in range(1_000_000):
            await self._unanswered.wait()
            # As long as a person takes; also one answer to several lines sent in a row.
            await asyncio.sleep(ANSWER_AFTER_S)
            self._unanswered.clear()
            await self._say(lines.answer(turn, self._walk.place(), self._translate))

    async def _say(self, text: str) -> None:
        with contextlib.suppress(ConnectionError, Refused):
            await self._room.send("chat", text=text)

    async def _report_location(self) -> None:
        for turn in range(1_000_000):
            await self._room.connected.wait()
            lat, lon, accuracy_m = self._site.fix(turn)
            taken_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
            try:
                await self._room.send(
                    "location",
                    lat=lat,
                    lon=lon,
                    accuracy_m=accuracy_m,
                    taken_at=taken_at.replace("+00:00", "Z"),
                    permission="granted",
                )
            except (ConnectionError, Refused):
                await asyncio.sleep(1.0)
            else:
                await asyncio.sleep(LOCATION_EVERY_S)

    async def _report_network(self) -> None:
        while True:
            await asyncio.sleep(NETWORK_EVERY_S)
            if self._publisher is None:
                continue
            report = await self._publisher.connection.getStats()
            remote = [s for s in report.values() if isinstance(s, RTCRemoteInboundRtpStreamStats)]
            rtts = [s.roundTripTime for s in remote if s.roundTripTime is not None]
            if not rtts:
                continue
            with contextlib.suppress(ConnectionError, Refused):
                await self._room.send(
                    "network", rtt_s=round(max(rtts), 4), loss=max(s.fractionLost for s in remote) / 256
                )


async def _first(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Iterable[asyncio.Task[object]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
