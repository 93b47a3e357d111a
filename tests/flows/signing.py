"""A participant's browser that makes receipts, in Python: its key, and what it signs."""

from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from server.evidence.receipts import Receipt
from server.evidence.signatures import public_bytes
from tests.flows.rooms import RoomClient


class Signer:
    """`bring` enters the key into the log; `sign` returns a head countersigned."""

    def __init__(self, room: RoomClient) -> None:
        self.room = room
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.seq = 0
        """The line with which the key entered the log."""

    @property
    def public(self) -> str:
        return public_bytes(self.key.public_key()).hex()

    async def bring(self) -> int:
        answer = await self.room.say(type="key", public=self.public)
        assert answer["type"] == "ack", answer
        self.seq = int(answer["seq"])
        return self.seq

    async def head(self, least: int = 1, **fields: Any) -> dict[str, Any]:
        """A head of line `least` or later that this connection heard or hears next."""
        for heard in reversed(self.room.heard):
            if _fits(heard, least, fields):
                return heard
        while not _fits(heard := await self.room.hear("head"), least, fields):
            pass
        return heard

    async def sign(
        self, head: dict[str, Any], key: ec.EllipticCurvePrivateKey | None = None
    ) -> dict[str, Any]:
        """The service's answer."""
        signed = (key or self.key).sign(head_of(head).countersigned_bytes(), ec.ECDSA(hashes.SHA256()))
        raw = b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signed))
        return await self.room.say(
            type="countersign", signature=head["signature"], countersignature=raw.hex()
        )


def _fits(message: dict[str, Any], least: int, fields: dict[str, Any]) -> bool:
    return (
        message["type"] == "head"
        and message["receipt"]["seq"] >= least
        and all(message[name] == value for name, value in fields.items())
    )


def head_of(message: dict[str, Any]) -> Receipt:
    return Receipt.from_json({"receipt": message["receipt"], "signature": message["signature"]})
