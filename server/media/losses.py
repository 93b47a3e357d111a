"""Which packets of a stream are missing, when to ask for them again, and when to give up. Pure."""

# A packet that is merely out of order comes within a few milliseconds; asking at once would double it.
REORDER_WAIT_S = 0.010
GIVE_UP_S = 0.5
# Beyond this a burst is no repair any more: a keyframe is cheaper than hundreds of retransmissions.
MAX_MISSING = 400
# Between two requests for one packet: a bit more than a repair takes, as far as that is known.
FIRST_RETRY_S = 0.060
MIN_RETRY_S, MAX_RETRY_S = 0.030, 0.200
_RETRY_OVER_ROUND_TRIP = 1.5
_SMOOTHING = 0.2


class _Missing:
    __slots__ = ("again_s", "asked_s", "noticed_s", "times")

    def __init__(self, noticed_s: float) -> None:
        self.noticed_s = noticed_s
        self.again_s = noticed_s + REORDER_WAIT_S
        self.asked_s = 0.0
        self.times = 0


class LossList:
    """Numbers are endless (unwrapped) sequence numbers, times are seconds on any monotonic clock."""

    def __init__(self, give_up_s: float = GIVE_UP_S) -> None:
        self._give_up_s = give_up_s
        self._missing: dict[int, _Missing] = {}
        self._round_trip_s: float | None = None
        self.abandoned = 0
        "How many packets were given up so far."

    @property
    def retry_s(self) -> float:
        if self._round_trip_s is None:
            return FIRST_RETRY_S
        return min(MAX_RETRY_S, max(MIN_RETRY_S, self._round_trip_s * _RETRY_OVER_ROUND_TRIP))

    def skipped(self, begin: int, end: int, now: float) -> None:
        """A packet came before those from `begin` up to, not including, `end`."""
        if end - begin >= MAX_MISSING:
            self.abandoned += end - begin + len(self._missing)
            self._missing.clear()
            return
        for number in range(begin, end):
            self._missing[number] = _Missing(now)
        while len(self._missing) > MAX_MISSING:
            del self._missing[next(iter(self._missing))]
            self.abandoned += 1

    def came(self, number: int, now: float) -> None:
        """A packet came that is not the foremost one: late, asked for, or for the second time."""
        found = self._missing.pop(number, None)
        if found is not None and found.times == 1:
            # Asked for once, so it is clear which request this answers.
            self._measured(now - found.asked_s)

    def due(self, now: float) -> list[int]:
        """The numbers to ask for now, ascending. What has been missing for too long is abandoned and counted."""
        asked: list[int] = []
        for number, missing in list(self._missing.items()):
            if now - missing.noticed_s >= self._give_up_s:
                del self._missing[number]
                self.abandoned += 1
            elif now >= missing.again_s:
                missing.asked_s, missing.again_s = now, now + self.retry_s
                missing.times += 1
                asked.append(number)
        asked.sort()
        return asked

    @property
    def pending(self) -> bool:
        return bool(self._missing)

    def _measured(self, round_trip_s: float) -> None:
        known = self._round_trip_s
        self._round_trip_s = round_trip_s if known is None else known + _SMOOTHING * (round_trip_s - known)
