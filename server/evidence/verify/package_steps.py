"""Steps 1 to 4 and 9: the files, the seal over them, its signature, its time stamps, the tree of the files."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from cryptography import x509

from server.evidence import bag, certificates, cms, disposal, sealing, sm, timestamps
from server.evidence.canonical import BadJson, parse_canonical, parse_time
from server.evidence.errors import N_
from server.evidence.redaction import REDACTION, REDACTION_SIGNATURE
from server.evidence.seal import BadSeal, Seal, parse_leaves, root_of
from server.evidence.verify.evidence import Evidence
from server.evidence.verify.report import Step

LATE_STAMP = timedelta(days=1)


def check_files(evidence: Evidence, step: Step) -> None:
    """1. Listed and there, there and listed, digests right, amounts right."""
    for name, reason in evidence.list_problems:
        step.fail("bad_list", N_("the list of files does not hold: {reason}"), name, reason=reason)
    for path in evidence.listed:
        if not path.startswith("data/"):
            step.fail("bad_list", N_("the payload's list names a file outside data/"), path)
    for path in evidence.tags:
        if path.startswith("data/") or path == bag.TAG_MANIFEST:
            step.fail("bad_list", N_("the list of the files beside the payload names it"), path)
    _compare(evidence, {**evidence.tags, **evidence.listed}, step)
    _check_declaration(evidence, step)
    step.numbers = {"files": len(evidence.found), "bytes": sum(f.size_bytes for f in evidence.found.values())}


def check_files_left(evidence: Evidence, step: Step) -> None:
    """1, of a package that was disposed of: what was kept is as it is listed, and of the content there is nothing."""
    for name, reason in evidence.list_problems:
        if name != bag.MANIFEST:
            step.fail("bad_list", N_("the list of files does not hold: {reason}"), name, reason=reason)
    for path in sorted(filter(is_content, evidence.source.sizes)):
        step.fail("still_there", N_("is still there, though the content was disposed of"), path)
    _compare(evidence, evidence.tags, step)
    step.numbers = {"files": len(evidence.found)}


def is_content(path: str) -> bool:
    """What a disposal destroys: the payload, what describes it, and every list of its digests."""
    return path.startswith(("data/", "metadata/")) or path in (bag.MANIFEST, sm.DIGESTS)


def _compare(evidence: Evidence, listed: dict[str, str], step: Step) -> None:
    """Listed and there, there and listed, digests right."""
    for path in sorted(evidence.source.sizes):
        if path == bag.TAG_MANIFEST:
            continue
        if path in evidence.read_problems:
            step.fail("unreadable", N_("cannot be read: {reason}"), path, reason=evidence.read_problems[path])
        elif path not in listed:
            step.fail(
                "unlisted", N_("is not in {list}: it does not belong to the package"), path, list=_list(path)
            )
        elif evidence.found[path].sha256 != listed[path]:
            step.fail(
                "changed", N_("was changed: its digest is not the one in {list}"), path, list=_list(path)
            )
    for path in sorted(listed):
        if path not in evidence.source.sizes:
            step.fail("missing", N_("is in {list}, and missing"), path, list=_list(path))


def _list(path: str) -> str:
    return bag.MANIFEST if path.startswith("data/") else bag.TAG_MANIFEST


def _check_declaration(evidence: Evidence, step: Step) -> None:
    if evidence.find("bagit.txt") != bag.DECLARATION:
        step.fail("bad_bag", N_("is not the declaration of a bag"), "bagit.txt")
    payload = [f for path, f in evidence.found.items() if path.startswith("data/")]
    oxum = f"Payload-Oxum: {sum(f.size_bytes for f in payload)}.{len(payload)}"
    if oxum not in (evidence.find("bag-info.txt") or b"").decode(errors="replace").splitlines():
        step.fail("bad_bag", N_("does not state the amount of data that is there"), "bag-info.txt")


def check_seal(evidence: Evidence, step: Step) -> None:
    """2. The seal names this manifest, these amounts, these files beside the payload."""
    seal = evidence.seal
    if seal is None:
        step.fail("bad_seal", N_("is not a seal: {reason}"), sealing.SEAL, reason=evidence.seal_problem)
        return
    found = evidence.found
    manifest = found.get(bag.MANIFEST)
    redacted = REDACTION in found
    listed = evidence.redaction.manifest if evidence.redaction else None if redacted else seal.manifest
    if manifest is None or manifest.sha256 != listed:
        step.fail("not_sealed", N_("is not the list that was sealed"), bag.MANIFEST)
    payload = [f for path, f in found.items() if path.startswith("data/")]
    if redacted:
        _check_redaction(evidence, step)
    elif (len(payload), sum(f.size_bytes for f in payload)) != (seal.files, seal.size_bytes):
        step.fail("not_sealed", N_("holds another number of files or bytes than was sealed"), "data/")
    _check_tags(evidence, seal, step)


def check_seal_left(evidence: Evidence, step: Step) -> None:
    """2, of a package that was disposed of: the seal still names what was kept beside the payload."""
    seal = evidence.seal
    if seal is None:
        step.fail("bad_seal", N_("is not a seal: {reason}"), sealing.SEAL, reason=evidence.seal_problem)
        return
    _check_tags(evidence, seal, step)


def _check_tags(evidence: Evidence, seal: Seal, step: Step) -> None:
    found, redacted = evidence.found, REDACTION in evidence.found
    for path, digest in sorted(seal.tags.items()):
        if evidence.disposed and is_content(path):
            continue
        if redacted and path == "bag-info.txt":
            continue  # it states the amounts of the copy
        if evidence.redaction is not None and path in evidence.redaction.tags and path not in found:
            step.warn("omitted", N_("a file was left out"), path)
            continue
        if path not in found:
            step.fail("missing", N_("was sealed and is missing"), path)
        elif found[path].sha256 != digest:
            step.fail("not_sealed", N_("is not the file that was sealed"), path)
    for path in sorted(found):
        if not path.startswith("data/") and path not in seal.tags and path not in _later(evidence):
            step.fail("unlisted", N_("is not covered by the seal"), path)
    step.numbers = {"files": seal.files, "tags": len(seal.tags)}


def _check_redaction(evidence: Evidence, step: Step) -> None:
    """A viewing copy: of this seal, and what is missing is told."""
    redaction = evidence.redaction
    if redaction is None:
        step.fail(
            "bad_redaction", N_("does not hold: {reason}"), REDACTION, reason=evidence.redaction_problem
        )
        return
    if redaction.original != digest_of(evidence.seal_bytes):
        step.fail("bad_redaction", N_("is about another package than the seal"), REDACTION)
    for each in redaction.omissions:
        subject = each.path or f"data/{each.place}"
        if each.pieces:
            step.warn("blanked", N_("{count} pieces were blanked"), subject, count=len(each.pieces))
        elif each.path is None:
            step.warn("omitted", N_("a file was left out"), subject)
    if redaction.withheld:
        step.warn("withheld", N_("{count} events were withheld"), count=len(redaction.withheld))


def _later(evidence: Evidence) -> set[str]:
    """What a package holds beside the sealed files: lists, the seal itself, and what comes after it."""
    stamps = {name for n in range(1, sealing.MAX_STAMPS + 1) for name in sealing.stamp_names(n)}
    fixed = {bag.MANIFEST, bag.TAG_MANIFEST, sealing.SEAL, sealing.SIGNATURE}
    if REDACTION in evidence.source.sizes:
        fixed |= {REDACTION, REDACTION_SIGNATURE, "bag-info.txt"}
    if evidence.disposed:
        fixed |= {disposal.CERTIFICATE, disposal.CERTIFICATE_SIGNATURE}
    fixed |= {sm.SIGNATURE, sealing.FOUR_PROPERTIES, sealing.FOUR_PROPERTIES_TEXT}
    fixed.add(sealing.FOUR_PROPERTIES_SIGNATURE)
    return fixed | stamps | {sealing.LEAVES, sealing.KEY_LOG, sealing.OFFICE_PROOF}


def check_signature(evidence: Evidence, step: Step) -> None:
    """3. The certificate that the seal names signed the seal, under a root that is trusted."""
    if evidence.redaction is not None:
        redaction = evidence.redaction
        _check_signed(evidence, REDACTION_SIGNATURE, redaction.to_bytes(), redaction.at, step)
    _check_four_properties(evidence, step)
    seal, signature = evidence.seal, evidence.find(sealing.SIGNATURE)
    _check_sm2(evidence, step)
    if signature is None:
        step.fail("unsigned", N_("is missing: nobody vouches for the seal"), sealing.SIGNATURE)
        return
    try:
        signed = cms.verify(signature, evidence.seal_bytes)
    except cms.BadSignature as error:
        step.fail("bad_signature", N_("does not hold: {reason}"), sealing.SIGNATURE, reason=str(error))
        return
    if seal is None:
        return
    if certificates.fingerprint(signed.certificate) != seal.certificate_fingerprint:
        step.fail(
            "other_signer", N_("was made with another certificate than the seal names"), sealing.SIGNATURE
        )
    _name_signer(signed.certificate, seal, step)
    roots = _roots(evidence, step)
    if not roots:
        return
    sealed_at = parse_time(seal.sealed_at)
    reason = certificates.why_not(signed.certificate, signed.others, roots, sealed_at)
    if reason is not None:
        step.fail("untrusted", N_("is not under a trusted root: {reason}"), sealing.SIGNATURE, reason=reason)
    elif evidence.trust.now > signed.certificate.not_valid_after_utc:
        step.warn(
            "expired_since",
            N_("the certificate has expired since; what counts is the time stamp from before that"),
        )


def _check_sm2(evidence: Evidence, step: Step) -> None:
    """The second signature, where the office makes one: its certificate is under the seal; its chain is not checked."""
    certificate, signature = evidence.find(sm.CERTIFICATE), evidence.find(sm.SIGNATURE)
    if certificate is None and signature is None:
        return
    if certificate is None or signature is None:
        missing = sm.CERTIFICATE if certificate is None else sm.SIGNATURE
        step.fail("missing", N_("is missing: the second signature is not whole"), missing)
        return
    try:
        reason = sm.why_not(signature, evidence.seal_bytes, certificate)
    except sm.Sm2Unusable as error:
        detail = error.params["detail"]
        step.warn("sm2_unchecked", N_("could not be checked here: {reason}"), sm.SIGNATURE, reason=detail)
        return
    if reason is not None:
        step.fail("bad_signature", N_("does not hold: {reason}"), sm.SIGNATURE, reason=reason)
        return
    step.warn("sm2_chain", N_("holds; compare its certificate with what the office publishes"), sm.SIGNATURE)


def _check_sm3(evidence: Evidence, step: Step) -> None:
    """The SM3 digests, where the office lists them, are those of the files."""
    data = evidence.find(sm.DIGESTS)
    if data is None:
        return
    try:
        listed = bag.parse_manifest(data)
    except ValueError as error:
        step.fail("bad_list", N_("does not hold: {reason}"), sm.DIGESTS, reason=str(error))
        return
    for path in sorted(listed.keys() ^ {path for path in evidence.found if path.startswith("data/")}):
        step.fail("unlisted", N_("is in one of the lists and not in the other"), path)
    for path in sorted(listed.keys() & evidence.found.keys()):
        with evidence.source.open(path) as file:
            if sm.sm3(file) != listed[path]:
                step.fail("changed", N_("has another SM3 digest than is listed"), path)


def _name_signer(certificate: x509.Certificate, seal: Seal, step: Step) -> None:
    """Whose certificate it is, for people to judge; it should be the office's."""
    step.note(
        "signer",
        N_("was made by {subject}, certified by {issuer}"),
        sealing.SIGNATURE,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
    )
    organisations = certificates.organisations(certificate)
    if certificates.organisation_name(seal.office) not in organisations:
        step.warn(
            "other_organisation",
            N_("the seal names the office {office}, the certificate {organisation}"),
            sealing.SIGNATURE,
            office=seal.office,
            organisation=", ".join(organisations),
        )


def _check_four_properties(evidence: Evidence, step: Step) -> None:
    """The report that came after the seal: signed by itself, about this seal, with this text beside it."""
    name, text_name = sealing.FOUR_PROPERTIES, sealing.FOUR_PROPERTIES_TEXT
    signature_name = sealing.FOUR_PROPERTIES_SIGNATURE
    given = {path: evidence.find(path) for path in (name, text_name, signature_name)}
    if all(data is None for data in given.values()):
        return
    data = given[name] or b""
    try:
        told = parse_canonical(data)
        at, about, text = told["at"], told["seal"], told["text"]
        parse_time(at)
    except (BadJson, KeyError, TypeError, ValueError) as error:
        step.fail("bad_report", N_("cannot be read: {reason}"), name, reason=repr(error))
        return
    if about != digest_of(evidence.seal_bytes):
        step.fail("bad_report", N_("is about another package than the seal"), name)
    if text != digest_of(given[text_name] or b""):
        step.fail("bad_report", N_("is not the text of the signed report"), text_name)
    _check_signed(evidence, signature_name, data, at, step)


def _check_signed(evidence: Evidence, name: str, content: bytes, at: str, step: Step) -> None:
    """What the office said after the seal, at that time perhaps with a later certificate."""
    try:
        signed = cms.verify(evidence.find(name) or b"", content)
    except cms.BadSignature as error:
        step.fail("bad_signature", N_("does not hold: {reason}"), name, reason=str(error))
        return
    roots = _roots(evidence, Step(step.kind))
    reason = certificates.why_not(signed.certificate, signed.others, roots, parse_time(at))
    if reason is not None:
        step.fail("untrusted", N_("is not under a trusted root: {reason}"), name, reason=reason)


def _roots(evidence: Evidence, step: Step) -> list[x509.Certificate]:
    """The roots to trust; fails and warns in the step about the package's own."""
    trust, seal = evidence.trust, evidence.seal
    own: list[x509.Certificate] = []
    try:
        own = [certificates.only_from_pem(evidence.find("root.pem") or b"")]
    except ValueError as error:
        step.fail("bad_root", N_("cannot be read: {reason}"), "root.pem", reason=str(error))
    if seal is not None and own and certificates.fingerprint(own[0]) != seal.root_fingerprint:
        step.fail("bad_root", N_("is not the root that the seal names"), "root.pem")
    if trust.roots:
        return list(trust.roots)
    if trust.root_fingerprint is not None:
        wanted = trust.root_fingerprint.replace(":", "").lower()
        own = [each for each in own if certificates.fingerprint(each) == wanted]
        if not own:
            step.fail("untrusted", N_("is not the root with the expected fingerprint"), "root.pem")
        return own
    if own:
        step.warn(
            "root_not_pinned",
            N_("no root was given: compare {fingerprint} with what the office publishes"),
            "root.pem",
            fingerprint=certificates.fingerprint(own[0]),
        )
    return own


def check_stamps(evidence: Evidence, step: Step) -> None:
    """4. Each stamp is over the signature, by an authority under its root, and not from before the sealing."""
    signature = evidence.find(sealing.SIGNATURE) or b""
    stamps: list[timestamps.Stamp] = []
    for number in range(1, sealing.MAX_STAMPS + 1):
        name, root_name = sealing.stamp_names(number)
        reply, pem = evidence.find(name), evidence.find(root_name)
        if reply is None:
            if pem is not None:
                step.fail("stamp_missing", N_("is missing, and its authority's root is there"), name)
            continue
        try:
            roots = list(evidence.trust.tsa_roots) or certificates.from_pem(pem or b"")
            stamps.append(timestamps.check(reply, signature, roots))
        except (timestamps.BadStamp, ValueError) as error:
            step.fail("bad_stamp", N_("does not hold: {reason}"), name, reason=str(error))
            continue
        _check_stamp_time(evidence, step, name, stamps[-1])
        if not evidence.trust.tsa_roots:
            step.warn(
                "tsa_not_pinned",
                N_("no root of the authority was given: the package's own was taken, for {authority}"),
                name,
                authority=stamps[-1].authority,
            )
    step.numbers = {"stamps": len(stamps)}
    if stamps:
        evidence.stamped_at = min(stamp.at for stamp in stamps)
    elif not step.findings:
        step.skip("no_stamp", N_("no authority has stamped the seal (yet): its time is the office's word"))


def _check_stamp_time(evidence: Evidence, step: Step, name: str, stamp: timestamps.Stamp) -> None:
    if evidence.seal is None:
        return
    sealed_at = parse_time(evidence.seal.sealed_at)
    if stamp.at < sealed_at - timestamps.TOLERANCE:
        step.fail("stamp_before_seal", N_("is from before the sealing: {at}"), name, at=stamp.at.isoformat())
    elif stamp.at > sealed_at + LATE_STAMP:
        step.warn("late_stamp", N_("came long after the sealing: {at}"), name, at=stamp.at.isoformat())


def check_tree(evidence: Evidence, step: Step) -> None:
    """9. The leaves are those of the listed files, and their root is in the seal."""
    data = evidence.find(sealing.LEAVES)
    if data is None:
        step.fail("missing", N_("is missing or cannot be read"), sealing.LEAVES)
        return
    try:
        leaves = parse_leaves(data)
        root = root_of(leaves)
    except (BadSeal, ValueError) as error:
        step.fail("bad_leaves", N_("does not hold: {reason}"), sealing.LEAVES, reason=str(error))
        return
    _check_sm3(evidence, step)
    step.numbers = {"leaves": len(leaves)}
    if evidence.seal is not None and root != evidence.seal.root:
        step.fail("bad_root", N_("does not lead to the root in the seal"), sealing.LEAVES)
    opened = {leaf.file.path: leaf.file for leaf in leaves if leaf.file is not None}
    payload = {path: f for path, f in evidence.found.items() if path.startswith("data/")}
    omissions = evidence.redaction.omissions if evidence.redaction else ()
    closed = sorted(leaf.leaf for leaf in leaves if leaf.file is None)
    if closed != sorted(each.leaf for each in omissions):
        step.fail("bad_leaves", N_("hides files that are not said to be left out"), sealing.LEAVES)
    for each in omissions:
        payload.pop(each.path or "", None)
    for path in sorted(opened.keys() | payload.keys()):
        if opened.get(path) != payload.get(path):
            step.fail("not_in_tree", N_("is not the file of its leaf"), path)


def check_tree_left(evidence: Evidence, step: Step) -> None:
    """9, of a package that was disposed of: the leaves alone, without what they were made of."""
    try:
        leaves = parse_leaves(evidence.find(sealing.LEAVES) or b"")
        root = root_of(leaves)
    except (BadSeal, ValueError) as error:
        step.fail("bad_leaves", N_("does not hold: {reason}"), sealing.LEAVES, reason=str(error))
        return
    step.numbers = {"leaves": len(leaves)}
    if any(leaf.file is not None for leaf in leaves):
        step.fail("still_there", N_("is still there, though the content was disposed of"), sealing.LEAVES)
    if evidence.seal is not None and (len(leaves), root) != (evidence.seal.files, evidence.seal.root):
        step.fail("bad_root", N_("does not lead to the root in the seal"), sealing.LEAVES)


def check_disposal(evidence: Evidence, step: Step) -> None:
    """13. Two people had the content of this very seal destroyed, and the office signed that."""
    name, seal = disposal.CERTIFICATE, evidence.seal
    data = evidence.find(name) or b""
    try:
        told = disposal.Disposal.parse(data)
    except disposal.BadDisposal as error:
        step.fail("bad_disposal", N_("does not hold: {reason}"), name, reason=str(error))
        return
    step.note(
        "disposed",
        N_("{at}, approved by {approvers}: {reason} ({policy})"),
        name,
        at=told.at,
        approvers=", ".join(told.approvers),
        reason=told.reason,
        policy=told.policy,
    )
    _check_signed(evidence, disposal.CERTIFICATE_SIGNATURE, data, told.at, step)
    if seal is None:
        return
    about = (told.seal, told.inspection, told.root, told.files, told.size_bytes)
    if about != (digest_of(evidence.seal_bytes), seal.inspection, seal.root, seal.files, seal.size_bytes):
        step.fail("bad_disposal", N_("is about another package than the seal"), name)
    if parse_time(told.at) < parse_time(seal.sealed_at) - timestamps.TOLERANCE:
        step.fail("bad_disposal", N_("is from before the sealing: {at}"), name, at=told.at)


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
