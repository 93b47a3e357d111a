"""What keeps an invited person from joining, told by their page while they have no seat yet."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

import msgspec
from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.rules import system_actor
from server.inspections.invitations import find_invitation
from server.inspections.models import Event, Inspection
from server.live.context import Live
from server.live.keys import LIVE
from server.web.bodies import Body, read_json
from server.web.texts import user_agent

TROUBLED = "invitation.troubled"
AT_MOST = 20
"""Events of one invitation: whoever has the link can send more, but not write the log full."""
AGAIN_AFTER = timedelta(minutes=10)
DEVICE_LENGTH = 200

Code = Literal["insecure", "no_api", "disagreed"]


class TroubleBody(Body):
    code: Code


async def trouble(request: web.Request) -> web.Response:
    """`POST /i/<token>/trouble`: 204, also for what is left out because it was told before."""
    body = await read_json(request, TroubleBody)
    device = user_agent(request)[:DEVICE_LENGTH]
    await note_trouble(request.app[LIVE], request.match_info["token"], body.code, device)
    return web.Response(status=204)


async def note_trouble(live: Live, token: str, code: Code, device: str) -> None:
    """An event of the invitation's inspection. The errors of find_invitation for a link that opens nothing now."""
    now = live.clock.now()
    async with live.database.transaction() as session:
        invitation, inspection = await find_invitation(session, token, now, live.settings.early_join_minutes)
        await session.get_one(Inspection, inspection.id, with_for_update=True)
        told = [
            event
            for event in await _events(session, [inspection.id])
            if event.body["invitation"] == invitation.id
        ]
        if len(told) >= AT_MOST or any(
            event.body["code"] == code and event.at > now - AGAIN_AFTER for event in told
        ):
            return
        body = {
            "invitation": invitation.id,
            "role": invitation.role,
            "name": invitation.name,
            "code": code,
            "device": device,
        }
        await live.journal.append(session, inspection.id, TROUBLED, system_actor(), body)


class Troubled(msgspec.Struct, frozen=True):
    """Somebody who stood before the door. `code` as their page told it."""

    name: str
    code: str
    at: datetime


async def list_troubled(
    session: AsyncSession, inspection_ids: Collection[str], since: datetime
) -> dict[str, Troubled]:
    """The newest trouble of each inspection after `since`."""
    return {
        event.inspection_id: Troubled(event.body["name"], event.body["code"], event.at)
        for event in await _events(session, inspection_ids)
        if event.at > since
    }


async def _events(session: AsyncSession, inspection_ids: Collection[str]) -> list[Event]:
    query = (
        select(Event)
        .where(Event.inspection_id.in_(inspection_ids), Event.type == TROUBLED)
        .order_by(Event.seq)
    )
    return list(await session.scalars(query))


def routes() -> list[web.RouteDef]:
    return [web.post("/i/{token}/trouble", trouble)]
