"""A key that is never in a file: a command signs with it, for a token, a security module or a key service.

`COMMAND public` prints the public key (PEM, P-256); `COMMAND sign` gets the bytes to be signed and prints their
signature (ECDSA with SHA-256, DER). What it says beside that is not kept: it may hold secrets. Of the service's own
settings it gets none: the database's password is among them.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.evidence.errors import N_, EvidenceError
from server.evidence.signatures import require_signature

TIMEOUT_S = 20.0
SETTINGS_PREFIX = "YUNKAN_"
_MAX_ANSWER = 16 << 10
_PROBE = b"Yunkan asks whether this command signs."


class SignerFailed(EvidenceError):
    """`program` is the command's first word: what follows may be a secret."""


class SignerAway(SignerFailed):
    code = "signer_away"
    text = N_("The command that signs for the office, {program}, cannot be started: {detail}")


class SignerSilent(SignerFailed):
    code = "signer_silent"
    text = N_("The command that signs for the office, {program}, did not answer within {seconds} seconds.")


class SignerRefused(SignerFailed):
    code = "signer_refused"
    text = N_(
        "The command that signs for the office, {program}, ended with exit code {exit_code}. "
        "What it says is not kept, since it may hold secrets; run it by hand to see it."
    )


class SignerWrong(SignerFailed):
    code = "signer_wrong"
    text = N_(
        "The command that signs for the office, {program}, gave what is no signature by the office's key."
    )


class SignerKeyless(SignerFailed):
    code = "signer_keyless"
    text = N_("The command that is to sign for the office, {program}, gave what is no public key on P-256.")


@dataclass(frozen=True, slots=True)
class CommandSigner:
    """`command` is split as a shell would; no shell runs it. Nothing is given out that its key did not sign."""

    command: str
    public: ec.EllipticCurvePublicKey

    @classmethod
    def open(cls, command: str) -> CommandSigner:
        """Asks the command for its key. SignerFailed."""
        answer = _ask(command, "public", b"")
        try:
            key = serialization.load_pem_public_key(answer)
        except Exception as error:  # whatever a parser makes of what a strange program prints
            raise SignerKeyless(program=program_of(command)) from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise SignerKeyless(program=program_of(command))
        return cls(command, key)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self.public

    def sign(self, data: bytes) -> bytes:
        """SignerFailed, after `TIMEOUT_S` at the latest."""
        signature = _ask(self.command, "sign", data)
        try:
            require_signature(self.public, signature, data)
        except InvalidSignature as error:
            raise SignerWrong(program=self.program) from error
        return signature

    def require_signing(self) -> None:
        """SignerFailed unless it signs now."""
        self.sign(_PROBE)

    @property
    def program(self) -> str:
        return program_of(self.command)


def program_of(command: str) -> str:
    """Its name without what follows, which may be a secret."""
    return command.split(maxsplit=1)[0] if command.strip() else "-"


def _environment() -> dict[str, str]:
    """What the service has, without its settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS_PREFIX)}


def _ask(command: str, verb: str, data: bytes) -> bytes:
    """What it prints when it gets `data`; of endless output the beginning. SignerFailed."""
    name, deadline_s = program_of(command), time.monotonic() + TIMEOUT_S
    with tempfile.TemporaryFile() as told:
        told.write(data)
        told.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - the command that the office has named
                [*shlex.split(command), verb],
                stdin=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SignerAway(program=name, detail=_reason(error)) from error
    try:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        answer = _read(process.stdout, deadline_s)
        if len(answer) > _MAX_ANSWER:
            return answer
        code = process.wait(max(0.0, deadline_s - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise SignerSilent(program=name, seconds=f"{TIMEOUT_S:g}") from error
    finally:
        _end(process)
    if code:
        raise SignerRefused(program=name, exit_code=code)
    return answer


def _read(pipe: IO[bytes], deadline_s: float) -> bytes:
    """To its end, or a little more than is read of an answer. TimeoutError."""
    answer = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(pipe, selectors.EVENT_READ)
        while waiting.select(max(0.0, deadline_s - time.monotonic())):
            piece = os.read(pipe.fileno(), _MAX_ANSWER)
            answer += piece
            if not piece or len(answer) > _MAX_ANSWER:
                return answer
    raise TimeoutError


def _end(process: subprocess.Popen[bytes]) -> None:
    """With everything that it started."""
    if process.stdout is not None:
        process.stdout.close()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is written wrongly"
