"""Tables of what a running inspection makes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.db.base import Base, Id, Sha256


class Participant(Base):
    """Somebody in one inspection: who came by an invitation, or staff who joined from their console.

    The token changes when another device takes over; the participant, its slots and its recording stay.
    """

    __tablename__ = "participants"
    __table_args__ = (
        UniqueConstraint("invitation_id"),
        UniqueConstraint("inspection_id", "staff_id"),
    )

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    invitation_id: Mapped[str | None] = mapped_column(ForeignKey("invitations.id"))
    staff_id: Mapped[str | None] = mapped_column(ForeignKey("staff.id"))
    role: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(80))
    device: Mapped[str] = mapped_column(String(200), default="")
    token_hash: Mapped[Sha256] = mapped_column(unique=True)
    token_expires_at: Mapped[datetime]
    joined_at: Mapped[datetime]
    sent_all_at: Mapped[datetime | None]
    """When the present device said that it has sent all it had recorded of the gaps."""


class FormerDevice(Base):
    """A device whose place another one took. Its token is still good for sending what it recorded itself before."""

    __tablename__ = "former_devices"

    token_hash: Mapped[Sha256] = mapped_column(primary_key=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participants.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    """Of who held the place with it."""
    token_expires_at: Mapped[datetime]
    replaced_at: Mapped[datetime]
    sent_all_at: Mapped[datetime | None]


class Slot(Base):
    """Participant + source; forwarders and the recorder hang on it, peer connections come and go."""

    __tablename__ = "slots"
    __table_args__ = (UniqueConstraint("participant_id", "source"),)

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participants.id"))
    source: Mapped[str] = mapped_column(String(20))
    opened_at: Mapped[datetime]


class Part(Base):
    """One recorded file of a slot. Open while it is being written."""

    __tablename__ = "parts"

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.id"), index=True)
    epoch: Mapped[int]
    index: Mapped[int]
    source: Mapped[str] = mapped_column(String(20), default="received")
    """`received` here as it happened, or recorded on the `phone` and uploaded later (epoch and index are then 0)."""
    path: Mapped[str] = mapped_column(String(300))
    """Relative to the data folder."""
    media_type: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime]
    """Server time of the first sample (presentation time 0)."""
    first_rtp_timestamp: Mapped[int | None] = mapped_column(BigInteger)
    places: Mapped[list[list[int]] | None] = mapped_column(JSON)
    """Where pictures stand in the file, for `media.moment_of`; only the first one when it was repaired."""
    closed: Mapped[bool] = mapped_column(default=False, index=True)
    repaired: Mapped[bool] = mapped_column(default=False)
    duration_s: Mapped[float | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    width: Mapped[int | None]
    height: Mapped[int | None]


class PhoneRecording(Base):
    """A file that a phone recorded itself and sends piece by piece; whole and accepted, it becomes a part."""

    __tablename__ = "phone_recordings"
    __table_args__ = (UniqueConstraint("participant_id", "run"),)

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.id"))
    participant_id: Mapped[str] = mapped_column(ForeignKey("participants.id"))
    run: Mapped[str] = mapped_column(String(40))
    """The phone's own name for it, so that a repeated announcement is the same recording."""
    media_type: Mapped[str] = mapped_column(String(40))
    started_at: Mapped[datetime]
    """By the phone's account of the server's time."""
    duration_s: Mapped[float]
    chunks: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """`{size, sha256}` in order, as the phone hashed them when it wrote them."""
    received_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(String(20), default="receiving")
    """`receiving`, `accepted` or `refused`."""
    crashes: Mapped[int] = mapped_column(default=0)
    """How often the program that reads it broke."""
    part_id: Mapped[str | None] = mapped_column(ForeignKey("parts.id"))
    announced_at: Mapped[datetime]

    @property
    def size_bytes(self) -> int:
        return sum(int(chunk["size"]) for chunk in self.chunks)


class Snapshot(Base):
    """A frame of the received stream, decoded at full received resolution."""

    __tablename__ = "snapshots"
    __table_args__ = (UniqueConstraint("participant_id", "request"),)

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.id"))
    participant_id: Mapped[str] = mapped_column(ForeignKey("participants.id"))
    request: Mapped[str] = mapped_column(String(80))
    """The click's own name, so that a repeated request is the same snapshot."""
    item: Mapped[str | None] = mapped_column(String(60))
    rtp_timestamp: Mapped[int] = mapped_column(BigInteger)
    captured_at: Mapped[datetime]
    width: Mapped[int]
    height: Mapped[int]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[Sha256]
    path: Mapped[str] = mapped_column(String(300))
    taken_by_name: Mapped[str] = mapped_column(String(80))
    taken_at: Mapped[datetime]


class Photo(Base):
    """A still that a phone took beside the stream: announced with its digest, sent in pieces, evidence once whole."""

    __tablename__ = "photos"
    __table_args__ = (UniqueConstraint("participant_id", "request"),)

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    slot_id: Mapped[str] = mapped_column(ForeignKey("slots.id"))
    participant_id: Mapped[str] = mapped_column(ForeignKey("participants.id"))
    snapshot_id: Mapped[str | None] = mapped_column(ForeignKey("snapshots.id"))
    """The snapshot with which it was asked for; None: taken by the person with the phone."""
    request: Mapped[str] = mapped_column(String(40))
    """The phone's own name for it, so that a repeated announcement is the same photo."""
    media_type: Mapped[str] = mapped_column(String(40))
    taken_at: Mapped[datetime]
    """By the phone's account of the server's time."""
    width: Mapped[int]
    height: Mapped[int]
    """As announced; once accepted, as the file has it."""
    how: Mapped[str] = mapped_column(String(20))
    """`photo`: the camera's own still; `frame`: one of its picture."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[Sha256]
    """As the phone computed it, before it sent anything."""
    received_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[str] = mapped_column(String(20), default="receiving")
    """`receiving`, `accepted` or `refused`."""
    announced_at: Mapped[datetime]


class StoredReceipt(Base):
    """A head of the log that the office signed and a participant's browser countersigned (evidence/receipts.py)."""

    __tablename__ = "receipts"
    __table_args__ = (UniqueConstraint("participant_id", "signature"),)

    id: Mapped[Id]
    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), index=True)
    participant_id: Mapped[str] = mapped_column(ForeignKey("participants.id"))
    seq: Mapped[int]
    head: Mapped[Sha256]
    at: Mapped[str] = mapped_column(String(40))
    """The very text that was signed."""
    key: Mapped[Sha256]
    signature: Mapped[str] = mapped_column(String(128))
    countersignature: Mapped[str] = mapped_column(String(128))
    received_at: Mapped[datetime]


class RoomLease(Base):
    """Which worker owns a room. The epoch rises with each acquisition and is in every part's name."""

    __tablename__ = "room_leases"

    inspection_id: Mapped[str] = mapped_column(ForeignKey("inspections.id"), primary_key=True)
    worker: Mapped[str] = mapped_column(String(40))
    epoch: Mapped[int]
    expires_at: Mapped[datetime]
