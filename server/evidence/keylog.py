"""The history of an office's keys: signed statements, each key vouched for by the one before it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature

from server.evidence import certificates
from server.evidence.canonical import BadJson, dump, parse_canonical
from server.evidence.errors import N_, EvidenceError
from server.evidence.signatures import (
    Signer,
    fingerprint_of,
    parse_public,
    public_bytes,
    public_of,
    require_signature,
)

Purpose = Literal["seal", "head"]


class BadKeyLog(EvidenceError):
    code = "bad_key_log"
    text = N_("Line {line} of the key history does not hold: {detail}")


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """A key comes into use. `public` is SubjectPublicKeyInfo in hex; `certificate` PEM for the purpose `seal`."""

    number: int
    office: str
    purpose: Purpose
    at: str
    public: str
    certificate: str | None
    replaces: str | None
    "Fingerprint of the key that it takes the place of."

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(bytes.fromhex(self.public))

    def to_bytes(self) -> bytes:
        """What is signed."""
        return dump(
            {
                "v": 1,
                "kind": "key",
                "number": self.number,
                "office": self.office,
                "purpose": self.purpose,
                "at": self.at,
                "public": self.public,
                "certificate": self.certificate,
                "replaces": self.replaces,
            }
        )


def check_log(log: bytes) -> list[KeyStatement]:
    """The statements of a key history, every signature checked. BadKeyLog names the first line that does not hold."""
    statements: list[KeyStatement] = []
    if not log.endswith(b"\n"):
        raise BadKeyLog(line=log.count(b"\n") + 1, detail=N_("the line is cut off"))
    for number, line in enumerate(log.splitlines(), start=1):
        try:
            statements.append(_check_line(line, statements))
        except (BadJson, ValueError, KeyError, TypeError, InvalidSignature) as error:
            raise BadKeyLog(line=number, detail=str(error) or N_("a signature is wrong")) from error
    if {each.purpose for each in statements} != {"seal", "head"}:
        raise BadKeyLog(line=len(statements), detail=N_("it does not name both keys"))
    return statements


def certificate_fingerprint(statement: KeyStatement) -> str:
    """Of the certificate that a statement for seals brings; ValueError for others."""
    return certificates.fingerprint(certificates.from_pem((statement.certificate or "").encode())[0])


def _check_line(line: bytes, before: list[KeyStatement]) -> KeyStatement:
    value = parse_canonical(line)
    told: dict[str, Any] = dict(value["statement"])
    if told.pop("v") != 1 or told.pop("kind") != "key" or told["purpose"] not in ("seal", "head"):
        raise ValueError("not a statement about a key")
    statement = KeyStatement(**told)
    texts = (statement.office, statement.at, statement.public, statement.certificate, statement.replaces)
    if not all(isinstance(each, str) for each in texts if each is not None) or None in texts[:3]:
        raise ValueError("a field of it is not text")
    if statement.number != len(before) + 1:
        raise ValueError(f"it is number {statement.number}")
    signed = statement.to_bytes()
    signatures: dict[str, str] = value["signatures"]
    own = parse_public(bytes.fromhex(statement.public))
    require_signature(own, bytes.fromhex(signatures["own"]), signed)
    if statement.purpose == "seal":
        certificate = certificates.from_pem((statement.certificate or "").encode())[0]
        if public_bytes(public_of(certificate)).hex() != statement.public:
            raise ValueError("the certificate is for another key")
    earlier = (
        current(before, statement.purpose)
        if statement.replaces or has_key(before, statement.purpose)
        else None
    )
    if earlier is not None:
        if statement.replaces != earlier.fingerprint:
            raise ValueError("it does not name the key before it")
        previous = parse_public(bytes.fromhex(earlier.public))
        require_signature(previous, bytes.fromhex(signatures["previous"]), signed)
    if statement.purpose == "head":
        seal = parse_public(bytes.fromhex(current(before, "seal").public))
        require_signature(seal, bytes.fromhex(signatures["seal"]), signed)
    return statement


def has_key(statements: list[KeyStatement], purpose: Purpose) -> bool:
    return any(each.purpose == purpose for each in statements)


def current(statements: list[KeyStatement], purpose: Purpose) -> KeyStatement:
    for statement in reversed(statements):
        if statement.purpose == purpose:
            return statement
    raise ValueError(f"there is no key for {purpose} before")


def to_line(statement: KeyStatement, **signers: Signer | None) -> bytes:
    """A line of the history. `signers`: `own`, `previous`, `seal`, as the statement needs them."""
    data = statement.to_bytes()
    signatures = {name: each.sign(data).hex() for name, each in signers.items() if each is not None}
    return dump({"statement": parse_canonical(data), "signatures": signatures}) + b"\n"
