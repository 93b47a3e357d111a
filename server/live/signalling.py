"""What hangs under a room's `base`: WHIP, WHEP, their sessions, and the room's WebSocket (docs/PROTOCOL.md)."""

from __future__ import annotations

import asyncio
import contextlib
from time import monotonic

import structlog
from aiohttp import WSMsgType, web

from server import media
from server.accounts.current import actor as current_actor
from server.accounts.rules import Actor
from server.clock import rfc3339
from server.errors import N_, Invalid, NotFound, Throttled, Unauthenticated, YunkanError
from server.live import service
from server.live.hub import SEND_TIMEOUT_S, Connection
from server.live.keys import LIVE, ROOMS
from server.live.messages import MAX_MESSAGE_BYTES, ClientMessage, Leave, id_of, parse
from server.live.room import Room
from server.live.turn import links
from server.web.bodies import integer, read_limited
from server.web.keys import REQUEST_ID
from server.web.languages import translate

log = structlog.get_logger("signalling")

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
SUBPROTOCOL = "yunkan.v1"
MAX_SDP_BYTES = 100_000
HEARTBEAT_S = 10.0
MESSAGES_PER_S = 20.0
BURST = 60.0


class NotSdp(Invalid):
    code = "not_sdp"
    text = N_("This address takes a body of the type {media_type}.")


class SessionUnknown(NotFound):
    code = "session_unknown"
    text = N_("This media connection is over.")


def participant(request: web.Request) -> Actor:
    """The participant whose token the request carries; it must be of this very room, and hold its place."""
    actor = device(request)
    if actor.replaced_at is not None:
        raise Unauthenticated
    return actor


def device(request: web.Request) -> Actor:
    """The same, or the participant by an older device, whose place another one took."""
    actor = current_actor(request)
    if actor.kind != "participant":
        raise Unauthenticated
    if actor.inspection_id != request.match_info["inspection"]:
        raise NotFound
    return actor


async def whip(request: web.Request) -> web.Response:
    """`POST <base>/whip`: publish (RFC 9725)."""
    actor = participant(request)
    offer = await _sdp(request, SDP)
    source = request.query.get("source", "camera")
    session = await service.publish(request.app[LIVE], request.app[ROOMS], actor, source, offer)
    return _created(request, session)


async def whep(request: web.Request) -> web.Response:
    """`POST <base>/whep/<slot>`: play."""
    actor = participant(request)
    offer = await _sdp(request, SDP)
    slot_id = request.match_info["slot"]
    session = await service.view(request.app[LIVE], request.app[ROOMS], actor, slot_id, offer)
    return _created(request, session)


async def options(_request: web.Request) -> web.Response:
    return web.Response(status=204, headers={"Accept-Post": SDP})


async def patch_session(request: web.Request) -> web.Response:
    """Trickled candidates (204), or an ICE restart (200 with the server's new credentials)."""
    session = _session(request)
    fragment = await _sdp(request, FRAGMENT)
    try:
        answer = await session.patch(fragment)
    except media.OfferRejected as error:
        raise service.BadOffer(detail=str(error)) from error
    except media.MediaError as error:
        raise SessionUnknown from error
    if answer is None:
        return web.Response(status=204)
    return web.Response(text=answer, content_type=FRAGMENT, headers={"ETag": f'"{session.etag}"'})


async def delete_session(request: web.Request) -> web.Response:
    """200; 204 for a session that is over already (or never was): what was wanted is so."""
    session = _find_session(request)
    if session is None:
        return web.Response(status=204)
    await session.close()
    return web.Response(status=200)


async def room_socket(request: web.Request) -> web.WebSocketResponse:
    """`GET <base>/room`: everything that happens, from the client's last `seq` on."""
    actor = participant(request)
    after = integer(request, "after", 0)
    room = await request.app[ROOMS].open(actor.inspection_id or "")
    if after > room.hub.state.seq:
        await room.catch_up()  # the answer to the client's last act was quicker than the room
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        heartbeat=HEARTBEAT_S,
        max_msg_size=MAX_MESSAGE_BYTES,
        timeout=SEND_TIMEOUT_S,
    )
    await socket.prepare(request)
    lines = request.query.get("lines") == "1"
    connection = Connection(actor, socket, min(after, room.hub.state.seq), lines=lines)
    await connection.say(
        {
            "type": "hello",
            "now": rfc3339(request.app[LIVE].clock.now()),
            "participant": actor.id,
            "role": actor.role,
            "inspection": actor.inspection_id,
            "seq": room.hub.state.seq,
            "state": room.hub.state.state,
        }
    )
    if room.hub.state.state not in ("scheduled", "live"):
        connection.dismiss("ended")
    pump = asyncio.create_task(connection.pump(room.hub), name="pump")
    listen = asyncio.create_task(_listen(request, room, actor, connection, socket), name="listen")
    try:
        await room.enter(connection)
        done, _ = await asyncio.wait((pump, listen), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(TimeoutError, ConnectionError):
                task.result()
    finally:
        room.leave(connection)
        for task in (pump, listen):
            task.cancel()
        await asyncio.gather(pump, listen, return_exceptions=True)
        if not socket.closed:
            await socket.close()
    return socket


async def _listen(
    request: web.Request, room: Room, actor: Actor, connection: Connection, socket: web.WebSocketResponse
) -> None:
    """Take the client's messages one after the other; a bad one is answered in words and the room goes on."""
    allowance, refilled_at = BURST, monotonic()
    async for frame in socket:
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            break
        now = monotonic()
        allowance = min(BURST, allowance + (now - refilled_at) * MESSAGES_PER_S) - 1
        refilled_at = now
        re = ""
        try:
            if allowance < 0:
                raise Throttled(seconds=1)
            message = parse(frame.data)
            re = message.id
            seq = await service.hear(request.app[LIVE], room, actor, message)
        except YunkanError as error:
            text = translate(error.text, **error.params)
            if not isinstance(error, Throttled):  # who talks too fast must not fill the log as well
                log.info(
                    "refused",
                    code=error.code,
                    inspection=room.inspection_id,
                    actor=actor.id,
                    request_id=request[REQUEST_ID],
                )
            await connection.say(
                {
                    **error.params,
                    "type": "error",
                    "re": re or id_of(frame.data),
                    "code": error.code,
                    "message": text,
                }
            )
            continue
        except Exception:
            log.exception("message", inspection=room.inspection_id)
            text = translate(YunkanError.text)
            await connection.say({"type": "error", "re": re, "code": "internal", "message": text})
            continue
        await connection.say({"type": "ack", "re": re, "seq": seq})
        if _says_goodbye(message):
            return


def _says_goodbye(message: ClientMessage) -> bool:
    return isinstance(message, Leave)


def _find_session(request: web.Request) -> media.Session | None:
    actor = participant(request)
    room = request.app[ROOMS].find(actor.inspection_id or "")
    return room.find_session(request.match_info["session"], actor.id) if room else None


def _session(request: web.Request) -> media.Session:
    session = _find_session(request)
    if session is None:
        raise SessionUnknown
    return session


async def _sdp(request: web.Request, media_type: str) -> str:
    if request.content_type != media_type:
        raise NotSdp(media_type=media_type)
    raw = await read_limited(request, MAX_SDP_BYTES)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise service.BadOffer(detail="the body is not UTF-8") from error


def _created(request: web.Request, session: media.Session) -> web.Response:
    base = (
        request.path.partition("/whip")[0]
        if session.kind == "publish"
        else request.path.partition("/whep")[0]
    )
    response = web.Response(
        status=201,
        text=session.answer_sdp,
        content_type=SDP,
        headers={
            "Location": f"{base}/sessions/{session.id}",
            "ETag": f'"{session.etag}"',
            "Access-Control-Expose-Headers": "Location, ETag, Link",
            "Yunkan-Slot": session.slot_id,
        },
    )
    # Fresh ones with every connection: those of the join run out during a long inspection.
    for link in links(request.app[LIVE].ice_servers(participant(request).id)):
        response.headers.add("Link", link)
    return response


def routes() -> list[web.RouteDef]:
    base = "/live/{worker}/{inspection}"
    return [
        web.post(f"{base}/whip", whip),
        web.options(f"{base}/whip", options),
        web.post(f"{base}/whep/{{slot}}", whep),
        web.options(f"{base}/whep/{{slot}}", options),
        web.patch(f"{base}/sessions/{{session}}", patch_session),
        web.delete(f"{base}/sessions/{{session}}", delete_session),
        web.get(f"{base}/room", room_socket),
    ]
