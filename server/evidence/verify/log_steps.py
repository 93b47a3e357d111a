"""Steps 5 to 8, 10 and 11: the event log, what it counts and names, the office's log, the clocks."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from server.evidence import counts, keylog, officelog, sealing, signatures, timestamps
from server.evidence.canonical import dump, parse_time
from server.evidence.chain import check_chain
from server.evidence.errors import N_
from server.evidence.redaction import Omission, check_lines
from server.evidence.verify.evidence import Evidence
from server.evidence.verify.package_steps import digest_of
from server.evidence.verify.report import Step

_BACKWARDS = timedelta(seconds=5)
_DRIFT_S = 60.0


def check_log(evidence: Evidence, step: Step) -> None:
    """5. Each line links to the one before; the last is the head in the seal."""
    if evidence.event_problem is not None:
        step.fail("bad_log", N_("cannot be read: {reason}"), sealing.EVENTS, reason=evidence.event_problem)
    head, bad = (
        check_lines(evidence.lines, evidence.withheld) if evidence.withheld else check_chain(evidence.lines)
    )
    step.numbers = {"events": len(evidence.lines)}
    if bad is not None:
        step.fail(
            "broken_chain", N_("line {line}: {reason}"), sealing.EVENTS, line=bad.line, reason=bad.reason
        )
    seal = evidence.seal
    if seal is None:
        return
    if (len(evidence.lines), head) != (seal.events, seal.head):
        step.fail("other_head", N_("is not the log that was sealed: its head is another"), sealing.EVENTS)
    if (
        evidence.lines
        and 1 not in evidence.withheld
        and f'"inspection":{dump(seal.inspection).decode()}'.encode() not in evidence.lines[0]
    ):
        step.fail("other_log", N_("is the log of another inspection"), sealing.EVENTS)


def check_counts(evidence: Evidence, step: Step) -> None:
    """6. The close counts what is in the log, and the seal repeats it."""
    if evidence.withheld:
        step.skip("withheld", N_("events were withheld: they cannot be counted in this copy"))
        return
    try:
        recounted = counts.count(evidence.typed).as_body()
    except (KeyError, TypeError, ValueError) as error:
        step.fail("uncountable", N_("an event lacks what is to be counted: {reason}"), reason=repr(error))
        return
    step.numbers = {
        name: recounted[name] for name in ("events", "snapshots", "photos", "photos_announced", "gaps")
    }
    step.numbers["parts"] = sum(slot["parts"] for slot in recounted["slots"].values())
    last = evidence.events[-1] if evidence.events else None
    if last is None or last.type != counts.CLOSE:
        step.fail("not_closed", N_("the last event is not the close: events may be missing"))
        return
    if dump(last.body.get("counts")) != dump(recounted):
        step.fail("other_counts", N_("the close counts something else than is in the log"))
    if evidence.seal is not None and dump(evidence.seal.counts) != dump(recounted):
        step.fail("other_counts", N_("the seal counts something else than is in the log"))


def check_payload(evidence: Evidence, step: Step) -> None:
    """7. Each recording, snapshot and photo has its event, and each such event its file; photos as announced."""
    try:
        vouched = counts.vouched(evidence.typed)
        exchanged = counts.exchanged_photos(evidence.typed, may_be_withheld=bool(evidence.withheld))
    except (KeyError, TypeError) as error:
        step.fail("uncountable", N_("an event lacks its file's digest: {reason}"), reason=repr(error))
        return
    for photo in exchanged:
        step.fail("other_photo", N_("is not the photo that the phone announced"), photo)
    for folder, digests in vouched.items():
        named = Counter(digests)
        files = [f for path, f in sorted(evidence.found.items()) if path.startswith(f"data/{folder}/")]
        step.numbers[folder] = len(files)
        blanked = {o.path for o in evidence.redaction.omissions} if evidence.redaction else set()
        for file in files:
            if file.path in blanked:
                continue
            if not named[file.sha256]:
                step.fail("no_event", N_("no event speaks of it"), file.path)
            named[file.sha256] -= 1
        omitted = [o for o in evidence.redaction.omissions if o.place == folder] if evidence.redaction else []
        for each in omitted:
            step.numbers[f"{folder}_omitted"] = len(omitted)
            named[_original_digest(evidence, each, +named)] -= 1
        for digest in sorted((+named).elements()):
            step.fail(
                "no_file", N_("the file of an event is not there: {digest}"), f"data/{folder}/", digest=digest
            )


def _original_digest(evidence: Evidence, omission: Omission, missing: Counter[str]) -> str:
    """Of a blanked recording the one that its part's event names; of an omitted file any that is missing."""
    for type_, body in evidence.typed:
        if type_ == counts.PART and omission.part is not None and body.get("part") == omission.part:
            return str(body.get("sha256"))
    return next(iter(sorted(missing)), "")


def check_segments(evidence: Evidence, step: Step) -> None:
    """8. The pieces of each part, as they were hashed while it was recorded."""
    # A part that a killed recorder left is cut where it stands: also its pieces are those that were hashed.
    closed = {
        str(body.get("part")) for type_, body in evidence.typed if type_ == counts.PART and body.get("sha256")
    }
    step.numbers = {"pieces": sum(len(each) for each in evidence.segments.values()), "parts": len(closed)}
    left_out = _pieces_left_out(evidence)
    for part in sorted(evidence.segments.keys() - closed):
        step.warn("part_lost", N_("pieces were logged, and nothing of the part was left"), part)
    for part in sorted(closed):
        bad = [b for b in evidence.bad_segments.get(part, []) if b.index not in left_out.get(part, ())]
        if part in left_out:
            step.numbers["left_out"] = step.numbers.get("left_out", 0) + len(left_out[part])
        if part not in evidence.segments:
            step.warn("no_pieces", N_("no pieces were logged while it was recorded"), part)
        elif part not in evidence.checked_parts and _may_be_omitted(evidence):
            step.warn("omitted", N_("its file was left out"), part)
        elif part not in evidence.checked_parts:
            step.fail("no_file", N_("its file is not there"), part)
        for each in bad:
            step.fail("bad_piece", N_("piece {index}: {reason}"), part, index=each.index, reason=each.reason)


def _pieces_left_out(evidence: Evidence) -> dict[str, tuple[int, ...]]:
    omissions = evidence.redaction.omissions if evidence.redaction else ()
    return {each.part: each.pieces for each in omissions if each.part is not None}


def _may_be_omitted(evidence: Evidence) -> bool:
    """Whether a recording was left out whole; how many may be is checked in step 7."""
    omissions = evidence.redaction.omissions if evidence.redaction else ()
    return any(each.place == "media" and each.path is None for each in omissions)


def check_office_log(evidence: Evidence, step: Step) -> None:
    """10. Opening, close and seal are in the tree of a head that a key of this office signed."""
    seal, data = evidence.seal, evidence.find(sealing.OFFICE_PROOF)
    log = evidence.find(sealing.KEY_LOG)
    if seal is None:
        return
    known = _known_keys(log, seal.head_key, seal.certificate_fingerprint, step)
    if data is None:
        if seal.open_index is not None and known:
            step.skip("no_proof", N_("the proof from the office's log is not in the package (yet)"))
        else:
            step.skip("no_office_log", N_("the inspection was sealed without an office's log"))
        return
    try:
        proof = officelog.OfficeProof.parse(data)
        proof.head.require_signed(known.get(proof.head.key, b""))
        proof.require_included()
    except (officelog.BadHead, officelog.BadProof) as error:
        step.fail("bad_proof", N_("does not hold: {reason}"), sealing.OFFICE_PROOF, reason=str(error))
        return
    step.numbers = {"size": proof.head.size, "records": len(proof.inclusions)}
    if proof.head.office != seal.office:
        step.fail("other_office", N_("is of another office"), sealing.OFFICE_PROOF)
    opened, closed, sealed = map(proof.find, (officelog.OPEN, officelog.CLOSE, officelog.SEAL))
    if opened is None or opened.index != seal.open_index or opened.data.get("inspection") != seal.inspection:
        step.fail("not_opened", N_("does not hold the opening that the seal names"), sealing.OFFICE_PROOF)
    told = {"inspection": seal.inspection, "seq": seal.events, "head": seal.head}
    if closed is None or any(closed.data.get(name) != value for name, value in told.items()):
        step.fail("not_closed", N_("does not hold the close of this event log"), sealing.OFFICE_PROOF)
    if sealed is None or sealed.data.get("seal") != digest_of(evidence.seal_bytes):
        step.fail("not_entered", N_("does not hold this seal"), sealing.OFFICE_PROOF)


def _known_keys(log: bytes | None, head_key: str, certificate: str, step: Step) -> dict[str, bytes]:
    """Fingerprint -> public key: the key in the seal, and those that the key history connects with it."""
    try:
        statements = keylog.check_log(log or b"")
    except keylog.BadKeyLog as error:
        step.fail("bad_keys", N_("does not hold: {reason}"), sealing.KEY_LOG, reason=str(error))
        return {}
    heads = [bytes.fromhex(each.public) for each in statements if each.purpose == "head"]
    if bytes.fromhex(head_key) not in heads:
        step.fail("bad_keys", N_("does not name the key for heads that the seal names"), sealing.KEY_LOG)
        return {}
    fingerprints = {
        keylog.certificate_fingerprint(each) for each in statements if each.certificate is not None
    }
    if certificate not in fingerprints:
        step.fail("bad_keys", N_("does not name the certificate that the seal names"), sealing.KEY_LOG)
        return {}
    return {signatures.fingerprint_of(public): public for public in heads}


def check_clock(evidence: Evidence, step: Step) -> None:
    """11. Warnings only: a clock that was corrected is no forgery, but it must be seen."""
    latest = None
    last: tuple[float, float] | None = None
    for event in evidence.events:
        try:
            at = parse_time(event.t_utc)
        except ValueError:
            step.fail("no_time", N_("event {seq} has no time"), seq=event.seq)
            continue
        if latest is not None and at < latest - _BACKWARDS:
            step.warn("backwards", N_("event {seq} is earlier than one before it"), seq=event.seq)
        latest = max(latest, at) if latest is not None else at
        moment = (at.timestamp(), event.t_mono)
        # A smaller monotonic time means another run of the server, which begins its own count.
        if (
            last is not None
            and event.t_mono >= last[1]
            and abs(moment[0] - last[0] - moment[1] + last[1]) > _DRIFT_S
        ):
            step.warn("drift", N_("the two clocks part company at event {seq}"), seq=event.seq)
        last = moment
    if evidence.seal is not None and latest is not None:
        sealed_at = parse_time(evidence.seal.sealed_at)
        if latest > sealed_at + timestamps.TOLERANCE:
            step.warn("after_seal", N_("the last event is later than the seal"))
        if evidence.stamped_at is not None and latest > evidence.stamped_at + timestamps.TOLERANCE:
            step.fail("after_stamp", N_("the last event is later than the time stamp"))
    step.numbers = {"events": len(evidence.events)}
