"""Who may do what: one matrix role x action, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from server.errors import Forbidden

Role = Literal["administrator", "reviewer", "auditor", "agent", "expert", "observer", "enterprise"]
ActorKind = Literal["staff", "participant", "token", "system"]

STAFF_ROLES: tuple[Role, ...] = ("administrator", "reviewer", "auditor", "agent")
GUEST_ROLES: tuple[Role, ...] = ("enterprise", "reviewer", "expert", "observer")

PERMISSIONS: dict[Role, frozenset[str]] = {
    "administrator": frozenset(
        {
            "desk.view",
            "staff.manage",
            "token.manage",
            "access.view",
            "log.view",
            "case.view",
            "case.create",
            "case.edit",
            "material.add",
            "inspection.schedule",
            "inspection.invite",
            "inspection.view",
            "inspection.join",
            "inspection.pause",
            "inspection.end",
            "inspection.conclude",
            "archive.view",
            "archive.export",
            "archive.redact",
            "archive.dispose",
        }
    ),
    "reviewer": frozenset(
        {
            "desk.view",
            "case.view",
            "case.create",
            "case.edit",
            "material.add",
            "inspection.schedule",
            "inspection.invite",
            "inspection.view",
            "inspection.join",
            "inspection.pause",
            "inspection.end",
            "inspection.conclude",
            "archive.view",
            "archive.export",
            "archive.redact",
            "archive.dispose",
            "room.publish",
            "room.upload",
            "room.chat",
            "room.snapshot",
            "room.answer",
            "room.countersign",
        }
    ),
    "auditor": frozenset(
        {
            "desk.view",
            "case.view",
            "inspection.view",
            "inspection.join",
            "archive.view",
            "archive.export",
            "access.view",
            "log.view",
        }
    ),
    "agent": frozenset(
        {"desk.view", "case.view", "case.create", "case.edit", "material.add", "inspection.view"}
    ),
    "expert": frozenset(
        {"inspection.view", "room.publish", "room.upload", "room.chat", "room.snapshot", "room.countersign"}
    ),
    "observer": frozenset({"inspection.view"}),
    "enterprise": frozenset(
        {
            "inspection.view",
            "room.publish",
            "room.upload",
            "room.photo",
            "room.chat",
            "room.locate",
            "room.countersign",
        }
    ),
}

REPLACED: frozenset[str] = frozenset({"room.upload", "room.photo"})
"""What is left to a device whose place another one took."""
ACTIONS: frozenset[str] = frozenset().union(*PERMISSIONS.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody who acts: a signed-in person, a participant of one inspection, a token, or the service itself.

    `inspection_id` is set for participants, who may touch that inspection only; `office_id` for the others.
    `replaced_at`: another device took the participant's place then; this one may only send what it took before.
    """

    kind: ActorKind
    id: str
    name: str
    role: Role
    office_id: str
    inspection_id: str | None = None
    replaced_at: datetime | None = None

    def can(self, action: str) -> bool:
        return action in PERMISSIONS[self.role] and (self.replaced_at is None or action in REPLACED)

    def require(self, action: str) -> None:
        """Forbidden unless the matrix allows the action to the actor's role."""
        if not self.can(action):
            raise Forbidden(action=action)

    def sees_inspection(self, inspection_id: str, office_id: str) -> bool:
        """Participants see the one they joined, everybody else those of their office."""
        if self.inspection_id is not None:
            return self.inspection_id == inspection_id
        return self.office_id == office_id

    def as_record(self) -> dict[str, str]:
        """The actor as events keep it: the name as of then."""
        return {"kind": self.kind, "id": self.id, "name": self.name, "role": self.role}


def system_actor(office_id: str = "") -> Actor:
    """The service itself, for what nobody did: a part closed, a connection lost."""
    return Actor(kind="system", id="system", name="Yunkan", role="observer", office_id=office_id)
