"""RFC 3161 time stamps over a seal's signature: the request, and the check of a reply. Pure; the caller sends."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import rfc3161_client as client
from cryptography import x509

from server.evidence.errors import N_, EvidenceError

REQUEST_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
MAX_REPLY = 1 << 20
TOLERANCE = timedelta(minutes=5)
"""How far an authority's clock and ours may be apart before its stamp is refused."""


class BadStamp(EvidenceError):
    code = "bad_stamp"
    text = N_("The time stamp does not hold: {detail}")


@dataclass(frozen=True, slots=True)
class StampRequest:
    """`body` is to be sent by POST as REQUEST_TYPE; a reply must repeat the nonce."""

    body: bytes
    nonce: int | None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an authority attests: the bytes existed at this time."""

    at: datetime
    authority: str
    policy: str
    serial: int


def request(data: bytes) -> StampRequest:
    """Asks for a stamp over `data` with SHA-256, a nonce, and the authority's certificates."""
    made = (
        client.TimestampRequestBuilder()
        .data(data)
        .hash_algorithm(client.base.HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    return StampRequest(made.as_bytes(), made.nonce)


def accept(
    reply: bytes, data: bytes, roots: Sequence[x509.Certificate], asked: StampRequest, now: datetime
) -> Stamp:
    """The check of a reply that has just come in: also its nonce, and that its clock is about right. BadStamp."""
    stamp = check(reply, data, roots, nonce=asked.nonce)
    if abs(stamp.at - now) > TOLERANCE:
        raise BadStamp(detail=f"the authority's clock says {stamp.at.isoformat()}, ours {now.isoformat()}")
    return stamp


def check(reply: bytes, data: bytes, roots: Sequence[x509.Certificate], *, nonce: int | None = None) -> Stamp:
    """BadStamp unless an authority under `roots`, whose certificate was valid at the time, stamped exactly `data`."""
    if len(reply) > MAX_REPLY:
        raise BadStamp(detail=N_("the reply is too long"))
    try:
        parsed = client.decode_timestamp_response(_sorted(reply))
        if parsed.status != 0:
            raise BadStamp(
                detail=f"the authority refused with status {parsed.status}: {parsed.status_string}"
            )
        builder = client.VerifierBuilder()
        for root in roots:
            builder = builder.add_root_certificate(root)
        if nonce is not None:
            builder = builder.nonce(nonce)
        if str(parsed.tst_info.message_imprint.hash_algorithm.dotted_string) != _SHA256:
            raise BadStamp(detail=N_("its digest is not SHA-256"))
        builder.build().verify(parsed, hashlib.sha256(data).digest())
        info = parsed.tst_info
        return Stamp(
            at=info.gen_time.replace(tzinfo=UTC) if info.gen_time.tzinfo is None else info.gen_time,
            authority=_authority(parsed),
            policy=info.policy.dotted_string if info.policy else "",
            serial=info.serial_number,
        )
    except client.VerificationError as error:
        raise BadStamp(detail=str(error)) from error
    except BadStamp:
        raise
    except Exception as error:  # hostile bytes make the parsers raise nearly anything
        raise BadStamp(detail=f"the reply cannot be read: {error}") from error


_SHA256 = "2.16.840.1.101.3.4.2.1"


def _authority(parsed: client.TimeStampResponse) -> str:
    """The subject of the certificate that signed."""
    signer = next(iter(parsed.signed_data.signer_infos))
    for each in parsed.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(each)
        if certificate.serial_number == signer.serial_number and certificate.issuer == signer.issuer:
            return certificate.subject.rfc4514_string()
    return ""


def _sorted(reply: bytes) -> bytes:
    """The reply with its certificates in DER's order, which OpenSSL does not keep; no signature covers that order.

    TimeStampResp { status, ContentInfo { type, [0] SignedData { version, digests, content, [0] certificates } } }
    """
    whole = _elements(reply, 0, len(reply))
    response = _elements(reply, *whole[0][1:])
    if len(response) < 2:
        return reply  # a refusal has no token
    token = _elements(reply, *response[1][1:])
    (signed,) = _elements(reply, *token[1][1:])
    for tag, begin, end in _elements(reply, *signed[1:])[3:4]:
        if tag == _CERTIFICATES:
            certificates = [reply[start:stop] for start, stop in _spans(reply, begin, end)]
            return reply[:begin] + b"".join(sorted(certificates)) + reply[end:]
    return reply


_CERTIFICATES = 0xA0


def _elements(data: bytes, begin: int, end: int) -> list[tuple[int, int, int]]:
    """(tag, begin, end) of the contents of each DER element between two offsets. ValueError if they do not fit."""
    found: list[tuple[int, int, int]] = []
    while begin < end:
        length, header = data[begin + 1], 2
        if length & 0x80:
            header += length & 0x7F
            length = int.from_bytes(data[begin + 2 : begin + header], "big")
        if begin + header + length > end:
            raise ValueError("an element is longer than what holds it")
        found.append((data[begin], begin + header, begin + header + length))
        begin += header + length
    return found


def _spans(data: bytes, begin: int, end: int) -> list[tuple[int, int]]:
    """The same elements with their headers."""
    ends = [stop for _, _, stop in _elements(data, begin, end)]
    return list(zip([begin, *ends], ends, strict=False))
