"""PAdES (ETSI EN 319 142): the office's signature in a PDF, as an addition behind the bytes that were there."""

from __future__ import annotations

import io

from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from server.evidence.signatures import Signer

FIELD = "Office"
_LONGEST_SIGNATURE = 72
"""Of ECDSA on P-256 in DER."""


class _OfficeSigner(signers.Signer):
    """pyHanko's view of our `Signer`, which may be elsewhere than in this process."""

    def __init__(self, signer: Signer, chain: list[asn1_x509.Certificate]) -> None:
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        store.register_multiple(chain)
        super().__init__(signing_cert=chain[0], cert_registry=store)
        self._signer = signer

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        return bytes(_LONGEST_SIGNATURE) if dry_run else self._signer.sign(data)


def sign_pdf(pdf: bytes, signer: Signer, chain: list[x509.Certificate]) -> bytes:
    """The signed PDF; it begins with the bytes of `pdf`, so the unsigned document can still be compared.

    Runs an event loop of its own: call it in a thread.
    """
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD, md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES
    )
    office = _OfficeSigner(signer, [_loaded(each) for each in chain])
    made = signers.PdfSigner(metadata, office).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)))
    return bytes(made.getvalue())


def _loaded(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
