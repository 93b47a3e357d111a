#!/usr/bin/env python3
"""Checks the package that this file lies in, with Python's standard library and the openssl command only.

    python3 verify.py [--root ROOT.pem | --fingerprint HEX] [--tsa-root TSA.pem] [--json] [FOLDER]

Exit code: 0 passed (warnings are possible), 1 something was changed, 2 nothing could be checked. Python 3.8 or later,
OpenSSL 3.0 or later. A copy of this file from the office or its publisher is better evidence than the enclosed one.
"""

# This file must run wherever a stranger has any Python 3: it keeps to the plain forms that all of them know.
# ruff: noqa: PTH100, PTH118, PTH120, PTH123, S603, UP017, UP022, UP031

from __future__ import annotations

import argparse
import base64
import collections
import concurrent.futures
import datetime
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from typing import Any

STEPS = {
    1: ("files", "文件清单 / Files"),
    2: ("seal", "封存记录 / Seal"),
    3: ("signature", "签名 / Signature"),
    4: ("stamp", "时间戳 / Time stamp"),
    5: ("log", "事件日志 / Event log"),
    6: ("counts", "完整性计数 / Completeness"),
    7: ("payload", "录像与图片 / Recordings and pictures"),
    8: ("segments", "录像分段 / Pieces of the recordings"),
    9: ("tree", "文件哈希树 / Tree of the files"),
    10: ("office_log", "机关日志 / The office's log"),
    12: ("receipts", "回执 / Receipts"),
}
LIMITS = (
    "完整不等于真实：本检查不能证明画面所示属实，也不能排除虚拟摄像头或翻拍。\n"
    "Integrity is not truth: this does not prove that what is shown is true, nor exclude a virtual camera."
)
PLACES = {"part.closed": "media", "snapshot.taken": "snapshots", "photo.added": "photos"}
GAPS = ("slot.gap", "recording.failed")
TOLERANCE_S = 300


class Stop(Exception):
    """Nothing further can be checked."""


class Check:
    def __init__(self, folder: str, arguments: argparse.Namespace) -> None:
        self.folder = folder
        self.arguments = arguments
        self.step = 0
        self.problems: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.sizes: dict[str, int] = {}
        self.digests: dict[str, str] = {}
        self.events: list[tuple[str, Any]] = []
        self.links: list[str] = []
        self.seal: dict[str, Any] = {}
        self.redaction: dict[str, Any] = {}
        self.omissions: list[dict[str, Any]] = []
        self.withheld: set[int] = set()
        self.seqs: list[int] = []
        "The numbers of `events`."

    # -- reporting ------------------------------------------------------------------------------

    def fail(self, subject: str, reason: str) -> None:
        self.problems.append({"step": self.step, "subject": subject, "reason": reason})

    def warn(self, subject: str, reason: str) -> None:
        self.warnings.append({"step": self.step, "subject": subject, "reason": reason})

    # -- reading --------------------------------------------------------------------------------

    def path(self, name: str) -> str:
        return os.path.join(self.folder, *name.split("/"))

    def read(self, name: str) -> bytes | None:
        """The bytes of a small file, or None."""
        if name not in self.sizes:
            return None
        with open(self.path(name), "rb") as file:
            return file.read()

    def load(self, name: str) -> Any:
        """A JSON file, strictly; None if it is missing, and a failure if it cannot be read."""
        data = self.read(name)
        if data is None:
            self.fail(name, "is missing")
            return None
        try:
            return strict_json(data)
        except (ValueError, RecursionError) as error:
            self.fail(name, "cannot be read: %s" % error)
            return None

    def walk(self, folder: str, prefix: str) -> None:
        for entry in sorted(os.scandir(folder), key=lambda item: item.name):
            mode = entry.stat(follow_symlinks=False).st_mode
            name = prefix + entry.name
            if stat.S_ISDIR(mode):
                self.walk(entry.path, name + "/")
            elif stat.S_ISREG(mode):
                self.sizes[name] = entry.stat(follow_symlinks=False).st_size
            else:
                self.fail(name, "is a link or a device")

    def manifest(self, name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        data = self.read(name)
        if data is None:
            self.fail(name, "is missing")
            return found
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            self.fail(name, "is not UTF-8")
            return found
        if not text.endswith("\n"):
            self.fail(name, "its last line is cut off")
        for line in text.split("\n")[:-1]:
            match = re.fullmatch(r"([0-9a-f]{64})  ([^\x00-\x1f\\]+)", line)
            if not match or match[2] in found or {"", ".", ".."} & set(match[2].split("/")):
                self.fail(name, "holds a line that is not a digest and a path: %.80r" % line)
            else:
                found[match[2]] = match[1]
        return found

    # -- steps ----------------------------------------------------------------------------------

    def files(self) -> None:
        self.require_package()
        payload = self.manifest("manifest-sha256.txt")
        tags = self.manifest("tagmanifest-sha256.txt")
        for name in payload:
            if not name.startswith("data/"):
                self.fail(name, "the payload's list names a file outside data/")
        for name in tags:
            if name.startswith("data/") or name == "tagmanifest-sha256.txt":
                self.fail(name, "the list of the files beside the payload names it")
        listed = dict(tags, **payload)
        for name in self.sizes:
            self.digests[name] = digest_of_file(self.path(name))
            if name == "tagmanifest-sha256.txt":
                continue
            if name not in listed:
                self.fail(name, "is not in %s" % list_of(name))
            elif self.digests[name] != listed[name]:
                self.fail(name, "was changed: its digest is not the one in %s" % list_of(name))
        for name in sorted(set(listed) - set(self.sizes)):
            self.fail(name, "is in %s, and missing" % list_of(name))
        if self.read("bagit.txt") != b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n":
            self.fail("bagit.txt", "is not the declaration of a bag")
        amounts = self.payload_amounts()
        if ("Payload-Oxum: %d.%d" % amounts).encode() not in (self.read("bag-info.txt") or b"").splitlines():
            self.fail("bag-info.txt", "does not state the amount of data that is there")

    def require_package(self) -> None:
        self.walk(self.folder, "")
        if "bagit.txt" not in self.sizes:
            raise Stop("there is no bagit.txt in %s" % self.folder)
        if "redaction.json" in self.sizes:
            self.read_redaction()

    def read_redaction(self) -> None:
        """A viewing copy: what is missing is told in a list that the office signed."""
        value = self.load("redaction.json")
        try:
            omissions = [dict(each) for each in value["omissions"]]
            if value["v"] != 1 or value["kind"] != "redaction":
                raise ValueError("of an unknown version")
            if canonical(value) != self.read("redaction.json"):
                raise ValueError("not in canonical form")
            for each in omissions:
                if set(each) != {"leaf", "place", "path", "part", "pieces"}:
                    raise ValueError("an omission with other fields")
            self.redaction = {name: value[name] for name in ("original", "manifest", "tags")}
            self.redaction["at"] = moment(value["at"])
            self.omissions, self.withheld = omissions, set(map(int, value["withheld"]))
        except (KeyError, TypeError, ValueError) as error:
            self.fail("redaction.json", "cannot be read: %r" % error)
            raise Stop("what was left out cannot be known") from error

    def check_redaction(self) -> None:
        """Of this seal; and what is missing is repeated here."""
        if self.redaction["original"] != self.digests["seal.json"]:
            self.fail("redaction.json", "is about another package than the seal")
        for each in self.omissions:
            subject = each["path"] or "data/%s" % each["place"]
            if each["pieces"]:
                self.warn(subject, "%d pieces were blanked" % len(each["pieces"]))
            elif each["path"] is None:
                self.warn(subject, "a file was left out")
        if self.withheld:
            self.warn("data/events.jsonl", "%d events were withheld" % len(self.withheld))

    def payload_amounts(self) -> tuple[int, int]:
        sizes = [size for name, size in self.sizes.items() if name.startswith("data/")]
        return sum(sizes), len(sizes)

    def check_seal(self) -> None:
        seal = self.load("seal.json")
        if not isinstance(seal, dict):
            raise Stop("without a seal nothing else can be checked")
        try:
            self.seal = {
                "inspection": seal["inspection"],
                "office": seal["office"],
                "at": moment(seal["sealed_at"]),
                "events": seal["log"]["events"],
                "head": seal["log"]["head"],
                "counts": seal["counts"],
                "root": seal["payload"]["root"],
                "keys": dict(seal["keys"]),
                "open": seal["office_log"]["open"],
            }
            amounts = (seal["payload"]["size_bytes"], seal["payload"]["files"])
            tags = dict(seal["tags"])
            if seal["v"] != 1 or seal["kind"] != "seal":
                raise ValueError("of an unknown version")
        except (KeyError, TypeError, ValueError) as error:
            self.fail("seal.json", "is not a seal: %r" % error)
            raise Stop("without a seal nothing else can be checked") from error
        if (self.redaction or seal["payload"]).get("manifest") != self.digests.get("manifest-sha256.txt"):
            self.fail("manifest-sha256.txt", "is not the list that was sealed")
        if self.redaction:
            self.check_redaction()
        elif amounts != self.payload_amounts():
            self.fail("data/", "holds another number of files or bytes than was sealed")
        self.check_tags(tags)
        later = {"manifest-sha256.txt", "tagmanifest-sha256.txt", "seal.json", "seal.p7s"}
        later |= {"seal.tsr", "seal.2.tsr", "tsa-root.pem", "tsa-root.2.pem"}
        if self.redaction:
            later |= {"redaction.json", "redaction.p7s", "bag-info.txt"}
        later |= {"proofs/leaves.json", "proofs/keys.jsonl", "proofs/office-log.json"}
        later |= {"proofs/four-properties.json", "proofs/four-properties.txt", "seal.sm2.sig"}
        for name in self.sizes:
            if not name.startswith("data/") and name not in tags and name not in later:
                self.fail(name, "is not covered by the seal")

    def check_tags(self, tags: dict[str, str]) -> None:
        for name, digest in tags.items():
            if self.redaction and name == "bag-info.txt":
                continue  # it states the amounts of the copy
            if self.redaction and name in self.redaction["tags"] and name not in self.digests:
                self.warn(name, "a file was left out")
            elif self.digests.get(name) != digest:
                self.fail(name, "is not the file that was sealed")

    def second_signature(self) -> None:
        """SM2 with SM3, where the office makes one; OpenSSL's cms cannot, its pkeyutl can."""
        certificate, signature = "certs/sm2.pem", "seal.sm2.sig"
        if certificate not in self.sizes and signature not in self.sizes:
            return
        if certificate not in self.sizes or signature not in self.sizes:
            self.fail(signature, "the second signature is not whole")
            return
        result = openssl(
            "pkeyutl -verify -rawin -digest sm3 -pkeyopt distid:1234567812345678 -certin",
            *("-inkey", self.path(certificate), "-in", self.path("seal.json")),
            *("-sigfile", self.path(signature)),
        )
        if result.returncode:
            self.fail(signature, "does not hold: %s" % reason_of(result))
        else:
            self.warn(signature, "holds; compare its certificate with what the office publishes")

    def sm3_digests(self) -> None:
        """The SM3 digests, where the office lists them."""
        if "proofs/sm3.txt" not in self.sizes:
            return
        listed = self.manifest("proofs/sm3.txt")
        there = sorted(name for name in self.sizes if name.startswith("data/"))
        if sorted(listed) != there:
            self.fail("proofs/sm3.txt", "names other files than there are")
        for name in there:
            output = openssl("dgst -sm3 -r", self.path(name)).stdout.decode("utf-8", "replace")
            if output.split(" ")[0].lstrip("\\") != listed.get(name):
                self.fail(name, "has another SM3 digest than is listed")

    def signature(self) -> None:
        self.second_signature()
        root = self.arguments.root or self.path("root.pem")
        keys = self.seal["keys"]
        own = certificate_digests(self.read("root.pem") or b"")
        if own[:1] != [keys.get("root")]:
            self.fail("root.pem", "is not the root that the seal names")
        if self.arguments.fingerprint:
            if own[:1] != [self.arguments.fingerprint.replace(":", "").lower()]:
                self.fail("root.pem", "is not the root with the expected fingerprint")
        elif not self.arguments.root:
            self.warn("root.pem", "no root was given: compare %s with what the office publishes" % own[:1])
        if self.redaction:
            result = openssl(
                "cms -verify -binary -inform DER -purpose any -no-CApath -no-CAstore -attime %d"
                % self.redaction["at"],
                *("-in", self.path("redaction.p7s"), "-content", self.path("redaction.json")),
                *("-CAfile", root, "-out", os.devnull),
            )
            if result.returncode:
                self.fail("redaction.p7s", "does not hold: %s" % reason_of(result))
        with tempfile.TemporaryDirectory() as interim:
            signer = os.path.join(interim, "signer.pem")
            result = openssl(
                "cms -verify -binary -inform DER -purpose any -no-CApath -no-CAstore -attime %d"
                % self.seal["at"],
                *("-in", self.path("seal.p7s"), "-content", self.path("seal.json")),
                *("-CAfile", root, "-signer", signer, "-out", os.devnull),
            )
            if result.returncode:
                self.fail("seal.p7s", "does not hold: %s" % reason_of(result))
                return
            with open(signer, "rb") as file:
                signers = certificate_digests(file.read())
            if signers != [keys.get("certificate")]:
                self.fail("seal.p7s", "was made with another certificate than the seal names")

    def stamps(self) -> None:
        stamped = 0
        for infix in ("", ".2"):
            name, root_name = "seal%s.tsr" % infix, "tsa-root%s.pem" % infix
            if name not in self.sizes:
                if root_name in self.sizes:
                    self.fail(name, "is missing, and its authority's root is there")
                continue
            root = self.arguments.tsa_root or self.path(root_name)
            text = openssl("ts -reply -text", "-in", self.path(name)).stdout.decode("utf-8", "replace")
            found = re.search(r"^Time stamp: (\w+ +\d+ [\d:]+)(?:\.\d+)? (\d{4}) GMT$", text, re.MULTILINE)
            if not found:
                self.fail(name, "cannot be read")
                continue
            at = datetime.datetime.strptime(" ".join(found.groups()), "%b %d %H:%M:%S %Y")
            seconds = at.replace(tzinfo=datetime.timezone.utc).timestamp()
            result = openssl(
                "ts -verify -attime %d" % seconds,
                *("-data", self.path("seal.p7s"), "-in", self.path(name), "-CAfile", root),
            )
            if result.returncode:
                self.fail(name, "does not hold: %s" % reason_of(result))
            elif seconds < self.seal["at"] - TOLERANCE_S:
                self.fail(name, "is from before the sealing")
            stamped += 1
            if not self.arguments.tsa_root:
                self.warn(name, "no root of the authority was given: the package's own was taken")
        if not stamped:
            self.warn("seal.tsr", "no authority has stamped the seal: its time is the office's word")

    def log(self) -> None:
        data = self.read("data/events.jsonl") or b""
        lines = data.split(b"\n")
        if lines.pop() != b"":
            self.fail("data/events.jsonl", "its last line is cut off")
        previous, broken = "0" * 64, False
        for number, line in enumerate(lines, 1):
            if number in self.withheld:
                shown = self.withheld_line(number, line)
                if shown is None:
                    return
                previous = shown
                self.links.append(shown)
                continue
            try:
                event = strict_json(line)
                self.events.append((event["type"], event["body"]))
                self.seqs.append(number)
                fits = (event["seq"], event["prev"], event["inspection"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                self.fail("data/events.jsonl", "line %d is not an event: %s" % (number, error))
                return
            if not broken and fits != (number, previous, self.seal["inspection"]):
                self.fail("data/events.jsonl", "line %d does not continue the line before" % number)
                broken = True
            previous = hashlib.sha256(line).hexdigest()
            self.links.append(previous)
        if (len(lines), previous) != (self.seal["events"], self.seal["head"]):
            self.fail("data/events.jsonl", "is not the log that was sealed: its head is another")

    def withheld_line(self, number: int, line: bytes) -> str | None:
        """The link that stands for a line that is not shown."""
        try:
            value = strict_json(line)
            if set(value) == {"link", "seq"} and value["seq"] == number and canonical(value) == line:
                return str(value["link"])
        except (ValueError, TypeError, RecursionError):
            pass
        self.fail("data/events.jsonl", "line %d is to be withheld and shows something else" % number)
        return None

    def counts(self) -> None:
        if self.withheld:
            self.warn("data/events.jsonl", "events were withheld: they cannot be counted in this copy")
            return
        slots: dict[str, dict[str, int]] = {}
        found: dict[str, Any] = {"events": 0, "snapshots": 0, "photos": 0, "gaps": 0, "slots": slots}
        if not self.events or self.events[-1][0] != "evidence.closed":
            self.fail("data/events.jsonl", "the last event is not the close: events may be missing")
            return
        for kind, body in self.events[:-1]:
            found["events"] += 1
            found["snapshots"] += kind == "snapshot.taken"
            found["photos"] += kind == "photo.added"
            found["gaps"] += kind in GAPS
            if kind in ("part.closed", "part.segment"):
                slot = slots.setdefault(body["slot"], {"parts": 0, "ms": 0, "size_bytes": 0, "segments": 0})
                if kind == "part.segment":
                    slot["segments"] += 1
                else:
                    slot["parts"] += 1
                    slot["ms"] += round(float(body["duration_s"]) * 1000)
                    slot["size_bytes"] += body["size_bytes"]
        if self.events[-1][1].get("counts") != found:
            self.fail("data/events.jsonl", "the close counts something else than is in the log")
        if self.seal["counts"] != found:
            self.fail("seal.json", "counts something else than is in the log")

    def payload(self) -> None:
        for place in (*PLACES.values(), "originals"):
            named = collections.Counter(self.digests_named(place))
            blanked = {each["path"] for each in self.omissions}
            for name, digest in self.digests.items():
                if name.startswith("data/%s/" % place) and name not in blanked:
                    if named[digest] < 1:
                        self.fail(name, "no event speaks of it")
                    named[digest] -= 1
            for each in self.omissions:
                if each["place"] == place:
                    named[self.original_of(each, +named)] -= 1
            for digest in (+named).elements():
                self.fail("data/%s/" % place, "the file of an event is not there: %s" % digest)

    def digests_named(self, place: str) -> list[str]:
        """Of the files that events say were put there; originals are what phones recorded, named with their part."""
        if place == "originals":
            given = [body.get("original") for kind, body in self.events if kind == "part.closed"]
            return [each["sha256"] for each in given if each]
        return [body["sha256"] for kind, body in self.events if PLACES.get(kind) == place and body["sha256"]]

    def original_of(self, omission: dict[str, Any], missing: Any) -> str:
        """Of a blanked recording the digest that its event names; of an omitted file any that is missing."""
        for kind, body in self.events:
            if kind == "part.closed" and omission["part"] is not None and body["part"] == omission["part"]:
                return str(body["sha256"])
        return min(missing, default="")

    def segments(self) -> None:
        left_out = {each["part"]: each for each in self.omissions if each["part"] is not None}
        may_be_omitted = any(each["place"] == "media" and each["path"] is None for each in self.omissions)
        pieces: dict[str, list[Any]] = {}
        for kind, body in self.events:
            if kind == "part.segment":
                pieces.setdefault(body["part"], []).append(body)
        for kind, body in self.events:
            if kind != "part.closed" or not body["sha256"]:
                continue
            part = body["part"]
            if part not in pieces:
                self.warn(part, "no pieces were logged while it was recorded")
                continue
            names = [
                n for n, d in self.digests.items() if d == body["sha256"] and n.startswith("data/media/")
            ]
            if part in left_out:
                names = [n for n in self.digests if n == left_out[part]["path"]]
            if not names and may_be_omitted:
                self.warn(part, "its file was left out")
                continue
            if not names:
                self.fail(part, "its file is not there")
                continue
            hidden = set(left_out[part]["pieces"]) if part in left_out else set()
            with open(self.path(names[0]), "rb") as file:
                end = None
                for index, piece in enumerate(pieces[part]):
                    start, stop = piece["start"], piece["end"]
                    if piece["index"] != index or not 0 <= start < stop or end not in (None, start):
                        self.fail(part, "piece %d does not follow the one before" % index)
                    file.seek(start)
                    end = stop
                    if piece["index"] in hidden:
                        continue
                    if hashlib.sha256(file.read(max(0, stop - start))).hexdigest() != piece["sha256"]:
                        self.fail(part, "piece %d is not what was recorded" % index)

    def tree(self) -> None:
        self.sm3_digests()
        value = self.load("proofs/leaves.json")
        if value is None:
            return
        nodes: list[bytes] = []
        opened: dict[str, tuple[str, int]] = {}
        for leaf in value["leaves"]:
            nodes.append(bytes.fromhex(leaf["leaf"]))
            if "path" in leaf:
                record = canonical({name: leaf[name] for name in ("path", "sha256", "size_bytes")})
                digest = hashlib.sha256(record).digest()
                if hashlib.sha256(b"\0" + bytes.fromhex(leaf["salt"]) + digest).digest() != nodes[-1]:
                    self.fail(leaf["path"], "its leaf is not the hash of its record")
                opened[leaf["path"]] = (leaf["sha256"], leaf["size_bytes"])
        closed = sorted(leaf["leaf"] for leaf in value["leaves"] if "path" not in leaf)
        if closed != sorted(each["leaf"] for each in self.omissions):
            self.fail("proofs/leaves.json", "hides files that are not said to be left out")
        there = {n: (d, self.sizes[n]) for n, d in self.digests.items() if n.startswith("data/")}
        for each in self.omissions:
            there.pop(each["path"], None)
        for name in sorted(set(opened) | set(there)):
            if opened.get(name) != there.get(name):
                self.fail(name, "is not the file of its leaf")
        if tree_root(nodes).hex() != self.seal["root"]:
            self.fail("proofs/leaves.json", "does not lead to the root in the seal")

    def office_log(self) -> None:
        keys = self.key_history()
        if "proofs/office-log.json" not in self.sizes:
            self.warn("proofs/office-log.json", "the proof from the office's log is not in the package")
            return
        proof = self.load("proofs/office-log.json")
        if proof is None:
            return
        head = proof["head"]
        key = keys.get(head["key"])
        if key is None:
            self.fail("proofs/office-log.json", "its head was signed with an unknown key")
        elif not signature_holds(key, proof["signature"], canonical(head)):
            self.fail("proofs/office-log.json", "the signature of its head does not hold")
        if head["office"] != self.seal["office"] or head["kind"] != "office-head":
            self.fail("proofs/office-log.json", "is of another office")
        kinds: dict[str, Any] = {}
        for entry in proof["entries"]:
            leaf = hashlib.sha256(b"\0" + canonical(entry["record"])).digest()
            path = [bytes.fromhex(node) for node in entry["path"]]
            if root_by_path(leaf, entry["index"], head["size"], path) != bytes.fromhex(head["root"]):
                self.fail("proofs/office-log.json", "a record of it is not in the office's log")
            kinds[entry["record"]["kind"]] = entry
        opened, closed, sealed = (kinds.get(kind) for kind in ("open", "close", "seal"))
        if not opened or (opened["index"], opened["record"]["inspection"]) != (
            self.seal["open"],
            self.seal["inspection"],
        ):
            self.fail("proofs/office-log.json", "does not hold the opening that the seal names")
        told = {"inspection": self.seal["inspection"], "seq": self.seal["events"], "head": self.seal["head"]}
        if not closed or any(closed["record"].get(name) != value for name, value in told.items()):
            self.fail("proofs/office-log.json", "does not hold the close of this event log")
        if not sealed or sealed["record"].get("seal") != self.digests["seal.json"]:
            self.fail("proofs/office-log.json", "does not hold this seal")

    def receipts(self) -> None:
        if "data/receipts.json" not in self.sizes:
            return
        told = self.load("data/receipts.json")
        if told is None or told["v"] != 1 or told["kind"] != "receipts":
            self.fail("data/receipts.json", "is not a file of receipts")
            return
        offices = self.key_history()
        brought = [
            (seq, body["participant"], bytes.fromhex(body["public"]))
            for seq, (kind, body) in zip(self.seqs, self.events)  # noqa: B905
            if kind == "participant.key"
        ]
        jobs: dict[Any, tuple[str, bytes, str, bytes]] = {}
        for one in told["receipts"]:
            said = one["receipt"]
            name = "data/receipts.json#%d" % said["seq"]
            given = canonical({"receipt": said, "signature": one["signature"]})
            office = self.office_key(said, offices)
            if office is None:
                self.fail(name, "the office's signature does not hold")
            else:  # one head has several receipts
                job = (name + " the office's", office, one["signature"], canonical(said))
                jobs.setdefault((one["signature"], job[3]), job)
            theirs = [k for seq, who, k in brought if who == one["participant"] and seq <= said["seq"]]
            raw = bytes.fromhex(one["countersignature"])
            if not theirs and self.withheld:
                self.warn(name, "its key may be in a withheld event")
            elif not theirs or len(raw) != 64:
                self.fail(name, "the participant's signature does not hold")
            else:
                jobs[len(jobs)] = (name + " the participant's", theirs[-1], der_signature(raw), given)
            if self.links[said["seq"] - 1 :][:1] != [said["head"]]:
                self.fail(name, "the log is not the one that this receipt was given for")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            held = pool.map(lambda job: signature_holds(job[1], job[2], job[3]), jobs.values())
            for job, holds in zip(jobs.values(), held):  # noqa: B905
                if not holds:
                    name, whose = job[0].split(" ", 1)
                    self.fail(name, whose + " signature does not hold")

    def office_key(self, said: dict[str, Any], offices: dict[str, bytes]) -> bytes | None:
        """The key that must have signed a head, if it is one of this office about this inspection."""
        if (said["v"], said["kind"], said["inspection"]) != (1, "receipt", self.seal["inspection"]):
            return None
        return offices.get(said["key"])

    def key_history(self) -> dict[str, bytes]:
        """Fingerprint -> key for heads, as far as the history holds and leads to the keys in the seal."""
        current: dict[str, bytes] = {}
        heads: dict[str, bytes] = {}
        seals: set[str] = set()
        for number, line in enumerate((self.read("proofs/keys.jsonl") or b"").splitlines(), 1):
            value = strict_json(line)
            told, signatures = value["statement"], value["signatures"]
            key = bytes.fromhex(told["public"])
            signers = {"own": key}
            if told["purpose"] in current:
                signers["previous"] = current[told["purpose"]]
            if told["purpose"] == "head":
                signers["seal"] = current["seal"]
            replaced = current.get(told["purpose"])
            named = hashlib.sha256(replaced).hexdigest() if replaced else None
            holds = told["number"] == number and told["replaces"] == named and canonical(value) == line
            if not holds or not all(
                signature_holds(signer, signatures[name], canonical(told)) for name, signer in signers.items()
            ):
                self.fail("proofs/keys.jsonl", "line %d does not hold" % number)
                return {}
            current[told["purpose"]] = key
            if told["purpose"] == "head":
                heads[hashlib.sha256(key).hexdigest()] = key
            else:
                seals.update(certificate_digests(told["certificate"].encode())[:1])
        if bytes.fromhex(self.seal["keys"]["head"]) not in heads.values():
            self.fail("proofs/keys.jsonl", "does not name the key for heads that the seal names")
        if self.seal["keys"]["certificate"] not in seals:
            self.fail("proofs/keys.jsonl", "does not name the certificate that the seal names")
        return heads

    def run(self) -> None:
        steps = [self.files, self.check_seal, self.signature, self.stamps, self.log, self.counts]
        steps += [self.payload, self.segments, self.tree, self.office_log, self.receipts]
        for number, step in zip(STEPS, steps):  # noqa: B905
            self.step = number
            try:
                step()
            except Stop:
                raise
            except Exception as error:  # a hostile package must not end in a traceback
                self.fail("", "this step could not be completed: %r" % error)


def list_of(name: str) -> str:
    return "manifest-sha256.txt" if name.startswith("data/") else "tagmanifest-sha256.txt"


def strict_json(data: bytes) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) != len(items):
            raise ValueError("a key comes twice")
        return made

    def integer(text: str) -> int:
        if len(text) > 17 or abs(int(text)) >= 2**53:
            raise ValueError("a number is beyond 2**53")
        return int(text)

    def constant(name: str) -> Any:
        raise ValueError("%s is not a JSON number" % name)

    return json.loads(
        data.decode("utf-8"), object_pairs_hook=pairs, parse_int=integer, parse_constant=constant
    )


def canonical(value: Any) -> bytes:
    """RFC 8785 for values without fractions, which is all that is hashed or signed here."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def moment(text: str) -> float:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", text)
    if not match:
        raise ValueError("a time that cannot be read: %.40r" % text)
    at = datetime.datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S")
    return at.replace(tzinfo=datetime.timezone.utc).timestamp()


def digest_of_file(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_root(nodes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, level by level: a node without a partner goes up as it is."""
    if not nodes:
        return hashlib.sha256(b"").digest()
    while len(nodes) > 1:
        paired = [node(nodes[i], nodes[i + 1]) for i in range(0, len(nodes) - 1, 2)]
        nodes = paired + nodes[len(paired) * 2 :]
    return nodes[0]


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a path leads to, from the top down; None if the path does not fit the place."""
    if not 0 <= index < size or len(path) > 64:
        return None
    if size == 1:
        return None if path else leaf
    if not path:
        return None
    half = 1 << ((size - 1).bit_length() - 1)
    if index < half:
        below = root_by_path(leaf, index, half, path[:-1])
        return below and node(below, path[-1])
    below = root_by_path(leaf, index - half, size - half, path[:-1])
    return below and node(path[-1], below)


def certificate_digests(pem: bytes) -> list[str]:
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", pem, re.DOTALL)
    return [hashlib.sha256(base64.b64decode(block)).hexdigest() for block in blocks]


def openssl(words: str, *more: str) -> subprocess.CompletedProcess[bytes]:
    command = ["openssl", *words.split(), *more]
    environment = dict(os.environ, LC_ALL="C", TZ="UTC")
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )


def reason_of(result: subprocess.CompletedProcess[bytes]) -> str:
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "openssl says no"


def signature_holds(public: bytes, signature: str, data: bytes) -> bool:
    """Ed25519, or ECDSA with SHA-256; `public` is SubjectPublicKeyInfo."""
    with tempfile.TemporaryDirectory() as interim:
        names = [os.path.join(interim, name) for name in ("key", "signature", "data")]
        for name, content in zip(names, (public, bytes.fromhex(signature), data)):  # noqa: B905
            with open(name, "wb") as file:
                file.write(content)
        if bytes.fromhex("06032b6570") in public[:16]:
            words = "pkeyutl -verify -rawin -pubin -keyform DER"
            result = openssl(words, "-inkey", names[0], "-sigfile", names[1], "-in", names[2])
        else:
            words = "dgst -sha256 -keyform DER"
            result = openssl(words, "-verify", names[0], "-signature", names[1], names[2])
        return result.returncode == 0


def der_signature(raw: bytes) -> str:
    """An ECDSA signature as browsers make it, two numbers of 32 bytes, in the form that openssl takes."""
    numbers = b""
    for half in (raw[:32], raw[32:]):
        number = half.lstrip(b"\0") or b"\0"
        number = b"\0" + number if number[0] & 0x80 else number
        numbers += bytes([2, len(number)]) + number
    return (bytes([0x30, len(numbers)]) + numbers).hex()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", help="the office's root certificate (PEM), from the office itself")
    parser.add_argument("--fingerprint", help="SHA-256 of that root, as the office publishes it")
    parser.add_argument("--tsa-root", help="the root of the time stamp authority (PEM)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    check = Check(arguments.folder, arguments)
    stopped: str | None = None
    try:
        check.run()
    except (Stop, OSError) as error:
        stopped = str(error)
    code = 1 if check.problems else 2 if stopped else 0
    if arguments.json:
        verdict = {0: "passed", 1: "failed", 2: "unreadable"}[code]
        result = {
            "verdict": verdict,
            "problems": check.problems,
            "warnings": check.warnings,
            "error": stopped,
        }
        print(json.dumps(result, ensure_ascii=False, indent=1))
        return code
    for number, (_, title) in STEPS.items():
        problems = [item for item in check.problems if item["step"] == number]
        warnings = [item for item in check.warnings if item["step"] == number]
        done = number <= check.step and not (stopped and number == check.step and not problems)
        word = "未通过 FAILED" if problems else "通过 passed" if done else "未进行 not performed"
        print("%2d. %s: %s" % (number, title, word))
        for mark, items in (("!", problems), ("?", warnings)):
            for item in items:
                print("    %s %s %s" % (mark, item["subject"], item["reason"]))
    if stopped:
        print(stopped)
    print(LIMITS)
    return code


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(main())
