"""Serving the application: sockets, TLS, a clean stop on SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.app import build
from server.settings import Settings

log = structlog.get_logger("serving")

STOP_TIMEOUT_S = 5.0
SELF_SIGNED_DAYS = 365


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[web.Application, str]]:
    """The running service and its own address, e.g. `http://127.0.0.1:8080`."""
    app = build(settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_TIMEOUT_S)
    await runner.setup()
    try:
        context = _tls(settings)
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=context, reuse_address=True)
        await site.start()
        port = runner.addresses[0][1]
        _keep_what_is_there()
        yield app, f"{'https' if context else 'http'}://{_shown(settings.host)}:{port}"
    finally:
        await runner.cleanup()


async def serve_until_stopped(settings: Settings) -> None:
    """Serve, say where, and stop cleanly when told to."""
    async with serving(settings) as (_, address):
        log.info("listening", address=address)
        await stop_signal()
        log.info("stopping")


def _keep_what_is_there() -> None:
    """What the start has made stays until the end: a full collection that looks through it again and again holds up
    every packet meanwhile, for more than a tenth of a second."""
    gc.collect()
    gc.freeze()


async def stop_signal() -> None:
    """Until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        await stopped.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def self_signed(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Certificate and key for trying things out on a real phone, made once for this set of names.

    A phone warns about it once; it gives the camera only to https.
    """
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    if certificate_path.exists() and key_path.exists() and _covers(certificate_path, names):
        return certificate_path, key_path
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Yunkan (self-signed)")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_path.touch(mode=0o600)
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_path, key_path


def own_addresses() -> list[str]:
    """The machine's IPv4 addresses that a phone in the same network may reach, the most likely first."""
    found: list[str] = []
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Connecting a datagram socket sends nothing; it only asks the routing table.
        probe.connect(("192.0.2.1", 9))
        found.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):
        found += [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
    return [address for address in dict.fromkeys(found) if not ipaddress.ip_address(address).is_loopback]


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context


def _shown(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104 - compared, not bound


def _covers(path: Path, names: list[str]) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    if certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=7):
        return False
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {_general_name(name) for name in names} <= set(alternative)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
