"""Which packets of a stream are missing, when to ask for them again, and when to give up. Pure."""

# A packet that is merely out of order comes within a few milliseconds; asking at once would double it.
REORDER_WAIT_S = 0.010
RETRY_S = 0.060
GIVE_UP_S = 0.5
# Beyond this a burst is no repair any more: a keyframe is cheaper than hundreds of retransmissions.
MAX_MISSING = 400


class LossList:
    """Numbers are endless (unwrapped) sequence numbers, times are seconds on any monotonic clock."""

    def __init__(self, *, retry_s: float = RETRY_S, give_up_s: float = GIVE_UP_S) -> None:
        self.retry_s = retry_s
        self._give_up_s = give_up_s
        self._highest: int | None = None
        self._missing: dict[int, tuple[float, float]] = {}  # number -> (noticed at, ask again at)
        self.abandoned = 0
        "How many packets were given up so far."

    def __bool__(self) -> bool:
        return bool(self._missing)

    def received(self, number: int, now: float) -> None:
        highest = self._highest
        if highest is None or number == highest + 1:
            self._highest = number
        elif number > highest:
            self._highest = number
            if number - highest > MAX_MISSING:
                self.abandoned += number - highest - 1 + len(self._missing)
                self._missing.clear()
                return
            for missing in range(highest + 1, number):
                self._missing[missing] = (now, now + REORDER_WAIT_S)
            while len(self._missing) > MAX_MISSING:
                del self._missing[next(iter(self._missing))]
                self.abandoned += 1
        else:
            self._missing.pop(number, None)

    def due(self, now: float) -> list[int]:
        """The numbers to ask for now, ascending. What has been missing for too long is abandoned and counted."""
        asked: list[int] = []
        for number, (noticed, again) in list(self._missing.items()):
            if now - noticed >= self._give_up_s:
                del self._missing[number]
                self.abandoned += 1
            elif now >= again:
                self._missing[number] = (noticed, now + self.retry_s)
                asked.append(number)
        asked.sort()
        return asked
