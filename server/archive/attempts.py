"""How many lines failed attempts may fill: the first of everybody are written one by one, the rest are counted. Pure.

Whoever is not known is one person here: a thousand addresses that guess passwords fill no more lines than one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LINES = 20
"""Of one person, or of all strangers together, within `WINDOW`."""
WINDOW = timedelta(hours=1)
TOLD_EVERY = timedelta(minutes=10)
"""What was only counted becomes a line so often."""
MOST_PEOPLE = 5000


@dataclass(frozen=True, slots=True)
class Counted:
    """Attempts of `who` that have no line of their own, by their type."""

    who: str
    since: datetime
    by_type: dict[str, int]


@dataclass(slots=True)
class _Person:
    since: datetime
    told: set[Hashable] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    counted_since: datetime | None = None


class Attempts:
    """`who` is any name; there is no end to how often it may be asked, and an end to what is remembered."""

    def __init__(self) -> None:
        self._people: OrderedDict[str, _Person] = OrderedDict()
        self._over: list[Counted] = []
        """Of people who had to be forgotten before it was told."""

    def admit(self, who: str, key: Hashable, type_: str, at: datetime) -> bool:
        """Whether this one gets a line. The same thing once more within the window is counted like one too many."""
        person = self._people.setdefault(who, _Person(at))
        self._people.move_to_end(who)
        if at - person.since >= WINDOW:
            person.since, person.told = at, set()
        if key not in person.told and len(person.told) < LINES:
            person.told.add(key)
            self._forget()
            return True
        self.count(who, type_, at)
        self._forget()
        return False

    def count(self, who: str, type_: str, at: datetime, number: int = 1) -> None:
        """Attempts without a line."""
        person = self._people.setdefault(who, _Person(at))
        person.counts[type_] += number
        person.counted_since = min(person.counted_since or at, at)

    def take(self, now: datetime, *, all_: bool = False) -> list[Counted]:
        """What is to be told now; `all_`: whatever was counted. Who cannot write it down gives it back."""
        due, self._over = self._over, []
        for who, person in self._people.items():
            since = person.counted_since
            if since is not None and (all_ or now - since >= TOLD_EVERY):
                due.append(_taken(who, person, since))
        return due

    def give_back(self, counted: Counted) -> None:
        for type_, number in counted.by_type.items():
            self.count(counted.who, type_, counted.since, number)

    def _forget(self) -> None:
        while len(self._people) > MOST_PEOPLE:
            who, person = self._people.popitem(last=False)
            if person.counted_since is not None:
                self._over.append(_taken(who, person, person.counted_since))


def _taken(who: str, person: _Person, since: datetime) -> Counted:
    by_type = dict(person.counts)
    person.counts, person.counted_since = Counter(), None
    return Counted(who, since, by_type)
