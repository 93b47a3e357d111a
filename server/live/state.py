"""The state of a room as a fold of its events: pure, the same for a live room, a restarted one, and a replay."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from server.evidence.receipts import KEY_EVENT, BroughtKey


@dataclass(slots=True)
class Person:
    """A participant as the log tells it. `present` is what the log says, not who is connected now."""

    id: str
    name: str
    role: str
    device: str
    present: bool = True


@dataclass(slots=True)
class SlotState:
    id: str
    participant: str
    source: str
    live: bool = False
    muted: set[str] = field(default_factory=set)
    lacking: set[str] = field(default_factory=set)
    """Kinds that stopped while the other goes on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The standing answer to one checklist item; an earlier one remains in the log."""

    item: str
    result: str
    note: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody wants nothing to be recorded or shown for a while; `at` is RFC 3339."""

    by: str
    reason: str
    at: str


@dataclass(slots=True)
class RoomState:
    """Everything that a participant who comes late needs to know; `seq` is the last event folded in."""

    seq: int = 0
    state: str = "scheduled"
    started_at: str | None = None
    ended_at: str | None = None
    pause: Pause | None = None
    people: dict[str, Person] = field(default_factory=dict)
    slots: dict[str, SlotState] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    snapshots: int = 0
    open_parts: set[str] = field(default_factory=set)
    keys: list[BroughtKey] = field(default_factory=list)

    def apply(self, event: dict[str, Any]) -> None:
        """Fold in the next event (as clients get it). Types unknown to this version change nothing but `seq`."""
        self.seq = event["seq"]
        if fold := _FOLDS.get(event["type"]):
            fold(self, event, event["body"])


def fold_all(events: Iterable[dict[str, Any]]) -> RoomState:
    state = RoomState()
    for event in events:
        state.apply(event)
    return state


def _started(state: RoomState, event: dict[str, Any], _body: dict[str, Any]) -> None:
    state.state, state.started_at = "live", event["at"]


def _ended(state: RoomState, event: dict[str, Any], _body: dict[str, Any]) -> None:
    state.state, state.ended_at, state.pause = "ended", event["at"], None


def _paused(state: RoomState, event: dict[str, Any], body: dict[str, Any]) -> None:
    state.pause = Pause(event["actor"]["name"], body["reason"], event["at"])
    _expect_all(state)


def _resumed(state: RoomState, _event: dict[str, Any], _body: dict[str, Any]) -> None:
    state.pause = None
    # What stopped just before the pause may be entered after its beginning; nobody says that it is over.
    _expect_all(state)


def _expect_all(state: RoomState) -> None:
    for slot in state.slots.values():
        slot.lacking.clear()


def _cancelled(state: RoomState, _event: dict[str, Any], _body: dict[str, Any]) -> None:
    state.state = "cancelled"


def _concluded(state: RoomState, _event: dict[str, Any], _body: dict[str, Any]) -> None:
    state.state = "concluded"


def _joined(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.people[body["participant"]] = Person(
        body["participant"], body["name"], body["role"], body["device"]
    )


def _replaced(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    person = state.people[body["participant"]]
    person.device, person.present = body["device"], True
    person.name = body.get("name", person.name)


def _left(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.people[body["participant"]].present = False


def _returned(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.people[body["participant"]].present = True


def _slot_opened(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.slots[body["slot"]] = SlotState(body["slot"], body["participant"], body["source"])


def _slot_live(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.slots[body["slot"]].live = True


def _slot_interrupted(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    slot = state.slots[body["slot"]]
    slot.live = False
    slot.lacking.clear()


def _slot_lacking(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.slots[body["slot"]].lacking.add(body["kind"])


def _slot_complete(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.slots[body["slot"]].lacking.discard(body["kind"])


def _slot_muted(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    muted = state.slots[body["slot"]].muted
    (muted.add if body["muted"] else muted.discard)(body["kind"])


def _part_opened(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.open_parts.add(body["part"])


def _part_closed(state: RoomState, _event: dict[str, Any], body: dict[str, Any]) -> None:
    state.open_parts.discard(body["part"])


def _key_brought(state: RoomState, event: dict[str, Any], body: dict[str, Any]) -> None:
    state.keys.append(BroughtKey(body["participant"], event["seq"], bytes.fromhex(body["public"])))


def _snapshot(state: RoomState, _event: dict[str, Any], _body: dict[str, Any]) -> None:
    state.snapshots += 1


def _answered(state: RoomState, event: dict[str, Any], body: dict[str, Any]) -> None:
    if body["result"] == "none":
        state.answers.pop(body["item"], None)
        return
    state.answers[body["item"]] = Answer(
        body["item"], body["result"], body["note"], event["actor"]["name"], event["at"]
    )


_FOLDS = {
    "inspection.started": _started,
    "inspection.paused": _paused,
    "inspection.resumed": _resumed,
    "inspection.ended": _ended,
    "inspection.cancelled": _cancelled,
    "inspection.concluded": _concluded,
    "participant.joined": _joined,
    "participant.replaced": _replaced,
    "participant.left": _left,
    "participant.returned": _returned,
    KEY_EVENT: _key_brought,
    "slot.opened": _slot_opened,
    "slot.live": _slot_live,
    "slot.interrupted": _slot_interrupted,
    "slot.lacking": _slot_lacking,
    "slot.complete": _slot_complete,
    "slot.muted": _slot_muted,
    "part.opened": _part_opened,
    "part.closed": _part_closed,
    "snapshot.taken": _snapshot,
    "checklist.answered": _answered,
}
