"""One timeline for the audio and the video of a publisher (RFC 3550 section 6.4.1). Pure.

Until sender reports of every kind are in, a packet's place is its arrival, freed of jitter by taking the earliest.
Then the sender's own clock relates the kinds to each other. A place that was given out is not taken back:
corrections are slewed, slowly for sound (nobody hears half a percent), faster for pictures.
"""

from collections.abc import Iterable

from .codecs import CLOCK_HZ, Kind

_SLEW: dict[Kind, float] = {"audio": 0.005, "video": 0.1}
# A sender whose wall clock was set in mid-stream: its earlier reports say nothing about the later ones.
_CLOCK_STEP_S = 0.25


class _Track:
    def __init__(self, kind: Kind) -> None:
        self.hz = CLOCK_HZ[kind]
        self.slew = _SLEW[kind]
        self.earliest: float | None = None  # arrival minus media time, the smallest seen
        self.reported: float | None = None  # sender's time minus media time, of the latest report
        self.applied: float | None = None  # what is added to media time now
        self.applied_at = 0.0  # media time of the last correction


class SyncClock:
    """Turns endless RTP timestamps into seconds on the server's monotonic clock. One per publisher session."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._tracks = {kind: _Track(kind) for kind in kinds}
        # Sound leads: the ear notices a correction that the eye does not.
        self._master: Kind = "audio" if "audio" in self._tracks else "video"
        self._anchor: float | None = None  # server's time minus sender's time

    def arrived(self, kind: Kind, timestamp: int, arrived_s: float) -> None:
        track = self._tracks[kind]
        offset = arrived_s - timestamp / track.hz
        if track.earliest is None or offset < track.earliest:
            track.earliest = offset

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
        track.reported = offset
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
        return media_s + track.applied

    def _target(self, track: _Track) -> float:
        if self._anchor is not None and track.reported is not None:
            return track.reported + self._anchor
        return track.earliest or 0.0

    def _drop_anchor(self) -> None:
        """With reports of all kinds in: the sender's clock takes over, and the master kind keeps its place."""
        if any(track.reported is None for track in self._tracks.values()):
            return
        master = self._tracks[self._master]
        held = master.applied if master.applied is not None else master.earliest
        if held is not None and master.reported is not None:
            self._anchor = held - master.reported
