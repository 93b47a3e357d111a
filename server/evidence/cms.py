"""Detached CMS signatures (RFC 5652) over a seal: made with P-256, checked without OpenSSL's command. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from asn1crypto import cms  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.evidence.signatures import Signer

MAX_SIZE = 1 << 20


class BadSignature(ValueError):
    """The signature does not hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed. Whether the certificate is to be trusted is another question (`certificates.why_not`)."""

    certificate: x509.Certificate
    others: list[x509.Certificate]


def sign(content: bytes, signer: Signer, chain: list[x509.Certificate]) -> bytes:
    """DER. Without signed attributes: the time of a seal is in the seal, and its proof is the time stamp.

    SignerFailed; BadSignature if the key is not that of the first certificate.
    """
    certificates = [
        asn1_x509.Certificate.load(each.public_bytes(serialization.Encoding.DER)) for each in chain
    ]
    identifier = cms.IssuerAndSerialNumber(
        {"issuer": certificates[0].issuer, "serial_number": certificates[0].serial_number}
    )
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", identifier),
            "digest_algorithm": {"algorithm": "sha256"},
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": signer.sign(content),
        }
    )
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "data"},
            "certificates": certificates,
            "signer_infos": [info],
        }
    )
    made: bytes = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    verify(made, content)
    return made


def verify(signature: bytes, content: bytes) -> Signed:
    """BadSignature unless one signer, whose certificate is enclosed, signed exactly `content`."""
    if len(signature) > MAX_SIZE:
        raise BadSignature("it is too long")
    try:
        return _verify(signature, content)
    except BadSignature:
        raise
    except InvalidSignature as error:
        raise BadSignature("it does not fit what is signed") from error
    except Exception as error:  # hostile bytes make the parsers raise nearly anything
        raise BadSignature(f"it cannot be read: {error}") from error


def _verify(signature: bytes, content: bytes) -> Signed:
    info = cms.ContentInfo.load(signature, strict=True)
    if info["content_type"].native != "signed_data":
        raise BadSignature("it is not signed data")
    signed = info["content"]
    if signed["encap_content_info"]["content_type"].native != "data":
        raise BadSignature("it is about something else than data")
    if signed["encap_content_info"]["content"].native is not None:
        raise BadSignature("it encloses content of its own")
    if len(signed["signer_infos"]) != 1:
        raise BadSignature("it has not exactly one signer")
    signer = signed["signer_infos"][0]
    if signer["digest_algorithm"]["algorithm"].native != "sha256":
        raise BadSignature("its digest is not SHA-256")
    enclosed = [x509.load_der_x509_certificate(each.dump()) for each in signed["certificates"]]
    certificate = _signer(signer["sid"], enclosed)
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadSignature("its key is not on an elliptic curve")
    key.verify(signer["signature"].native, _signed_bytes(signer, content), ec.ECDSA(hashes.SHA256()))
    return Signed(certificate, [each for each in enclosed if each != certificate])


def _signer(sid: cms.SignerIdentifier, enclosed: list[x509.Certificate]) -> x509.Certificate:
    if sid.name != "issuer_and_serial_number":
        raise BadSignature("its signer is not named by issuer and number")
    issuer = sid.chosen["issuer"].dump()
    serial = sid.chosen["serial_number"].native
    for each in enclosed:
        if each.serial_number == serial and each.issuer.public_bytes() == issuer:
            return each
    raise BadSignature("its signer's certificate is not enclosed")


def _signed_bytes(signer: cms.SignerInfo, content: bytes) -> bytes:
    """RFC 5652 section 5.4: the content itself, or the attributes, which then hold its digest."""
    attributes = signer["signed_attrs"]
    if attributes.native is None:
        return content
    values = {each["type"].native: each["values"] for each in attributes}
    if len(values) != len(attributes) or len(values["message_digest"]) != 1:
        raise BadSignature("it repeats an attribute")
    if values["content_type"][0].native != "data":
        raise BadSignature("it is about something else than data")
    if values["message_digest"][0].native != hashlib.sha256(content).digest():
        raise BadSignature("it does not fit what is signed")
    return bytes(attributes.untag().dump(force=True))
