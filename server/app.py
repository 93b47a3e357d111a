"""The composition root: opens everything in order, wires the features together, closes everything in reverse."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import structlog
from aiohttp import web

from server.accounts import views as accounts_views
from server.accounts.current import SESSION_COOKIE
from server.accounts.rules import Actor
from server.accounts.service import find_staff_actor, find_token_actor
from server.archive import access_views, copies, copy_views, disposal_views, office_log_views
from server.archive import api as archive_api
from server.archive import views as archive_views
from server.archive.access_recorder import AccessRecorder
from server.archive.access_watch import ACCESSES, watch_accesses
from server.archive.care import find_care
from server.archive.disposal import settle_decisions
from server.archive.keys import HEADS, SEALER
from server.archive.office_log import HeadKeeper
from server.archive.packages import find_status
from server.archive.sealing import Sealer, ensure_keys
from server.cases import api as cases_api
from server.cases import views as cases_views
from server.cases.rules import MATTERS, NOT_HELD, RetentionPolicy
from server.clock import Clock, SystemClock
from server.db import Database
from server.db.migrate import upgrade
from server.desk import views as desk_views
from server.evidence.segments import SegmentHasher
from server.inspections import api as inspections_api
from server.inspections import views as inspections_views
from server.inspections.keys import CARE, JOURNAL, SEAL_STATUS
from server.inspections.log import Journal
from server.live import api as live_api
from server.live import continuity_api, photo_api, receipt_file, signalling, trouble
from server.live import views as live_views
from server.live.caretaker import Caretaker
from server.live.context import Live
from server.live.digests import Digests
from server.live.join import TOKEN_PREFIX, find_participant
from server.live.keys import CARETAKER, LIVE, ROOMS
from server.live.recording import repair_after_kill
from server.live.rooms import Rooms
from server.media import MediaConfig, MediaEngine
from server.officelog import api as officelog_api
from server.settings import BadSettings, Settings
from server.storage.files import Files
from server.storage.lock import hold
from server.verification import views as verification_views
from server.web import languages, openapi, static
from server.web.allowance import ALLOWANCE, ONE_CHECK, Allowance
from server.web.keys import AUTHENTICATE, CLOCK, DATABASE, FILES, SECRET, SETTINGS
from server.web.middlewares import MIDDLEWARES
from server.web.templates import ENVIRONMENT, build_environment

log = structlog.get_logger("app")

ROUTES = (
    languages,
    openapi,
    static,
    officelog_api,
    accounts_views,
    cases_views,
    cases_api,
    inspections_views,
    inspections_api,
    live_views,
    live_api,
    continuity_api,
    photo_api,
    receipt_file,
    trouble,
    signalling,
    office_log_views,
    access_views,
    archive_views,
    archive_api,
    copy_views,
    disposal_views,
    verification_views,
    desk_views,
)
BODY_OVERHEAD_BYTES = 2**20


def build(settings: Settings, clock: Clock | None = None) -> web.Application:
    """The application; everything that has to be opened is opened when it starts."""
    app = web.Application(
        middlewares=(*MIDDLEWARES, watch_accesses),
        client_max_size=settings.upload_limit_bytes + BODY_OVERHEAD_BYTES,
    )
    app[SETTINGS] = settings
    app[CLOCK] = clock or SystemClock()
    app[ALLOWANCE], app[ONE_CHECK] = Allowance(), asyncio.Lock()
    app[ENVIRONMENT] = build_environment()
    app[AUTHENTICATE] = authenticate
    app[SEAL_STATUS] = lambda session, inspection: find_status(session, inspection, len(settings.authorities))
    policy = _retention(settings)
    app[CARE] = lambda session, inspection: find_care(
        session, inspection, app[CLOCK].now(), app[FILES], policy
    )
    app[FILES] = Files(settings.data, settings.reserve_bytes)
    app.cleanup_ctx.append(_hold_folder)
    app.cleanup_ctx.append(_open)
    app.on_shutdown.append(_say_goodbye)
    for room in ROUTES:
        app.add_routes(room.routes())
    return app


def _retention(settings: Settings) -> RetentionPolicy:
    """BadSettings for an entry that is of no matter: it would hold nothing."""
    policy = RetentionPolicy(settings.retention)
    if policy.unknown:
        known = ", ".join([*MATTERS, NOT_HELD])
        raise BadSettings(f"YUNKAN_RETENTION_YEARS: unknown {policy.unknown[0]!r}; known: {known}")
    return policy


async def _hold_folder(app: web.Application) -> AsyncIterator[None]:
    """Before anything is repaired: no other process of this worker is writing there."""
    await asyncio.to_thread(app[FILES].prepare)
    with hold(app[FILES].root, app[SETTINGS].worker):
        yield


async def _open(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[SECRET] = await asyncio.to_thread(load_secret, app[FILES])
    await asyncio.to_thread(upgrade, settings.database)
    database = app[DATABASE] = Database(settings.database)

    def grown(inspection_id: str) -> None:
        app[ROOMS].grown(inspection_id)

    journal = app[JOURNAL] = Journal(app[CLOCK], grown)
    engine = await MediaEngine.open(
        MediaConfig(
            address=settings.media_address,
            port=settings.media_port,
            advertised_address=settings.media_advertised_address or None,
            reserve_bytes=settings.reserve_bytes // 8,
            digester=SegmentHasher,
        )
    )
    app[LIVE] = Live(
        settings=settings,
        clock=app[CLOCK],
        database=database,
        files=app[FILES],
        journal=journal,
        engine=engine,
        digests=Digests(database, journal),
    )
    app[ROOMS] = Rooms(app[LIVE])
    repaired = await repair_after_kill(app[LIVE])
    caretaker = app[CARETAKER] = Caretaker(app[LIVE], app[ROOMS])
    caretaker.start()
    heads = app[HEADS] = HeadKeeper(settings, app[CLOCK], database)
    await heads.restore()
    await settle_decisions(app[LIVE])
    await ensure_keys(app[LIVE], starting=True)
    sealer = app[SEALER] = Sealer(app[LIVE], app[ROOMS])
    await copies.sweep(app[LIVE])
    sealer.start()
    heads.start()
    accesses = app[ACCESSES] = AccessRecorder(database, app[CLOCK])
    accesses.start()
    log.info("started", media_port=engine.port, parts_repaired=repaired)
    yield
    await heads.close()
    await accesses.close()
    await sealer.close()
    await caretaker.close()
    await app[ROOMS].close()
    await engine.close()
    await database.close()


async def _say_goodbye(app: web.Application) -> None:
    """Before connections are cut: finish what is being recorded, and tell clients to come back."""
    await app[CARETAKER].close()
    await app[ROOMS].close()


async def authenticate(request: web.Request) -> Actor | None:
    """By bearer token (an API token's or a participant's), else by the browser's session."""
    app = request.app
    bearer = bearer_token(request)
    session_token = request.cookies.get(SESSION_COOKIE, "")
    if not bearer and not session_token:
        return None
    now = app[CLOCK].now()
    async with app[DATABASE].reading() as session:
        if bearer.startswith(f"{TOKEN_PREFIX}_"):
            return await find_participant(session, bearer, app[LIVE])
        if bearer:
            return await find_token_actor(session, bearer, now)
        return await find_staff_actor(session, session_token, now)


def bearer_token(request: web.Request) -> str:
    """From the Authorization header, or for a WebSocket from its subprotocols, which is all a browser can set."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for protocol in request.headers.get("Sec-WebSocket-Protocol", "").split(","):
        if protocol.strip().startswith("bearer."):
            return protocol.strip().removeprefix("bearer.")
    return ""


def load_secret(files: Files) -> bytes:
    """The key of the service's own tokens: made at the first start, readable by its owner only."""
    path = files.absolute("secret.key")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        files.write("secret.key", secrets.token_bytes(32))
        path.chmod(0o600)
        return path.read_bytes()
