"""Second signature by SM2 with SM3 (GB/T 32918, GB/T 32905), and SM3 digests: beside the ordinary ones, never instead.

`cryptography` has SM3 and no SM2; OpenSSL's command signs and checks SM2 in `pkeyutl`, and fails with it in
`cms`. So the signature is a plain one over the seal's bytes, made and checked by that command.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives import hashes

from server.evidence.errors import N_, EvidenceError

CERTIFICATE, SIGNATURE, DIGESTS = "certs/sm2.pem", "seal.sm2.sig", "proofs/sm3.txt"
ID = "1234567812345678"
"""The signer's distinguishing identifier where none is agreed on (GM/T 0009-2012, section 10)."""
_ALGORITHM = ("-rawin", "-digest", "sm3", "-pkeyopt", f"distid:{ID}")
_TIMEOUT_S = 20
_BLOCK = 1 << 20


class Sm2Unusable(EvidenceError):
    code = "sm2_unusable"
    text = N_("The second signature with SM2 cannot be made: {detail}")


@dataclass(frozen=True, slots=True)
class Sm2Signer:
    """Certificate and private key in PEM files, the key unencrypted and readable by its owner only."""

    certificate: Path
    key: Path

    def read_certificate(self) -> bytes:
        try:
            return self.certificate.read_bytes()
        except OSError as error:
            raise Sm2Unusable(detail=str(error)) from error

    def sign(self, content: bytes) -> bytes:
        """DER, checked with the certificate before it is given out. Sm2Unusable."""
        if self.key.exists() and self.key.stat().st_mode & 0o077:
            raise Sm2Unusable(detail=f"{self.key} can be read by others: chmod 600")
        with tempfile.TemporaryDirectory(prefix="sm2-") as name:
            told = Path(name) / "content"
            told.write_bytes(content)
            made = _openssl("pkeyutl", "-sign", *_ALGORITHM, "-inkey", str(self.key), "-in", str(told))
        if made.returncode or not made.stdout:
            raise Sm2Unusable(detail=_reason(made))
        problem = why_not(made.stdout, content, self.read_certificate())
        if problem is not None:
            raise Sm2Unusable(detail=problem)
        return made.stdout


def why_not(signature: bytes, content: bytes, certificate: bytes) -> str | None:
    """Why the signature is not that of this certificate's key over `content`; None if it is."""
    with tempfile.TemporaryDirectory(prefix="sm2-") as name:
        folder = Path(name)
        for file, data in (("content", content), ("signature", signature), ("certificate", certificate)):
            (folder / file).write_bytes(data)
        checked = _openssl(
            *("pkeyutl", "-verify", *_ALGORITHM, "-certin", "-inkey", str(folder / "certificate")),
            *("-in", str(folder / "content"), "-sigfile", str(folder / "signature")),
        )
    return _reason(checked) if checked.returncode else None


def sm3(file: BinaryIO) -> str:
    """SM3 of what is left to read, in hex."""
    digest = hashes.Hash(hashes.SM3())
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.finalize().hex()


def _sm3_of(path: Path) -> str:
    with path.open("rb") as file:
        return sm3(file)


def list_digests(folder: Path, paths: Sequence[str]) -> bytes:
    """`digest  path`, a line for each file. Reads them once more: only where SM3 is asked for."""
    with ThreadPoolExecutor(2, "sm3") as pool:
        digests = list(pool.map(lambda path: _sm3_of(folder / path), paths))
    return "".join(f"{found}  {path}\n" for found, path in zip(digests, paths, strict=True)).encode()


def _openssl(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603
            ["openssl", *words],  # noqa: S607 - the stock command, as the instructions for strangers name it
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Sm2Unusable(detail=str(error)) from error


def _reason(result: subprocess.CompletedProcess[bytes]) -> str:
    lines = (result.stderr or result.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "openssl says no"
