"""A slot: what one participant shows and says through one source. Peer connections come and go under it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from .codecs import Kind
from .errors import MediaError, NoPicture
from .hearing import Hearing
from .model import Part, PartSegment, Picture, SlotStats
from .negotiation import parse_offer
from .publish import PublishSession
from .recorder import Recorder
from .session import Host, Session
from .snapshot import decode
from .track import ClockReport, Track
from .view import ViewSession

logger = logging.getLogger(__name__)

INTERRUPTED_AFTER_S = 2.0
# A keyframe is a burst: ask at most twice a second, whoever asks.
_KEYFRAME_PAUSE_S = 0.5
# Recordings stay seekable and snapshots cheap: five seconds of 720p decode in 0.2 s of one core. Keyframes every two
# seconds would cost a good part of the bitrate that the picture's detail needs.
_KEYFRAME_EVERY_S = 5.0
_STATS_WINDOW_S = 1.0
# The recorder takes the interpreter from the packets: seldom and much is cheaper than often and little. What a kill
# costs beyond the fragment in hand grows by as much.
_FLUSH_S = 0.18


class SlotObserver(Protocol):
    """Told what happens to a slot. Called on the event loop; must not block."""

    def slot_live(self, slot: Slot) -> None: ...

    def slot_interrupted(self, slot: Slot, cause: str) -> None:
        """`no_media`: no packet for 2 s; `closed`: the publisher ended."""

    def slot_lacking(self, slot: Slot, kind: Kind, since: datetime) -> None:
        """One kind stopped and the other goes on: told after 2 s. An interruption ends it without a word."""

    def slot_complete(self, slot: Slot, kind: Kind, since: datetime) -> None:
        """What was lacking is there again; a picture from the keyframe that can be shown."""

    def part_opened(self, slot: Slot, part: Part) -> None: ...

    def part_segment(self, slot: Slot, part: Part, segment: PartSegment) -> None:
        """About every two seconds while a part is open and once at its close, before `part_closed`."""

    def part_closed(self, slot: Slot, part: Part) -> None:
        """Once for every part that was opened: the file is final, duration, size and digest are present."""

    def recording_failed(self, slot: Slot, reason: str) -> None:
        """`disk_full` (or nearly so), `queue_overflow` or `muxer_error`. Forwarding goes on."""


class Slot:
    """Owns the tracks, the present publisher, the viewers and the recording. Made by `MediaEngine.open_slot`."""

    def __init__(
        self, host: Host, slot_id: str, observer: SlotObserver, on_closed: Callable[[Slot], None]
    ) -> None:
        self.id = slot_id
        self.stream = re.sub(r"[^A-Za-z0-9-]", "-", slot_id)[:64] or "slot"
        self.live = False
        self.heard_at: float | None = None
        "When the latest media packet of the publisher arrived (monotonic seconds)."
        self.publisher: PublishSession | None = None
        self.held = False
        "While held, what the publisher sends goes nowhere: see `hold`."
        self.tracks: dict[Kind, Track] = {"audio": Track("audio"), "video": Track("video")}
        self._host = host
        self._observer = observer
        self._on_closed = on_closed
        self._sessions: list[Session] = []
        self._recorder: Recorder | None = None
        self._hearing = Hearing()
        self._closed = False
        self._keyframe_asked_at = 0.0
        self._keyframe_wanted = False
        self._window = (time.monotonic(), 0, 0)
        self._bitrate_bps = 0
        self._fps = 0.0
        self._loss = 0.0
        self._recorded_before = 0
        self._unrecorded_before = 0
        self._unrepaired_before = 0
        self._cut_after: float | None = None
        self._flush_at = 0.0

    # -- for the room ---------------------------------------------------------------------------

    async def publish(self, offer_sdp: str) -> Session:
        """Answers a WHIP offer. The present publisher goes on until media of the new one arrives; then it is closed.
        Raises OfferRejected, or MediaError when the slot is closed."""
        self._check_open()
        session = PublishSession(self._host, self, parse_offer(offer_sdp))
        for older in self._sessions:
            # Of several that have not sent anything yet only the newest can be meant.
            if isinstance(older, PublishSession) and older is not self.publisher:
                older.end_soon()
        self._sessions.append(session)
        return session

    async def view(self, offer_sdp: str) -> Session:
        """Answers a WHEP offer. Raises OfferRejected, or MediaError when the slot is closed."""
        self._check_open()
        session = ViewSession(self._host, self, parse_offer(offer_sdp))
        self._sessions.append(session)
        return session

    async def snapshot(self, rtp_timestamp: int | None = None) -> Picture:
        """The frame with this 32-bit timestamp of the slot, or the newest decodable one.
        Raises FrameGone or NoPicture."""
        track = self.tracks["video"]
        codec = track.video_codec
        if codec is None:
            raise NoPicture("the slot has had no video yet")
        packets, breaks = track.ring.packets(), tuple(track.breaks)
        decoded = await asyncio.to_thread(decode, packets, breaks, codec, rtp_timestamp)
        age = timedelta(seconds=time.monotonic() - decoded.arrived_s)
        height, width = decoded.image.shape[:2]
        return Picture(
            image=decoded.image,
            rtp_timestamp=decoded.timestamp,
            width=width,
            height=height,
            captured_at=datetime.now(UTC) - age,
        )

    def start_recording(self, directory: Path, part_stem: Callable[[int], str], first_index: int = 1) -> None:
        """Records every continuous run of the slot into a part `directory / part_stem(index)` with the format's suffix.
        Raises MediaError when the slot is closed or records already."""
        self._check_open()
        if self._recorder is not None and not self._recorder.failed:
            raise MediaError("the slot is being recorded already")
        self._drop_recorder()
        recorder = Recorder(
            directory,
            part_stem,
            first_index,
            on_opened=lambda part: self._observer.part_opened(self, part),
            on_closed=lambda part: self._observer.part_closed(self, part),
            on_failed=lambda reason: self._observer.recording_failed(self, reason),
            on_segment=lambda part, segment: self._observer.part_segment(self, part, segment),
            digester=self._host.digester,
            threads=self._host.recorder_threads,
            reserve_bytes=self._host.reserve_bytes,
        )
        self._recorder = recorder
        for track in self.tracks.values():
            track.tap = recorder
        if self.publisher is not None:
            recorder.begin(self.publisher.codec_names)
            self.request_keyframe()

    async def stop_recording(self) -> None:
        """Ends the part in hand; returns when it is final and `part_closed` was called."""
        recorder = self._recorder
        if recorder is None:
            return
        self._detach_recorder()
        await recorder.close()
        self._drop_recorder()

    def hold(self) -> None:
        """From now on nothing is kept or forwarded of what the publisher sends. Sessions stay connected and the slot
        stays live; the recording is the caller's to stop."""
        self.held = True

    def release(self) -> None:
        """The publisher's next packet goes on where the timeline was left, later by the time between: what was held
        has no numbers, so that viewers miss nothing and their SRTP counters stay right however long it took."""
        self.held = False
        self._hearing.restart(time.monotonic())
        if self.publisher is not None:
            self.publisher.begin_anew()

    def stats(self) -> SlotStats:
        now = time.monotonic()
        video, audio = self.tracks["video"], self.tracks["audio"]
        uplinks = self.publisher.uplinks if self.publisher is not None else {}
        recorder = self._recorder
        width, height = video.size if video.size is not None else (None, None)
        return SlotStats(
            live=self.live,
            bitrate_bps=self._bitrate_bps if self.live else 0,
            loss=self._loss,
            jitter_s=max((uplink.jitter_s for uplink in uplinks.values()), default=0.0),
            width=width,
            height=height,
            fps=self._fps if self.live else 0.0,
            video_codec=video.codec_name,
            audio_codec=audio.codec_name,
            viewers=sum(isinstance(item, ViewSession) and item.connected for item in self._sessions),
            last_packet_age_s=None if self.heard_at is None else now - self.heard_at,
            recording=recorder is not None and not recorder.failed,
            bytes_recorded=self._recorded_before + (recorder.bytes_written if recorder else 0),
            packets_repaired=sum(uplink.repaired for uplink in uplinks.values()),
            packets_unrepaired=self._unrepaired_before
            + sum(uplink.unrepaired for uplink in uplinks.values()),
            frames_unrecorded=self._unrecorded_before + (recorder.frames_dropped if recorder else 0),
        )

    async def close(self) -> None:
        """Closes all sessions and finalises the recording. May be called any number of times."""
        self._closed = True
        for session in list(self._sessions):
            await session.close()
        await self.stop_recording()
        self._on_closed(self)

    # -- for sessions ---------------------------------------------------------------------------

    def take_over(self, session: PublishSession) -> bool:
        """The first media of a publisher arrived: from now on it is the slot's. False for one that was replaced."""
        if self._closed or session not in self._sessions:
            return False
        previous = self.publisher
        if previous is not None:
            newer = self._sessions.index(session) > self._sessions.index(previous)
            if not newer:
                return False
        self.publisher = session
        if previous is not None:
            previous.end_soon()
        if self._recorder is not None:
            self._recorder.begin(session.codec_names)
        return True

    def stream_joined(self, session: PublishSession, kind: Kind) -> None:
        """A stream of the publisher begins (or begins anew, with another SSRC)."""
        self.tracks[kind].restart_sinks()
        # For sound as well: the recorder can begin a part with sound only at a keyframe.
        self.request_keyframe()

    def clock_reported(self, kind: Kind, report: ClockReport) -> None:
        if self._recorder is not None:
            self._recorder.report(kind, report.timestamp, report.ntp)

    def publisher_gone(self, session: PublishSession) -> None:
        self._unrepaired_before += sum(uplink.unrepaired for uplink in session.uplinks.values())
        self._forget(session)
        if self.publisher is session:
            self.publisher = None
            self._interrupt("closed")

    def viewer_gone(self, session: ViewSession) -> None:
        self._forget(session)

    @property
    def keyframe_wanted(self) -> bool:
        """Whether the publisher is about to be asked for one: another wish for it costs nothing."""
        return self._keyframe_wanted

    def request_keyframe(self) -> None:
        """Merged: however many ask, the publisher is asked at most twice a second."""
        self._keyframe_wanted = True
        self._ask_for_keyframe(time.monotonic())

    def note_loss(self, fractions: Sequence[float]) -> None:
        self._loss = max(fractions, default=0.0)

    def pulse(self, now: float) -> None:
        """Called about every 100 ms by the engine."""
        for session in list(self._sessions):
            try:
                session.pulse(now)
            except Exception:
                # What one peer says must not keep the recorder and the others from their turn.
                logger.exception("session %s: pulse failed", session.id)
        heard_at = self.heard_at
        if heard_at is not None and self.publisher is not None:
            if now - heard_at >= INTERRUPTED_AFTER_S:
                self._interrupt("no_media")
            else:
                if not self.live:
                    self.live = True
                    self._hearing.restart(now)
                    # What the interruption broke is whole again with a keyframe, for viewers and for the recorder.
                    self._keyframe_wanted = self._keyframe_wanted or "video" in self.publisher.uplinks
                    self._observer.slot_live(self)
                if not self.held:
                    self._hear(now)
        video = self.tracks["video"]
        due = now - max(video.keyframe_at, self._keyframe_asked_at) >= _KEYFRAME_EVERY_S
        if self.live and not self.held and video.codec_name is not None and due:
            self._keyframe_wanted = True
        self._ask_for_keyframe(now)
        self._roll_window(now)
        if self._recorder is not None and now >= self._flush_at:
            self._flush_at = now + _FLUSH_S
            self._recorder.flush(now)

    # -- inner ----------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._closed:
            raise MediaError("the slot is closed")

    def _forget(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)

    def _interrupt(self, cause: str) -> None:
        if self._recorder is not None and self.heard_at != self._cut_after:
            self._cut_after = self.heard_at  # once for each silence, not at each pulse of it
            self._recorder.cut()
        if self.live:
            self.live = False
            self._observer.slot_interrupted(self, cause)

    def _hear(self, now: float) -> None:
        received = {kind: track.bytes_received for kind, track in self.tracks.items()}
        for kind, lacking, at_s in self._hearing.look(received, self.tracks["video"].keyframe_at, now):
            at = datetime.now(UTC) - timedelta(seconds=now - at_s)
            if lacking:
                self._observer.slot_lacking(self, kind, at)
            else:
                self._observer.slot_complete(self, kind, at)
        if self._hearing.wants_keyframe():
            self._keyframe_wanted = True

    def _ask_for_keyframe(self, now: float) -> None:
        if (
            self._keyframe_wanted
            and self.publisher is not None
            and now - self._keyframe_asked_at >= _KEYFRAME_PAUSE_S
        ):
            self._keyframe_wanted = False
            self._keyframe_asked_at = now
            self.publisher.request_keyframe()

    def _roll_window(self, now: float) -> None:
        begun, size, frames = self._window
        if now - begun < _STATS_WINDOW_S:
            return
        received = sum(track.bytes_received for track in self.tracks.values())
        shown = self.tracks["video"].frames_received
        if size or frames:
            self._bitrate_bps = round((received - size) * 8 / (now - begun))
            self._fps = (shown - frames) / (now - begun)
        self._window = (now, received, shown)

    def _detach_recorder(self) -> None:
        for track in self.tracks.values():
            track.tap = None

    def _drop_recorder(self) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        self._detach_recorder()
        self._recorded_before += recorder.bytes_written
        self._unrecorded_before += recorder.frames_dropped
        self._recorder = None
