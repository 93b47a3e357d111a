"""Commands that hold a key for seals, as an office would name them."""

import subprocess
from pathlib import Path

RIGHT = """
case "$1" in
public) exec openssl pkey -in "$KEY" -pubout ;;
sign) exec openssl dgst -sha256 -sign "$KEY" ;;
esac
"""


def make_command(folder: Path, name: str = "signer", script: str = RIGHT) -> str:
    """An executable with a key of its own beside it (`$KEY`)."""
    key, program = folder / f"{name}.pem", folder / name
    if not key.exists():
        words = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        subprocess.run([*words, "-out", str(key)], check=True, capture_output=True)
    write(program, f"#!/bin/sh\nKEY={key}\n{script}")
    return str(program)


def write(program: Path, text: str) -> None:
    program.write_text(text)
    program.chmod(0o700)
