"""The file of receipts that a participant keeps, and the address where it is got: the invitation's own link."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import Office
from server.errors import N_, NotFound
from server.evidence import keys
from server.evidence.receipts import BroughtKey, KeptReceipts, brought_keys
from server.inspections.closing import read_lines
from server.inspections.invitations import look_up_invitation
from server.inspections.links import base_url
from server.inspections.models import Inspection, Invitation
from server.live.keys import LIVE
from server.live.models import Participant
from server.live.receipts import count_receipts, read_receipts
from server.web.keys import DATABASE, LANGUAGE
from server.web.languages import LANGUAGES, speaking, translate

ABOUT = (
    N_("Receipts of the remote inspection {number}, made by the browser of {name} for {office}."),
    N_(
        "While the inspection ran, the office signed the state of its event log every ten seconds. This browser "
        "checked that this state followed from the events it had received, and countersigned it with a key of its own."
    ),
    N_(
        "Keep this file. Later it shows whether the office still has the log of that time: one that was changed, "
        "shortened or deleted since does not fit it."
    ),
    N_("Check it at {address} or with the command: yunkan verify --receipt FILE [PACKAGE]"),
    N_(
        "It does not prove that what the camera showed was true, that the office entered everything that happened, "
        "nor anything after the last receipt."
    ),
)
FILE_NAME = N_("receipts-{number}")


class NoReceipts(NotFound):
    code = "no_receipts"
    text = N_(
        "There are no receipts for this link: its browser could not make any, or the inspection never ran."
    )


async def receipts(request: web.Request) -> web.Response:
    """`GET /i/<token>/receipts`: during the inspection and for ever after, as long as the link was not withdrawn."""
    live = request.app[LIVE]
    async with request.app[DATABASE].reading() as session:
        invitation, inspection = await look_up_invitation(session, request.match_info["token"])
        participant = await find_invited(session, invitation)
        if participant is None or not await count_receipts(session, participant.id):
            raise NoReceipts
        given = await read_receipts(session, inspection.id, participant.id)
        lines = await read_lines(session, inspection.id)
        office = await session.get_one(Office, inspection.office_id)
        words = {
            "number": inspection.number,
            "name": participant.name,
            "office": office.name,
            "address": f"{base_url(request)}/verify",
        }
    key_log, root = await asyncio.to_thread(_office_keys, live.settings.key_folder)
    own: list[BroughtKey] = [each for each in brought_keys(lines) if each.participant == participant.id]
    kept = KeptReceipts(given, _about(request[LANGUAGE], words), key_log, root, own)
    return web.Response(
        body=kept.to_bytes(),
        content_type="application/json",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(_file_name(inspection))}",
            "Cache-Control": "no-store",
        },
    )


async def find_invited(session: AsyncSession, invitation: Invitation) -> Participant | None:
    """Who joined by this invitation."""
    found: Participant | None = await session.scalar(
        select(Participant).where(Participant.invitation_id == invitation.id)
    )
    return found


def _file_name(inspection: Inspection) -> str:
    return f"{translate(FILE_NAME, number=inspection.number)}.json"


def _about(first: str, words: dict[str, str]) -> list[str]:
    """In the reader's language, then in the other one: who checks it years later may read either."""
    told: list[str] = []
    for language in sorted(LANGUAGES, key=lambda each: each != first):
        with speaking(language):
            told += [translate(text, **words) for text in ABOUT]
    return told


def _office_keys(folder: Path) -> tuple[bytes, str]:
    """What outsiders need of the office's keys: their history, and the root certificate."""
    return (folder / keys.LOG).read_bytes(), (folder / "root.pem").read_text()


def routes() -> list[web.RouteDef]:
    return [web.get("/i/{token}/receipts", receipts)]
