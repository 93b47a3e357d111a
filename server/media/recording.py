"""From a slot's packets to its parts: order, frames, one timeline, files. Blocking; runs in the recorder's thread.

Everything it is told carries its time; it asks no clock.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .clock import SyncClock
from .codecs import AUDIO_CLOCK_HZ, VIDEO_CLOCK_HZ, VIDEO_CODECS, Kind, VideoCodec
from .frames import FrameAssembler, Ordered, ReorderBuffer
from .model import Container, Digester, Part, PartSegment, VideoShape
from .opus import duration_of
from .part import PartFile, PartHead
from .places import Places
from .rtcp import seconds_from_ntp
from .rtp import HEADER_SIZE, sequence_of, timestamp_of
from .wrap import Unwrapper, unwrap

logger = logging.getLogger(__name__)

REPAIR_WAIT_S = 0.5
# How long the beginning of a part waits for sound and for the sender's clock; nothing is lost by it, only held.
SETTLE_S = 1.0
# Sound waits for the picture of its time, so that both change to the next part at one moment: as long as a repair of
# the picture may take, and what the recorder gathers before it looks.
AHEAD_S = REPAIR_WAIT_S + 0.25
# Sound alone begins a part when the promised picture does not come.
PICTURE_WAIT_S = 3.0
# A part longer than this ends at the next keyframe: the muxer keeps an index of the part in hand in memory (27 MB an
# hour), and players read it before they show anything.
PART_S = 300.0
# A stream whose own clock leaves the time of day so far cannot be placed: it begins anew.
_MAX_STRAY_S = 10.0
# A sender that does it with every packet must not fill the log.
_MAX_TOLD = 20
# By how much packets from before a part can tell how late those in it were: drift blurs what is older.
_REMEMBERED_S = 60.0
# By how much one part of a run may be moved against the one before it: a frame.
_STEP_S = 0.033


@dataclass(frozen=True, slots=True)
class Begin:
    """A publisher's session begins: the codecs it agreed on, and one moment on both clocks of the server."""

    codecs: dict[Kind, str]
    monotonic_s: float
    at: datetime


@dataclass(slots=True)
class _Sample:
    kind: Kind
    timestamp: int
    data: bytes
    keyframe: bool
    arrived_s: float
    size: tuple[int, int] | None = None
    at_s: float = 0.0  # its place, once that was given out


class _Run:
    """One continuous run of one publisher's session."""

    def __init__(self, begin: Begin) -> None:
        self.begin = begin
        kinds: list[Kind] = [kind for kind in ("audio", "video") if kind in begin.codecs]
        self.clock = SyncClock(kinds)
        self.order = {kind: ReorderBuffer(REPAIR_WAIT_S) for kind in kinds}
        self.numbers = {kind: Unwrapper(16) for kind in kinds}
        self.timestamps = {kind: Unwrapper(32) for kind in kinds}
        self.codec: VideoCodec | None = VIDEO_CODECS.get(begin.codecs.get("video", ""))
        self.assembler = FrameAssembler(self.codec) if self.codec is not None else None
        self.held: list[_Sample] = []  # what the next part begins with
        self.turn_s = 0.0  # where the part in hand ends, while the next one is held
        self.ahead: deque[_Sample] = deque()  # sound whose picture has not come yet
        self.picture_s = float("-inf")  # the place of the newest picture that was written
        self.picture_due_s = 0.0  # when sound need not wait for one any more
        self.last: dict[Kind, int] = {}
        self.late = False
        self.begun = False  # has written: its places are given out, and later ones go on from them
        self._late_s: float | None = None  # how much later than true the places of the part before were

    def lateness_of(self, from_s: float, until_s: float) -> float:
        """How much later than true the places of a part are, which is over.

        Parts of one run follow each other without overlap: what is known better by now is made good step by step."""
        late_s = self.clock.lateness_s(from_s, until_s)
        if self._late_s is not None:
            late_s = max(self._late_s - _STEP_S, min(self._late_s + _STEP_S, late_s))
        self._late_s = late_s
        return late_s

    def goes_on(self, packet: bytes) -> bool:
        """Takes a packet from within the picture in hand that comes in its turn, as most do; False for any other."""
        assembler = self.assembler
        if assembler is None or not assembler.is_within(packet):
            return False
        numbers = self.numbers["video"]
        last = numbers.last
        if last is None or (packet[2] << 8 | packet[3]) != (last + 1) & 0xFFFF:
            return False
        if not self.order["video"].passes(last + 1):
            return False
        numbers.last = last + 1
        assembler.go_on(packet)
        return True


class Recording:
    """Callbacks are made from the calling thread. Errors of the disk or the muxer go to the caller."""

    def __init__(
        self,
        directory: Path,
        part_stem: Callable[[int], str],
        first_index: int,
        *,
        opened: Callable[[Part], None],
        finished: Callable[[Part], None],
        segment: Callable[[Part, PartSegment], None] | None = None,
        digester: Callable[[Container], Digester] | None = None,
    ) -> None:
        self._segment = segment
        self._digester = digester
        self._directory = directory
        self._part_stem = part_stem
        self._index = first_index
        self._opened = opened
        self._finished = finished
        self._begin: Begin | None = None
        self._run: _Run | None = None
        self._file: PartFile | None = None
        self._part: Part | None = None
        self._places = Places()
        self._written: _Run | None = None
        self._origin_s = 0.0
        self._closed_bytes = 0
        self._dropped = 0
        self._strays = 0

    @property
    def bytes_written(self) -> int:
        return self._closed_bytes + (self._file.size_bytes if self._file is not None else 0)

    @property
    def frames_dropped(self) -> int:
        run = self._run
        return self._dropped + (run.assembler.dropped if run is not None and run.assembler is not None else 0)

    def begin(self, begin: Begin) -> None:
        self.cut()
        self._begin = begin

    def packet(self, kind: Kind, packet: bytes, arrived_s: float) -> None:
        run = self._run
        if run is None:
            if self._begin is None:
                return
            run = self._run = _Run(self._begin)
        if kind == "video" and run.goes_on(packet):
            return
        if kind not in run.order:
            return
        before = run.timestamps[kind].last
        timestamp = run.timestamps[kind](timestamp_of(packet))
        if timestamp != before:
            # Of the packets of one frame the first is the least delayed.
            if abs(run.clock.stray_s(kind, timestamp, arrived_s)) > _MAX_STRAY_S:
                run.timestamps[kind].last = before  # what still waits to be written is counted from there
                run = self._begin_anew(run, kind)
                timestamp = run.timestamps[kind](timestamp_of(packet))
            run.clock.arrived(kind, timestamp, arrived_s)
        number = run.numbers[kind](sequence_of(packet))
        for ordered in run.order[kind].push(number, packet, arrived_s):
            self._ordered(run, kind, ordered)

    def _begin_anew(self, run: _Run, kind: Kind) -> _Run:
        self._strays += 1
        if self._strays <= _MAX_TOLD:
            logger.warning("%s leaves the time of day: a new part", kind)
        self.cut()
        self._run = _Run(run.begin)
        return self._run

    def report(self, kind: Kind, timestamp: int, ntp: int) -> None:
        """A sender report on the slot's timeline."""
        run = self._run
        last = run.timestamps[kind].last if run is not None and kind in run.timestamps else None
        if run is not None and last is not None:
            # Only media moves the count: a report may say anything.
            unwrapped = unwrap(timestamp & 0xFFFFFFFF, last, 32)
            run.clock.reported(kind, unwrapped, seconds_from_ntp(ntp))

    def tick(self, now: float) -> None:
        """Goes on past packets that did not come, and begins a part that has waited long enough."""
        run = self._run
        if run is None:
            return
        for kind, order in run.order.items():
            for ordered in order.expire(now):
                self._ordered(run, kind, ordered)
        if run.held:
            self._start_if_ready(run, now)

    def cut(self) -> None:
        """Ends the part in hand: the stream is interrupted, or another one begins."""
        run, self._run = self._run, None
        if run is not None:
            for kind, order in run.order.items():
                for ordered in order.drain():
                    self._ordered(run, kind, ordered)
            if run.held:
                self._start_if_ready(run, float("inf"))
            # Last: a part that begins only now may have sound beyond its last picture.
            self._write_ahead(run, float("inf"))
            if run.assembler is not None:
                self._dropped += run.assembler.dropped
        self._close_part()

    def abandon(self) -> Part | None:
        """After an error: lets go of the file without touching it again, and says which part it was."""
        file, self._file, self._run, self._begin = self._file, None, None, None
        part, self._part, self._written = self._part, None, None
        if file is None:
            return None
        file.abandon()
        return part

    # -- samples --------------------------------------------------------------------------------

    def _ordered(self, run: _Run, kind: Kind, ordered: Ordered) -> None:
        if kind == "audio":
            if len(ordered.packet) > HEADER_SIZE:
                timestamp = run.timestamps["audio"](timestamp_of(ordered.packet))
                data = ordered.packet[HEADER_SIZE:]
                self._sample(run, _Sample("audio", timestamp, data, True, ordered.arrived_s))
            return
        if run.assembler is None or run.codec is None:
            return
        for frame in run.assembler.push(ordered):
            try:
                data = run.codec.depacketize(frame.payloads)
            except ValueError:
                run.assembler.reject()
                continue
            sample = _Sample(
                "video",
                run.timestamps["video"](frame.timestamp),
                data,
                frame.keyframe,
                frame.arrived_s,
            )
            if frame.keyframe:
                with suppress(ValueError):
                    sample.size = run.codec.size_of(data)
            self._sample(run, sample)

    def _sample(self, run: _Run, sample: _Sample) -> None:
        if self._file is None or run.held:
            self._hold(run, sample)
        elif self._is_turning_point(run, sample):
            self._turn(run, sample)
        elif not self._file.takes(sample.kind):
            # Sound that begins late needs a part with a track for it, and that needs a keyframe to begin with;
            # the slot asks for one. What comes before it has no place: parts do not overlap in time.
            run.late = True
        elif sample.kind == "audio" and self._file.head.video is not None:
            sample.at_s = run.clock.place("audio", sample.timestamp)
            run.ahead.append(sample)
            self._write_ahead(run, sample.arrived_s)
        else:
            sample.at_s = run.clock.place(sample.kind, sample.timestamp)
            self._write(run, sample)
            run.picture_s, run.picture_due_s = sample.at_s, sample.arrived_s + AHEAD_S
            self._write_ahead(run, sample.arrived_s)

    def _write_ahead(self, run: _Run, now: float) -> None:
        """The sound whose picture is there, what has waited for one long enough, and all when none comes any more."""
        ahead, stopped = run.ahead, now > run.picture_due_s
        while ahead and (stopped or ahead[0].at_s <= run.picture_s or ahead[0].arrived_s < now - AHEAD_S):
            self._write(run, ahead.popleft())

    def _hold(self, run: _Run, sample: _Sample) -> None:
        if sample.size is not None and any(item.size not in (None, sample.size) for item in run.held):
            self._start(run, with_video=True)  # what is held is of another size: a part of its own
            self._sample(run, sample)
            return
        if self._file is not None and sample.kind == "audio":
            sample.at_s = run.clock.place("audio", sample.timestamp)
            if sample.at_s < run.turn_s:
                # Of the time of the part in hand, which stays open for it.
                if self._file.takes("audio"):
                    self._write(run, sample)
                return
        run.held.append(sample)
        self._start_if_ready(run, sample.arrived_s)

    def _turn(self, run: _Run, keyframe: _Sample) -> None:
        """The part in hand ends where this picture begins, for sound as well."""
        run.turn_s = run.clock.place("video", keyframe.timestamp)
        run.held = [keyframe]
        for sound in run.ahead:
            if sound.at_s < run.turn_s:
                self._write(run, sound)
            else:
                run.held.append(sound)
        run.ahead.clear()
        self._start_if_ready(run, keyframe.arrived_s)

    def _is_turning_point(self, run: _Run, sample: _Sample) -> bool:
        """Whether this keyframe begins another part: the first picture, another size, sound that came late, or because
        the part in hand is long enough."""
        if sample.size is None or self._file is None:
            return False
        head = self._file.head
        if head.video is None or (head.video.width, head.video.height) != sample.size:
            return True
        return run.late or self._file.duration_s >= PART_S

    # -- parts ----------------------------------------------------------------------------------

    def _start_if_ready(self, run: _Run, now: float) -> None:
        held = run.held
        waited_s = now - held[0].arrived_s
        keyframe = next((item for item in held if item.size is not None), None)
        if run.codec is None:
            self._start(run, with_video=False)
        elif keyframe is not None:
            wants_audio = "audio" in run.order and not any(item.kind == "audio" for item in held)
            settled = run.clock.synchronised and not wants_audio
            if settled or now - keyframe.arrived_s >= SETTLE_S:
                self._start(run, with_video=True)
        elif waited_s >= PICTURE_WAIT_S:
            if any(item.kind == "audio" for item in held):
                self._start(run, with_video=False)
            else:
                held.clear()  # pictures of no known size: nothing to begin a part with

    def _start(self, run: _Run, *, with_video: bool) -> None:
        """Opens a part with what is held, from the first keyframe on; sound from before it is kept."""
        if self._file is not None:
            self._close_part(run.turn_s)
        held, run.held = run.held, []
        run.last.clear()
        run.late = False
        first = next((item for item in held if item.size is not None), None) if with_video else None
        shape = None
        if first is not None and first.size is not None and run.codec is not None:
            shape = VideoShape(width=first.size[0], height=first.size[1], codec=run.codec.name)
        settle = not run.begun
        run.begun = True
        for item in held:
            item.at_s = run.clock.place(item.kind, item.timestamp, settle=settle)
        placed = [item for item in held if shape is not None or item.kind == "audio"]
        placed.sort(key=lambda item: item.at_s)
        self._origin_s = placed[0].at_s
        run.picture_s = max((item.at_s for item in placed if item.kind == "video"), default=float("-inf"))
        head = PartHead(
            index=self._index,
            started_at=run.begin.at.astimezone(UTC)
            + timedelta(seconds=self._origin_s - run.begin.monotonic_s),
            video=shape,
            audio=any(item.kind == "audio" for item in placed),
            first_rtp_timestamp=first.timestamp & 0xFFFFFFFF if first is not None else None,
            first_video_s=first.at_s - self._origin_s if first is not None else None,
        )
        self._open(head)
        self._written = run
        for item in placed:
            if shape is not None and item.at_s > run.picture_s:
                run.ahead.append(item)
            else:
                self._write(run, item)

    def _open(self, head: PartHead) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / (self._part_stem(head.index) + head.suffix)
        part = Part(
            index=head.index,
            path=path,
            media_type=head.media_type,
            started_at=head.started_at,
            video=head.video,
            audio=head.audio,
            first_rtp_timestamp=head.first_rtp_timestamp,
            first_video_s=head.first_video_s,
            places=head.first_place,
        )
        digester = self._digester(head.container) if self._digester is not None else None
        tell = self._segment
        on_segment = (lambda segment: tell(part, segment)) if tell is not None else None
        self._file = PartFile(path, head, digester, on_segment)
        self._index += 1
        self._part, self._places = part, Places()
        self._opened(part)

    def _write(self, run: _Run, sample: _Sample) -> None:
        if self._file is None:
            return
        if sample.kind == "audio":
            duration_s = duration_of(sample.data) / AUDIO_CLOCK_HZ
        else:
            last = run.last.get("video")
            step = sample.timestamp - last if last is not None else 0
            duration_s = (step if 0 < step < VIDEO_CLOCK_HZ else VIDEO_CLOCK_HZ // 30) / VIDEO_CLOCK_HZ
        run.last[sample.kind] = sample.timestamp
        at_s = max(0.0, sample.at_s - self._origin_s)
        self._file.write(sample.kind, sample.data, at_s, duration_s, keyframe=sample.keyframe)
        if sample.kind == "video":
            self._places.note(sample.timestamp, at_s)

    def _close_part(self, until_s: float = float("-inf")) -> None:
        """`until_s`: where the next one begins."""
        file, part, run = self._file, self._part, self._written
        if file is None or part is None:
            return
        file.close(until_s - self._origin_s)
        late_s = 0.0
        if run is not None:
            end_s = self._origin_s + file.duration_s
            late_s = run.lateness_of(self._origin_s, end_s)
            run.clock.prune(end_s - _REMEMBERED_S)
        self._file = self._part = self._written = None
        self._closed_bytes += file.size_bytes
        self._finished(
            Part(
                index=part.index,
                path=part.path,
                media_type=part.media_type,
                started_at=part.started_at - timedelta(seconds=late_s),
                duration_s=file.duration_s,
                size_bytes=file.path.stat().st_size,
                video=part.video,
                audio=part.audio,
                first_rtp_timestamp=part.first_rtp_timestamp,
                first_video_s=part.first_video_s,
                places=self._places.kept(),
            )
        )
