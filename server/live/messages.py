"""What a client says on the room's WebSocket, parsed at the edge (docs/PROTOCOL.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, cast

import msgspec

from server.errors import N_, Invalid
from server.web.texts import require_storable_json

MAX_MESSAGE_BYTES = 16_384

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Signature = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class UnknownMessage(Invalid):
    code = "unknown_message"
    text = N_("The service does not understand this message: {detail}")


class Message(msgspec.Struct, tag_field="type", kw_only=True):
    id: Annotated[str, msgspec.Meta(max_length=40)] = ""


class Chat(Message, tag="chat"):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class AnswerItem(Message, tag="answer"):
    item: Name
    result: Literal["pass", "minor", "fail", "unverifiable", "none"]
    note: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    was: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """The event of the answer that this one replaces as its author saw it; 0: none. Absent: whatever stands."""


class Mute(Message, tag="mute"):
    slot: Name
    kind: Literal["audio", "video"]
    muted: bool


class Device(Message, tag="device"):
    state: Literal[
        "hidden",
        "visible",
        "camera_asking",
        "camera_denied",
        "camera_unsupported",
        "camera_ended",
        "camera_black",
        "camera_back",
        "battery_low",
        "wake_lock_lost",
        "location_denied",
        "own_recording_failed",
        "own_recording_back",
        "own_recording_memory",
        "photo_failed",
        "receipts_unavailable",
        "receipt_mismatch",
    ]
    detail: Annotated[str, msgspec.Meta(max_length=200)] = ""
    happened_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """By the server's clock as the device knows it, when the report had to wait for the network."""


class Network(Message, tag="network"):
    rtt_s: Annotated[float, msgspec.Meta(ge=0, le=600)] | None = None
    loss: Share | None = None
    bitrate_bps: Annotated[float, msgspec.Meta(ge=0, le=1e10)] | None = None
    limited: Literal["none", "cpu", "bandwidth", "other"] | None = None


class Location(Message, tag="location"):
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, msgspec.Meta(ge=0, le=1e7)]
    taken_at: Annotated[str, msgspec.Meta(max_length=40)]
    permission: Annotated[str, msgspec.Meta(max_length=20)]


class Key(Message, tag="key"):
    public: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2}){1,200}$")]
    """SubjectPublicKeyInfo of the key made in the browser, in hex."""


class Countersign(Message, tag="countersign"):
    signature: Signature
    """The office's, which names the head."""
    countersignature: Signature


class Leave(Message, tag="leave"):
    pass


class Ping(Message, tag="ping"):
    pass


ClientMessage = Chat | AnswerItem | Mute | Device | Network | Location | Key | Countersign | Leave | Ping

_DECODER = msgspec.json.Decoder(ClientMessage)


class _Named(msgspec.Struct):
    id: str = ""


def parse(raw: str | bytes) -> ClientMessage:
    """The message, or UnknownMessage that says what is wrong with it; UnstorableText."""
    try:
        message = cast(ClientMessage, _DECODER.decode(raw))
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnknownMessage(detail=str(error)) from error
    require_storable_json(raw)
    return message


def id_of(raw: str | bytes) -> str:
    """The `id` of a message that cannot be understood, so that the answer still finds its question."""
    try:
        return msgspec.json.decode(raw, type=_Named).id[:40]
    except (msgspec.DecodeError, UnicodeError):
        return ""
