"""`/verify`: anybody has receipts and records checked, without signing in and without script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web

from server.accounts.current import find_actor
from server.archive.access import VERIFIED
from server.archive.access_recorder import VISITOR, Act
from server.archive.access_watch import ACCESSES
from server.archive.record_code import PAGE, BadCode, RecordCode
from server.errors import N_, Invalid, Throttled, TooLarge, Unavailable, YunkanError
from server.evidence.canonical import parse_time
from server.evidence.receipts import UNREADABLE
from server.verification.service import (
    MOST_BYTES,
    NotReceipts,
    Outcome,
    RecordOutcome,
    RecordVerdict,
    Verdict,
    check_record,
    check_shown,
)
from server.web.allowance import ONE_CHECK, take_allowance
from server.web.forms import see_other
from server.web.keys import CLOCK, DATABASE, SETTINGS
from server.web.languages import translate
from server.web.middlewares import status_of
from server.web.templates import render

MOST_SHOWN = 20
CUT_OFF = N_("it was cut off, or is a file of another kind")
NO_CODE = N_("This is not the code of a record.")
_OVERHEAD = 16_384


async def page(request: web.Request) -> web.Response:
    """`GET /verify`, and where the code of a record leads: `?inspection=&lines=&head=&entries=&root=`."""
    if "head" not in request.query:
        return _page(request, {})
    try:
        take_allowance(request)
        code = RecordCode.from_query(request.query)
        async with request.app[ONE_CHECK]:
            verdict = await check_record(request.app[DATABASE], code)
    except BadCode:
        return _page(request, {"text": translate(NO_CODE)}, status=422)
    except Throttled as error:
        return _refused(request, error)
    if verdict.outcome is not RecordOutcome.UNKNOWN:
        _note_record(request, verdict)
    return _page(request, {}, record=verdict)


async def check(request: web.Request) -> web.Response:
    """`POST /verify`, multipart: `file` or `text`. A large body is refused before it is read."""
    try:
        take_allowance(request)
        shown = await _shown(request)
        if (code := _code_in(shown)) is not None:
            return see_other(f"{PAGE}?{code.as_query()}")
        async with request.app[ONE_CHECK]:
            verdicts = await check_shown(request.app[DATABASE], request.app[SETTINGS].key_folder, shown)
        _note(request, verdicts)
    except (Invalid, Throttled, TooLarge, Unavailable) as error:
        return _refused(request, error)
    return _page(request, {}, verdicts)


def _refused(request: web.Request, error: YunkanError) -> web.Response:
    response = _page(request, {"file": _told(error)}, status=status_of(error))
    if isinstance(error, Throttled):
        response.headers["Retry-After"] = str(error.params["seconds"])
    return response


def _code_in(shown: bytes) -> RecordCode | None:
    """A record's code, pasted instead of a receipt."""
    try:
        return RecordCode.from_text(shown[:2000].decode())
    except (BadCode, UnicodeDecodeError):
        return None


def _note_record(request: web.Request, verdict: RecordVerdict) -> None:
    actor, at = find_actor(request) or VISITOR, request.app[CLOCK].now()
    what = f"record:{verdict.outcome.value}"
    request.app[ACCESSES].note(Act(actor, VERIFIED, verdict.code.inspection, what, at))


def _note(request: web.Request, verdicts: Sequence[Verdict]) -> None:
    """Checking is an act of the access log too, whoever did it; what was not given here is nobody's."""
    actor, at = find_actor(request) or VISITOR, request.app[CLOCK].now()
    for each in verdicts:
        if each.outcome is not Outcome.NOT_OURS:
            act = Act(actor, VERIFIED, each.receipt.inspection, each.outcome.value, at)
            request.app[ACCESSES].note(act)


def _told(error: YunkanError) -> str:
    if isinstance(error, NotReceipts):
        reason = error.params["reason"]
        words = CUT_OFF if reason.text == UNREADABLE else reason.text
        return translate(error.text, reason=translate(words, **reason.params))
    if isinstance(error, Invalid) and error.fields:
        (text,) = error.fields.values()
        return translate(text)
    return translate(error.text, **error.params)


def _page(
    request: web.Request,
    errors: dict[str, str],
    verdicts: Sequence[Verdict] = (),
    status: int = 200,
    record: RecordVerdict | None = None,
) -> web.Response:
    context = {"errors": errors, "result": _result(verdicts) if verdicts else None, "record": record}
    response = render(request, "verify/page.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _result(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What the page shows: nothing that the receipts themselves do not hold, beside the verdict."""
    counts = Counter(each.outcome for each in verdicts)
    worst = next(outcome for outcome in Outcome if counts[outcome])
    held = [each.receipt for each in verdicts if each.outcome is not Outcome.NOT_OURS]
    return {
        "outcome": worst.value,
        "count": len(verdicts),
        "held": counts[Outcome.HOLDS],
        "receipt": _described(held or [verdicts[0].receipt]),
        "known": bool(held),
        "problems": [
            {
                "line": each.receipt.seq,
                "at": parse_time(each.receipt.at),
                "outcome": each.outcome.value,
                "reason": translate(each.problem.text, **each.problem.params) if each.problem else "",
            }
            for each in verdicts
            if each.outcome is not Outcome.HOLDS
        ][:MOST_SHOWN],
        "more": max(0, len(verdicts) - counts[Outcome.HOLDS] - MOST_SHOWN),
    }


def _described(receipts: Sequence[Any]) -> dict[str, Any]:
    first, last = min(receipts, key=lambda each: each.seq), max(receipts, key=lambda each: each.seq)
    return {
        "inspection": last.inspection,
        "from": parse_time(first.at),
        "until": parse_time(last.at),
        "line": last.seq,
        "head": last.head,
    }


async def _shown(request: web.Request) -> bytes:
    """The file, or the pasted text if there is none. TooLarge as soon as it is known to be."""
    if (request.content_length or 0) > MOST_BYTES + _OVERHEAD:
        raise TooLarge
    nothing = Invalid({"file": N_("Choose a file of receipts, or paste its text.")})
    if request.content_type != "multipart/form-data":
        raise nothing
    parts: dict[str, bytes] = {}
    left = MOST_BYTES + _OVERHEAD
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, MultipartReader):
                raise nothing
            value = await _read(part, left)
            left -= len(value)
            parts.setdefault(part.name or "", value)
    except (ValueError, AssertionError, web.HTTPException) as error:
        raise nothing from error
    shown = parts.get("file") or parts.get("text", b"").strip()
    if not shown:
        raise nothing
    return shown


async def _read(part: BodyPartReader, most_bytes: int) -> bytes:
    value = bytearray()
    while chunk := await part.read_chunk(65536):
        value += chunk
        if len(value) > most_bytes:
            raise TooLarge
    return bytes(value)


def routes() -> list[web.RouteDef]:
    return [web.get(PAGE, page), web.post(PAGE, check)]
