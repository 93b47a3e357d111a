"""One timeline for the audio and the video of a publisher (RFC 3550 section 6.4.1). Pure.

Until sender reports of every kind are in, a packet's place is its arrival, freed of jitter by taking the earliest.
Then the sender's own clock relates the kinds to each other. A place that was given out is not taken back:
corrections are slewed, slowly for sound (nobody hears half a percent), faster for pictures.

The first packets are late as a rule (an encoder starts, a machine is busy). What the least delayed ones of the whole
run show of that is not slewed into the places: `lateness_s` tells it in the end. What the drift of the sender's clock
explains is followed as it goes, so that one figure holds for a part of any length.
"""

from collections.abc import Iterable
from statistics import median

from .codecs import CLOCK_HZ, Kind

_SLEW: dict[Kind, float] = {"audio": 0.005, "video": 0.1}
# A sender whose wall clock was set in mid-stream: its earlier reports say nothing about the later ones.
_CLOCK_STEP_S = 0.25
# How far two clocks may part in a second: crystals stay within 100 ppm of each other, a clock in trouble goes further.
_DRIFT = 300e-6
_FOLLOW = 400e-6
_FOLLOW_EVERY_S = 0.1
# A report is late when its sender is busy, never early; but a camera that is changed may shift its clock a little.
_REPORT_RISE = 2e-3
# Reports that place a stream so far from its arrival are nonsense, or meant to break something.
_MAX_APART_S = 10.0
# Falls of less than this are followed, whatever they come from.
_STRIDE_S = 0.005


class _Track:
    def __init__(self, kind: Kind) -> None:
        self.hz = CLOCK_HZ[kind]
        self.slew = _SLEW[kind]
        self.earliest: float | None = (
            None  # arrival minus media time, the least delayed with `_DRIFT` allowed for
        )
        self.earliest_at = 0.0
        self.least: dict[int, float] = {}  # the same, but the smallest of each second of arrival
        self.given: dict[int, float] = {}  # what was added to media time in each second
        self.reported: float | None = None  # sender's time minus media time, by its least delayed reports
        self.reported_at = 0.0
        self.applied: float | None = None  # what is added to media time now
        self.applied_at = 0.0  # media time of the last correction


class SyncClock:
    """Turns endless RTP timestamps into seconds on the server's monotonic clock. One per publisher session."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._tracks = {kind: _Track(kind) for kind in kinds}
        # Sound leads: the ear notices a correction that the eye does not.
        self._master: Kind = "audio" if "audio" in self._tracks else "video"
        self._anchor: float | None = (
            None  # server's time minus sender's time, and the lateness of the beginning
        )
        self._late = 0.0
        self._floor: float | None = (
            None  # server's time minus sender's time as drift may have left it at least
        )
        self._followed_at = 0.0

    def arrived(self, kind: Kind, timestamp: int, arrived_s: float) -> None:
        track = self._tracks[kind]
        offset = arrived_s - timestamp / track.hz
        if track.earliest is None:
            track.earliest = offset
        else:
            risen = track.earliest + _DRIFT * max(0.0, arrived_s - track.earliest_at)
            track.earliest = min(offset, risen)
        track.earliest_at = max(track.earliest_at, arrived_s)
        second = int(arrived_s)
        track.least[second] = min(offset, track.least.get(second, offset))
        if self._anchor is not None and arrived_s - self._followed_at >= _FOLLOW_EVERY_S:
            self._follow(arrived_s)

    def stray_s(self, kind: Kind, timestamp: int, arrived_s: float) -> float:
        """How much later than the stream's own clock says a packet arrives; 0 for the first one."""
        track = self._tracks[kind]
        return 0.0 if track.earliest is None else arrived_s - timestamp / track.hz - track.earliest

    def reported(self, kind: Kind, timestamp: int, sender_s: float) -> None:
        """A sender report: at `sender_s` on the sender's clock its RTP clock stood at `timestamp`."""
        track = self._tracks.get(kind)
        if track is None:
            return
        offset = sender_s - timestamp / track.hz
        if track.reported is not None and abs(offset - track.reported) > _CLOCK_STEP_S:
            for other in self._tracks.values():
                other.reported = None
            self._anchor = None
        if track.reported is not None:
            offset = min(offset, track.reported + _REPORT_RISE * abs(sender_s - track.reported_at))
        track.reported, track.reported_at = offset, sender_s
        if self._anchor is None:
            self._drop_anchor()

    def forget(self, kind: Kind) -> None:
        """This kind turned out not to be sent: do not wait for its reports."""
        if kind in self._tracks and len(self._tracks) > 1:
            del self._tracks[kind]
            self._master = next(iter(self._tracks))
            if self._anchor is None:
                self._drop_anchor()

    @property
    def synchronised(self) -> bool:
        """Whether the sender's own clock relates the kinds."""
        return self._anchor is not None

    def place(self, kind: Kind, timestamp: int, *, settle: bool = False) -> float:
        """Server's monotonic seconds of an RTP timestamp that has `arrived`.

        `settle` takes the best knowledge at once instead of slewing: for what is not written yet."""
        track = self._tracks[kind]
        media_s = timestamp / track.hz
        target = self._target(track)
        if track.applied is None or settle:
            track.applied = target
        else:
            step = track.slew * max(0.0, media_s - track.applied_at)
            track.applied += max(-step, min(step, target - track.applied))
        track.applied_at = max(track.applied_at, media_s)
        track.given[int(media_s + track.applied)] = track.applied
        return media_s + track.applied

    def lateness_s(self, from_s: float, until_s: float) -> float:
        """How much later than the least delayed packets say the places between two times are; negative for earlier."""
        late: dict[int, float] = {}
        for track in self._tracks.values():
            least = _envelope(track.least)
            for second, given in track.given.items():
                if int(from_s) <= second <= until_s and second in least:
                    found = given - least[second]
                    late[second] = max(found, late.get(second, found))
        return median(late.values()) if late else 0.0

    def prune(self, before_s: float) -> None:
        """Forgets what only `lateness_s` of times before `before_s` would want to know."""
        for track in self._tracks.values():
            for seconds in (track.least, track.given):
                for second in [second for second in seconds if second < int(before_s)]:
                    del seconds[second]

    def _target(self, track: _Track) -> float:
        arrival = track.earliest or 0.0
        if self._anchor is not None and track.reported is not None:
            target = track.reported + self._anchor
            if abs(target - arrival) <= _MAX_APART_S:
                return target
        return arrival

    def _drop_anchor(self) -> None:
        """With reports of all kinds in: the sender's clock takes over, and the master kind keeps its place."""
        if any(track.reported is None for track in self._tracks.values()):
            return
        master = self._tracks[self._master]
        held = master.applied if master.applied is not None else master.earliest
        if held is not None and master.reported is not None:
            self._anchor = held - master.reported
            self._floor = None

    def _follow(self, now: float) -> None:
        """Lets the anchor go along with the sender's drift, whichever kind was least delayed."""
        floor = min(
            track.earliest - track.reported
            for track in self._tracks.values()
            if track.earliest is not None and track.reported is not None
        )
        elapsed, self._followed_at = now - self._followed_at, now
        if self._anchor is None:
            return
        if self._floor is None or floor < self._floor - _STRIDE_S:
            # Further down than drift goes: a packet less delayed than all before, which were late as one.
            self._floor, self._late = floor, self._anchor - floor
            return
        self._floor -= _DRIFT * max(0.0, elapsed)
        self._floor = min(self._floor, floor)
        step = _FOLLOW * max(0.0, elapsed)
        self._anchor += max(-step, min(step, floor + self._late - self._anchor))


def _envelope(least: dict[int, float]) -> dict[int, float]:
    """The least delay that each second could have seen, given all the others and what clocks drift between them."""
    found = dict(sorted(least.items()))
    for seconds in (list(found), list(reversed(found))):
        last: int | None = None
        for second in seconds:
            if last is not None:
                found[second] = min(found[second], found[last] + _DRIFT * abs(second - last))
            last = second
    return found
