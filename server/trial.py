"""Trying the service out: demo data, a simulated phone in a process of its own, and what to type where."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from urllib.parse import urlsplit

import segno

from server.demo import phone
from server.demo.errors import Refused, ServiceUnreachable
from server.demo_data import SIMULATED, DemoAccess, load_demo
from server.errors import N_
from server.inspections.keys import JOURNAL
from server.serving import own_addresses, self_signed, serving, stop_signal
from server.settings import Settings
from server.storage.files import Files
from server.web.keys import DATABASE, FILES
from server.web.languages import current_language, translate

LOOPBACK = ("", "127.0.0.1", "localhost")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - compared, not bound
PHONE_STOP_S = 10.0
LINK_FILE = "demo-phone.link"
"""In the data folder: the simulated phone's link, for `yunkan demo` without one."""


async def run(settings: Settings, *, host: str, port: int, with_phone: bool) -> None:
    """Serve with demo data until stopped. On another address than loopback: https with a self-signed
    certificate, because phones give the camera to nothing else."""
    current_language.set(settings.language)
    reachable = _reachable(host)
    settings = _for_trial(settings, host, port, reachable)
    async with serving(settings) as (app, address):
        access = await load_demo(app[DATABASE], app[JOURNAL])
        if access is None:
            print(
                translate(
                    N_("This database holds real data: no demonstration is loaded. {address}"),
                    address=address,
                )
            )
            await stop_signal()
            return
        shown = _replace_host(address, reachable[0]) if reachable else address
        await asyncio.to_thread(_keep_link, app[FILES], f"{shown}/i/{access.simulated_token}")
        print(welcome(access, shown, is_reachable=bool(reachable)), flush=True)
        # By the address that others use: the media's is the same one, and to a loopback address it would not answer.
        simulated = await _start_phone(shown, access.simulated_token, settings) if with_phone else None
        try:
            await stop_signal()
        finally:
            if simulated is not None:
                await _stop_phone(simulated)


async def run_phone(
    settings: Settings, invitation: str, *, address: str, name: str, language: str, verify_tls: bool
) -> int:
    """The simulated phone, until the inspection ends or it is stopped; the exit code.

    Without an `invitation`: the demonstration's own, of the data folder in the settings.
    """
    if not invitation:
        current_language.set(settings.language)
        try:
            invitation = (settings.data / LINK_FILE).read_text()
        except FileNotFoundError:
            print(f"yunkan demo: {translate(_NO_LINK, folder=settings.data)}", file=sys.stderr)
            return 1
        # Our own service on this machine, whose certificate is its own.
        verify_tls = False
    if "://" in invitation:
        parts = urlsplit(invitation)
        address, invitation = f"{parts.scheme}://{parts.netloc}", parts.path.rpartition("/")[2]
    stop = asyncio.Event()
    watch = asyncio.create_task(_set_when_stopped(stop))
    try:
        await phone.run(
            address or "http://127.0.0.1:8080",
            invitation,
            name or SIMULATED,
            verify_tls=verify_tls,
            stop=stop,
            language=language,
        )
    except (Refused, ServiceUnreachable) as error:
        print(f"yunkan demo: {error}", file=sys.stderr)
        return 1
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
    return 0


def welcome(access: DemoAccess, address: str, *, is_reachable: bool) -> str:
    """What is printed: where, as whom, and the link for a phone with its QR code."""
    link = f"{address}/i/{access.visitor_token}"
    # Outside of f-strings, because the extraction of messages does not look into these.
    name, console = translate(N_("Yunkan")), translate(N_("Console of the demonstration:"))
    for_phone, stop = translate(N_("Link for a phone:")), translate(N_("Ctrl+C stops the service."))
    roles = {"reviewer": N_("Reviewer"), "auditor": N_("Auditor"), "administrator": N_("Administrator")}
    if is_reachable:
        hint = translate(N_("The phone will warn about the self-signed certificate once: go on."))
    else:
        hint = translate(N_("For a real phone in the same network: make run HOST=0.0.0.0"))
    changed = translate(N_("(password changed or account switched off)"))
    sign_ins = [
        f"  {translate(roles[one.role])}: {one.username} / {one.password or changed}"
        for one in access.sign_ins
    ]
    return "\n".join(
        [
            "",
            f"  {name}   {address}/",
            "",
            *sign_ins,
            "",
            f"  {console} {address}/inspections/{access.inspection_id}/console",
            f"  {for_phone} {link}",
            "",
            _qr(link),
            f"  {hint}",
            f"  {stop}",
        ]
    )


_NO_LINK = N_(
    "There is no demonstration in {folder}. Start one with “make run”, or name an invitation's link with --invitation."
)


def _keep_link(files: Files, link: str) -> None:
    files.write(LINK_FILE, link.encode())
    files.absolute(LINK_FILE).chmod(0o600)


def _reachable(host: str) -> list[str]:
    """The addresses by which others reach a service bound to `host`, the most likely first."""
    if host in LOOPBACK:
        return []
    return own_addresses() if host == EVERYWHERE else [host]


def _for_trial(settings: Settings, host: str, port: int, reachable: list[str]) -> Settings:
    if host in LOOPBACK:
        return dataclasses.replace(settings, listen=f"127.0.0.1:{port}")
    certificate, key = self_signed(settings.data / "tls", ["localhost", "127.0.0.1", *reachable])
    return dataclasses.replace(
        settings,
        listen=f"{host}:{port}",
        media_address=host,
        tls_certificate=str(certificate),
        tls_key=str(key),
    )


def _qr(link: str) -> str:
    """The code as half blocks, dark on light as cameras want it, also in a dark terminal."""
    rows = [list(row) for row in segno.make(link, error="l").matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    blocks = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
    return "\n".join(
        "  " + "".join(blocks[bool(upper), bool(lower)] for upper, lower in zip(above, below, strict=True))
        for above, below in zip(rows[::2], rows[1::2], strict=True)
    )


async def _start_phone(address: str, token: str, settings: Settings) -> asyncio.subprocess.Process:
    """A process of its own, so that encoding its picture takes nothing from the service's."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        "demo",
        "--address",
        address,
        "--invitation",
        token,
        "--language",
        settings.language,
        "--insecure",
        start_new_session=True,
    )


async def _stop_phone(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), PHONE_STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _set_when_stopped(stop: asyncio.Event) -> None:
    await stop_signal()
    stop.set()


def _replace_host(address: str, host: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{host}:{rest.rpartition(':')[2]}"
