#!/usr/bin/env python3
"""Checks the package that this file lies in, with Python's standard library and the openssl command only.

    python3 verify.py [--root ROOT.pem | --fingerprint HEX] [--tsa-root TSA.pem] [--lang zh|en] [--json] [FOLDER]

Exit code: 0 passed (warnings are possible), 1 something was changed, 2 nothing could be checked. Python 3.8 or later,
OpenSSL 3.0 or later. A copy of this file from the office or its publisher is better evidence than the enclosed one.
"""

# This file must run wherever a stranger has any Python 3: it keeps to the plain forms that all of them know.
# ruff: noqa: PTH100, PTH112, PTH113, PTH118, PTH120, PTH123, S603, UP017, UP022, UP031

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
    1: ("files", "文件清单", "Files"),
    2: ("seal", "封存记录", "Seal"),
    3: ("signature", "签名", "Signature"),
    4: ("stamp", "时间戳", "Time stamp"),
    5: ("log", "事件日志", "Event log"),
    6: ("counts", "完整性计数", "Completeness"),
    7: ("payload", "录像与图片", "Recordings and pictures"),
    8: ("segments", "录像分段", "Pieces of the recordings"),
    9: ("tree", "文件哈希树", "Tree of the files"),
    10: ("office_log", "机关日志", "The office's log"),
    11: ("clock", "时钟", "Clocks"),
    12: ("receipts", "回执", "Receipts"),
    13: ("disposal", "销毁证明", "Certificate of disposal"),
}
VERDICTS = {
    "passed": ("通过：封存后未被改动。", "Passed: unchanged since it was sealed."),
    "disposed": ("内容已依规销毁；销毁证明成立。", "The content was disposed of; the certificate holds."),
    "failed": ("未通过：已被改动，或与其所称不符。", "FAILED: it was changed, or is not what it says."),
    "unreadable": ("无法核验。", "Nothing could be checked."),
}
LIMITS = (
    "完整不等于真实：本检查不能证明画面所示属实，也不能排除虚拟摄像头或翻拍。",
    "Integrity is not truth: this does not prove that what is shown is true, nor exclude a virtual camera.",
)
PLACES = {"part.closed": "media", "snapshot.taken": "snapshots", "photo.added": "photos"}
GAPS = ("slot.gap", "recording.failed")
MOST_LINES = 1000000
MOST_BYTES = 256 << 20
TOLERANCE_S = 300
LATE_S = 24 * 3600
BACKWARDS_S = 5
DRIFT_S = 60
# RFC 9336's purpose of signing documents, by number where openssl does not know its name.
SIGNING = {"Document Signing", "1.3.6.1.5.5.7.3.36", "E-mail Protection", "Any Extended Key Usage"}
FOUR_PROPERTIES = "proofs/four-properties"


class Stop(Exception):
    """Nothing further can be checked: why, in Chinese and English."""


class Check:
    def __init__(self, folder: str, arguments: argparse.Namespace) -> None:
        self.folder = folder
        self.arguments = arguments
        self.step = 0
        self.looking_at = ""
        "The file that was read last."
        self.performed: list[int] = []
        self.problems: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.interim = ""
        "A folder for what openssl is to read and write."
        self.trusted = ""
        "The file of the root that signatures must lead to."
        self.sizes: dict[str, int] = {}
        self.digests: dict[str, str] = {}
        self.pieces: dict[str, dict[tuple[int, int], str]] = {}
        "Recording -> first byte and end of a piece -> its digest, as far as the first reading could foresee them."
        self.events: list[tuple[str, Any]] = []
        self.links: list[str] = []
        self.seal: dict[str, Any] = {}
        self.redaction: dict[str, Any] = {}
        self.omissions: list[dict[str, Any]] = []
        self.withheld: set[int] = set()
        self.seqs: list[int] = []
        "The numbers of `events`."
        self.times: list[tuple[int, float, float]] = []
        "Number, seconds since 1970 and on the second clock, of each event that is shown."
        self.stamped_at: float | None = None

    # -- reporting ------------------------------------------------------------------------------

    def fail(self, subject: str, text: str, *values: Any) -> None:
        self.problems.append(self.finding(subject, text, values))

    def warn(self, subject: str, text: str, *values: Any) -> None:
        self.warnings.append(self.finding(subject, text, values))

    def note(self, subject: str, text: str, *values: Any) -> None:
        self.notes.append(self.finding(subject, text, values))

    def finding(self, subject: str, text: str, values: tuple[Any, ...]) -> dict[str, Any]:
        return {
            "step": self.step,
            "subject": subject,
            "reason": text % values,
            "reason_zh": CHINESE[text] % values,
        }

    # -- reading --------------------------------------------------------------------------------

    def path(self, name: str) -> str:
        return os.path.join(self.folder, *name.split("/"))

    def read(self, name: str) -> bytes | None:
        """The bytes of a small file, or None."""
        self.looking_at = name
        if name not in self.sizes:
            return None
        if self.sizes[name] > MOST_BYTES:
            self.fail(name, "is larger than it can be")
            return None
        with open(self.path(name), "rb") as file:
            return file.read()

    def load(self, name: str) -> Any:
        """A JSON file, strictly and in canonical form; None, and a failure, if it is missing or cannot be read."""
        data = self.read(name)
        if data is None:
            self.fail(name, "is missing")
            return None
        try:
            value = strict_json(data)
            if canonical(value) != data:
                raise ValueError("not in canonical form")
        except (ValueError, RecursionError) as error:
            self.fail(name, "cannot be read: %s", error)
            return None
        return value

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
            self.fail(name, "is not in UTF-8")
            return found
        if not text.endswith("\n"):
            self.fail(name, "its last line is cut off")
        for line in text.split("\n")[:-1]:
            match = re.fullmatch(r"([0-9a-f]{64})  ([^\x00-\x1f\\]+)", line)
            if not match or match[2] in found or {"", ".", ".."} & set(match[2].split("/")):
                self.fail(name, "holds a line that is not a digest and a path: %.80r", line)
            else:
                found[match[2]] = match[1]
        return found

    # -- steps ----------------------------------------------------------------------------------

    def files(self) -> None:
        payload = self.manifest("manifest-sha256.txt")
        tags = self.manifest("tagmanifest-sha256.txt")
        for name in payload:
            if not name.startswith("data/"):
                self.fail(name, "the payload's list names a file outside data/")
        for name in tags:
            if name.startswith("data/") or name == "tagmanifest-sha256.txt":
                self.fail(name, "the list of the files beside the payload names it")
        self.compare(dict(tags, **payload))
        if self.read("bagit.txt") != b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n":
            self.fail("bagit.txt", "is not the declaration of a bag")
        amounts = self.payload_amounts()
        if ("Payload-Oxum: %d.%d" % amounts).encode() not in (self.read("bag-info.txt") or b"").splitlines():
            self.fail("bag-info.txt", "does not state the amount of data that is there")

    def compare(self, listed: dict[str, str]) -> None:
        """Listed and there, there and listed, digests right."""
        foreseen = self.foresee_pieces(listed)
        for name in self.sizes:
            self.digests[name], self.pieces[name] = digests_of_file(self.path(name), foreseen.get(name, []))
            if name == "tagmanifest-sha256.txt":
                continue
            if name not in listed:
                self.fail(name, "is not in %s", list_of(name))
            elif self.digests[name] != listed[name]:
                self.fail(name, "was changed: its digest is not the one in %s", list_of(name))
        for name in sorted(set(listed) - set(self.sizes)):
            self.fail(name, "is in %s, and missing", list_of(name))

    def foresee_pieces(self, listed: dict[str, str]) -> dict[str, list[tuple[int, int]]]:
        """Recording -> the pieces that step 8 will ask for, so that it need not be read twice.

        Nothing is believed here: what a changed log or list makes this miss is read again there.
        """
        ranges: dict[str, list[tuple[int, int]]] = {}
        names = {each["part"]: each["path"] for each in self.omissions if each["part"] is not None}
        named = {digest: name for name, digest in listed.items() if name.startswith("data/media/")}
        try:
            if self.sizes["data/events.jsonl"] > MOST_BYTES:
                return {}
            with open(self.path("data/events.jsonl"), "rb") as file:
                for line in file:
                    if b'"type":"part.' in line:
                        event = strict_json(line)
                        body = event["body"]
                        if event["type"] == "part.segment":
                            ranges.setdefault(body["part"], []).append((body["start"], body["end"]))
                        elif event["type"] == "part.closed":
                            names.setdefault(body["part"], named.get(body["sha256"], ""))
            return {names[part]: ranges[part] for part in ranges if part in names}
        except Exception:  # the log is looked at in step 5
            return {}

    def files_left(self) -> None:
        """Of a package that was disposed of: nothing of the content, and the rest as it is listed."""
        for name in self.sizes:
            if is_content(name):
                self.fail(name, "is still there, though the content was disposed of")
        self.compare(self.manifest("tagmanifest-sha256.txt"))

    def require_package(self) -> None:
        if not os.path.isdir(self.folder):
            what = "UNPACK" if os.path.isfile(self.folder) else "NO_FOLDER"
            raise Stop(*STOPS[what])
        self.walk(self.folder, "")
        if self.problems:  # what is read below must not wait for a pipe, nor lie elsewhere
            raise Stop(*STOPS["LINKS"])
        if "bagit.txt" not in self.sizes:
            raise Stop(*STOPS["NO_BAG"])
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
            self.fail("redaction.json", "cannot be read: %s", repr(error))
            raise Stop(*STOPS["REDACTION"]) from error

    def check_redaction(self) -> None:
        """Of this seal; and what is missing is repeated here."""
        if self.redaction["original"] != self.digests["seal.json"]:
            self.fail("redaction.json", "is about another package than the seal")
        for each in self.omissions:
            subject = each["path"] or "data/%s" % each["place"]
            if each["pieces"]:
                self.warn(subject, "%d pieces were blanked", len(each["pieces"]))
            elif each["path"] is None:
                self.warn(subject, "a file was left out")
        if self.withheld:
            self.warn("data/events.jsonl", "%d events were withheld", len(self.withheld))

    def payload_amounts(self) -> tuple[int, int]:
        sizes = [size for name, size in self.sizes.items() if name.startswith("data/")]
        return sum(sizes), len(sizes)

    def check_seal(self) -> None:
        seal = self.read_seal()
        payload = seal["payload"]
        if (self.redaction or payload).get("manifest") != self.digests.get("manifest-sha256.txt"):
            self.fail("manifest-sha256.txt", "is not the list that was sealed")
        if self.redaction:
            self.check_redaction()
        elif (payload["size_bytes"], payload["files"]) != self.payload_amounts():
            self.fail("data/", "holds another number of files or bytes than was sealed")
        self.check_tags(seal["tags"])

    def seal_left(self) -> None:
        """Of a package that was disposed of: what describes people went with the content."""
        tags = self.read_seal()["tags"]
        self.check_tags({name: digest for name, digest in tags.items() if not is_content(name)})

    def read_seal(self) -> Any:
        seal = self.load("seal.json")
        try:
            self.seal = {
                "inspection": seal["inspection"],
                "office": seal["office"],
                "at": moment(seal["sealed_at"]),
                "events": seal["log"]["events"],
                "head": seal["log"]["head"],
                "counts": seal["counts"],
                "files": seal["payload"]["files"],
                "size_bytes": seal["payload"]["size_bytes"],
                "root": seal["payload"]["root"],
                "keys": dict(seal["keys"]),
                "open": seal["office_log"]["open"],
            }
            dict(seal["tags"])
            if seal["v"] != 1 or seal["kind"] != "seal":
                raise ValueError("of an unknown version")
        except (KeyError, TypeError, ValueError) as error:
            self.fail("seal.json", "is not a seal: %s", repr(error))
            raise Stop(*STOPS["SEAL"]) from error
        return seal

    def check_tags(self, tags: dict[str, str]) -> None:
        for name, digest in tags.items():
            if self.redaction and name == "bag-info.txt":
                continue  # it states the amounts of the copy
            if self.redaction and name in self.redaction["tags"] and name not in self.digests:
                self.warn(name, "a file was left out")
            elif self.digests.get(name) != digest:
                self.fail(name, "is not the file that was sealed")
        later = {"manifest-sha256.txt", "tagmanifest-sha256.txt", "seal.json", "seal.p7s"}
        later |= {"seal.tsr", "seal.2.tsr", "tsa-root.pem", "tsa-root.2.pem", "seal.sm2.sig"}
        later |= {"proofs/leaves.json", "proofs/keys.jsonl", "proofs/office-log.json"}
        later |= {FOUR_PROPERTIES + kind for kind in (".json", ".txt", ".p7s")}
        if self.redaction:
            later |= {"redaction.json", "redaction.p7s", "bag-info.txt"}
        if "disposal.json" in self.sizes:
            later |= {"disposal.json", "disposal.p7s"}
        for name in self.sizes:
            if not name.startswith("data/") and name not in tags and name not in later:
                self.fail(name, "is not covered by the seal")

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
            self.fail(signature, "does not hold: %s", reason_of(result))
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
        if not self.choose_root():
            return
        if self.redaction:
            self.signer_of("redaction.p7s", "redaction.json", self.redaction["at"])
        signer = self.signer_of("seal.p7s", "seal.json", self.seal["at"])
        if signer is not None:
            if certificate_digests(signer) != [self.seal["keys"].get("certificate")]:
                self.fail("seal.p7s", "was made with another certificate than the seal names")
            self.name_signer(signer)
        self.four_properties()

    def choose_root(self) -> bool:
        """What signatures must lead to: the root that was brought, or the one certificate that the package holds."""
        own = only_certificate(self.read("root.pem") or b"")
        if own is None:
            self.fail("root.pem", "does not hold exactly one certificate, which alone could be trusted")
            return False
        fingerprint = hashlib.sha256(own).hexdigest()
        if fingerprint != self.seal["keys"].get("root"):
            self.fail("root.pem", "is not the root that the seal names")
        if self.arguments.fingerprint:
            if fingerprint != re.sub("[: ]", "", self.arguments.fingerprint).lower():
                self.fail("root.pem", "is not the root with the expected fingerprint")
        elif not self.arguments.root:
            self.warn("root.pem", "no root was given: compare %s with what the office publishes", fingerprint)
        # Not the file itself: openssl must trust the very bytes whose fingerprint was compared, and no others.
        self.trusted = self.arguments.root
        if not self.trusted:
            self.trusted = os.path.join(self.interim, "root.pem")
            with open(self.trusted, "wb") as file:
                file.write(pem_of(own))
        return True

    def signer_of(self, signature: str, content: str, at: float) -> bytes | None:
        """The certificate (PEM) that signed a file, if it was valid then, for signing, and under the trusted root."""
        if signature not in self.sizes:
            self.fail(signature, "is missing")
            return None
        if not is_der(self.read(signature) or b""):
            self.fail(signature, "holds more or less than what it says")
            return None
        signer = os.path.join(self.interim, "signer.pem")
        result = openssl(
            "cms -verify -binary -inform DER -purpose any -no-CApath -no-CAstore -attime %d" % at,
            *("-in", self.path(signature), "-content", self.path(content)),
            *("-CAfile", self.trusted, "-signer", signer, "-out", os.devnull),
        )
        if result.returncode:
            self.fail(signature, "does not hold: %s", reason_of(result))
            return None
        with open(signer, "rb") as file:
            pem = file.read()
        if len(certificate_digests(pem)) != 1:
            self.fail(signature, "has not exactly one signer")
            return None
        text = openssl("x509 -noout -ext keyUsage,extendedKeyUsage", "-in", signer).stdout.decode(
            "ascii", "replace"
        )
        usage, extended = (
            {word.strip() for found in re.findall(pattern, text, re.MULTILINE) for word in found.split(",")}
            for pattern in (r"^X509v3 Key Usage:.*\n +(.*)$", r"^X509v3 Extended Key Usage:.*\n +(.*)$")
        )
        if not usage & {"Digital Signature", "Non Repudiation"} or (extended and not extended & SIGNING):
            purpose = ", ".join(sorted(usage | extended))
            self.fail(signature, "was made with a certificate that is not for signing documents: %s", purpose)
        return pem

    def name_signer(self, pem: bytes) -> None:
        """Whose certificate it is, for people to judge; it should be the office's."""
        names = "x509 -noout -nameopt sep_multiline,esc_ctrl,utf8,sname,space_eq"
        told = {}
        for which in ("-subject", "-issuer"):
            lines = openssl(names, which, "-in", os.path.join(self.interim, "signer.pem")).stdout.splitlines()
            told[which] = [line.decode("utf-8", "replace").strip() for line in lines[1:]]
        subject, issuer = (", ".join(told[which]) for which in ("-subject", "-issuer"))
        self.note("seal.p7s", "was made by %s, certified by %s", subject, issuer)
        organisations = [line[4:] for line in told["-subject"] if line.startswith("O = ")]
        # A certificate has no room for more than 64 characters of a name.
        if str(self.seal["office"])[:64] not in organisations:
            whose = ", ".join(organisations)
            self.warn(
                "seal.p7s", "the seal names the office %s, the certificate %s", self.seal["office"], whose
            )

    def four_properties(self) -> None:
        """The report that came after the seal: signed by itself, about this seal, with this text beside it."""
        names = {kind: FOUR_PROPERTIES + kind for kind in (".json", ".txt", ".p7s")}
        if not any(name in self.sizes for name in names.values()):
            return
        told = self.load(names[".json"])
        if told is None:
            return
        if told["seal"] != self.digests["seal.json"]:
            self.fail(names[".json"], "is about another package than the seal")
        if told["text"] != self.digests.get(names[".txt"]):
            self.fail(names[".txt"], "is not the text of the signed report")
        self.signer_of(names[".p7s"], names[".json"], moment(told["at"]))

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
            if not is_der(self.read(name) or b""):
                self.fail(name, "holds more or less than what it says")
                continue
            found = re.findall(r"^Time stamp: (\w+ +\d+ [\d:]+)(?:\.\d+)? (\d{4}) GMT$", text, re.MULTILINE)
            if len(found) != 1:  # a second one would be in a text that nobody signed
                self.fail(name, "cannot be read: %s", "ts -reply -text")
                continue
            at = datetime.datetime.strptime(" ".join(found[0]), "%b %d %H:%M:%S %Y")
            seconds = at.replace(tzinfo=datetime.timezone.utc).timestamp()
            result = openssl(
                "ts -verify -attime %d" % seconds,
                *("-data", self.path("seal.p7s"), "-in", self.path(name), "-CAfile", root),
            )
            stamped += 1
            if result.returncode:
                self.fail(name, "does not hold: %s", reason_of(result))
                continue
            self.stamped_at = min(seconds, self.stamped_at or seconds)
            if seconds < self.seal["at"] - TOLERANCE_S:
                self.fail(name, "is from before the sealing")
            elif seconds > self.seal["at"] + LATE_S:
                self.warn(name, "came long after the sealing: %s", at.isoformat() + "Z")
            if not self.arguments.tsa_root:
                self.warn(name, "no root of the authority was given: the package's own was taken")
        if not stamped:
            self.warn("seal.tsr", "no authority has stamped the seal: its time is the office's word")

    def log(self) -> None:
        data = self.read("data/events.jsonl") or b""
        if data.count(b"\n") > MOST_LINES:
            self.fail("data/events.jsonl", "is larger than it can be")
            return
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
                self.times.append((number, moment(event["t_utc"]), float(event["t_mono"])))
                fits = (event["seq"], event["prev"], event["inspection"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                self.fail("data/events.jsonl", "line %d is not an event: %s", number, error)
                return
            if not broken and fits != (number, previous, self.seal["inspection"]):
                self.fail("data/events.jsonl", "line %d does not continue the line before", number)
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
        self.fail("data/events.jsonl", "line %d is to be withheld and shows something else", number)
        return None

    def counts(self) -> None:
        if self.withheld:
            self.warn("data/events.jsonl", "events were withheld: they cannot be counted in this copy")
            return
        slots: dict[str, dict[str, int]] = {}
        names = ("events", "snapshots", "photos", "photos_announced", "gaps")
        found: dict[str, Any] = {**dict.fromkeys(names, 0), "slots": slots}
        if not self.events or self.events[-1][0] != "evidence.closed":
            self.fail("data/events.jsonl", "the last event is not the close: events may be missing")
            return
        for kind, body in self.events[:-1]:
            found["events"] += 1
            found["snapshots"] += kind == "snapshot.taken"
            found["photos"] += kind == "photo.added"
            found["photos_announced"] += kind == "photo.announced"
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
        self.photos()
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
                self.fail("data/%s/" % place, "the file of an event is not there: %s", digest)

    def photos(self) -> None:
        """A phone says each photo's digest before it sends it."""
        said: dict[str, str] = {}
        for kind, body in self.events:
            if kind == "photo.announced":
                said.setdefault(body["photo"], body["sha256"])
            elif kind == "photo.added":
                is_told = body["photo"] in said or not self.withheld
                if is_told and said.get(body["photo"]) != body["sha256"]:
                    self.fail(body["photo"], "is not the photo that the phone announced")

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
            end = None
            for index, piece in enumerate(pieces[part]):
                start, stop = piece["start"], piece["end"]
                if piece["index"] != index or not 0 <= start < stop or end not in (None, start):
                    self.fail(part, "piece %d does not follow the one before", index)
                end = stop
                if piece["index"] in hidden:
                    continue
                if self.piece_digest(names[0], start, stop) != piece["sha256"]:
                    self.fail(part, "piece %d is not what was recorded", index)

    def piece_digest(self, name: str, start: int, stop: int) -> str:
        if (start, stop) not in self.pieces[name]:
            with open(self.path(name), "rb") as file:
                file.seek(start)
                return hashlib.sha256(file.read(max(0, stop - start))).hexdigest()
        return self.pieces[name][start, stop]

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

    def tree_left(self) -> None:
        """Of a package that was disposed of: the leaves alone, without what they were made of."""
        value = self.load("proofs/leaves.json")
        if value is None:
            return
        if any(set(leaf) != {"leaf"} for leaf in value["leaves"]):
            self.fail("proofs/leaves.json", "is still there, though the content was disposed of")
        nodes = [bytes.fromhex(leaf["leaf"]) for leaf in value["leaves"]]
        if len(nodes) != self.seal["files"] or tree_root(nodes).hex() != self.seal["root"]:
            self.fail("proofs/leaves.json", "does not lead to the root in the seal")

    def disposal(self) -> None:
        """Two people had the content of this very seal destroyed, and the office signed that."""
        told = self.load("disposal.json")
        if told is None:
            return
        about = {"v": 1, "kind": "disposal", "seal": self.digests["seal.json"]}
        about.update({name: self.seal[name] for name in ("inspection", "root", "files", "size_bytes")})
        if any(told.get(name) != value for name, value in about.items()):
            self.fail("disposal.json", "is about another package than the seal")
        approvers = told["approvers"]
        if len({str(each) for each in approvers}) < 2:
            self.fail("disposal.json", "does not name two approvers")
        at = moment(told["at"])
        if at < self.seal["at"] - TOLERANCE_S:
            self.fail("disposal.json", "is from before the sealing")
        self.signer_of("disposal.p7s", "disposal.json", at)
        who = ", ".join(map(str, approvers))
        self.note(
            "disposal.json", "%s, approved by %s: %s (%s)", told["at"], who, told["reason"], told["policy"]
        )

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

    def clock(self) -> None:
        """Warnings only, but for the time stamp: a clock that was corrected is no forgery, but it must be seen."""
        latest = None
        last: tuple[float, float] | None = None
        for number, utc, mono in self.times:
            if latest is not None and utc < latest - BACKWARDS_S:
                self.warn("", "event %d is earlier than one before it", number)
            latest = utc if latest is None else max(latest, utc)
            # A smaller number on the second clock means another run of the server, which begins its own count.
            if last is not None and mono >= last[1] and abs(utc - last[0] - mono + last[1]) > DRIFT_S:
                self.warn("", "the two clocks part company at event %d", number)
            last = (utc, mono)
        if latest is not None and latest > self.seal["at"] + TOLERANCE_S:
            self.warn("", "the last event is later than the seal")
        if latest is not None and self.stamped_at is not None and latest > self.stamped_at + TOLERANCE_S:
            self.fail("", "the last event is later than the time stamp")

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
        jobs: dict[Any, tuple[str, str, bytes, str, bytes]] = {}
        for one in told["receipts"]:
            said = one["receipt"]
            name = "data/receipts.json#%d" % said["seq"]
            given = canonical({"receipt": said, "signature": one["signature"]})
            office = self.office_key(said, offices)
            if office is None:
                self.fail(name, OFFICE_SIGNATURE)
            else:  # one head has several receipts
                job = (name, OFFICE_SIGNATURE, office, one["signature"], canonical(said))
                jobs.setdefault((one["signature"], job[4]), job)
            theirs = [k for seq, who, k in brought if who == one["participant"] and seq <= said["seq"]]
            raw = bytes.fromhex(one["countersignature"])
            if not theirs and self.withheld:
                self.warn(name, "its key may be in a withheld event")
            elif not theirs or len(raw) != 64:
                self.fail(name, PARTICIPANT_SIGNATURE)
            else:
                jobs[len(jobs)] = (name, PARTICIPANT_SIGNATURE, theirs[-1], der_signature(raw), given)
            if self.links[said["seq"] - 1 :][:1] != [said["head"]]:
                self.fail(name, "the log is not the one that this receipt was given for")
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            held = pool.map(lambda job: signature_holds(job[2], job[3], job[4]), jobs.values())
            for job, holds in zip(jobs.values(), held):  # noqa: B905
                if not holds:
                    self.fail(job[0], job[1])

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
        history = self.read("proofs/keys.jsonl") or b""
        if not history.endswith(b"\n"):
            self.fail("proofs/keys.jsonl", "its last line is cut off")
        for number, line in enumerate(history.splitlines(), 1):
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
                self.fail("proofs/keys.jsonl", "line %d does not hold", number)
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
        with tempfile.TemporaryDirectory() as self.interim:
            self.step = 1
            self.require_package()
            whole = {1: self.files, 2: self.check_seal, 3: self.signature, 4: self.stamps, 5: self.log}
            whole.update({6: self.counts, 7: self.payload, 8: self.segments, 9: self.tree})
            whole.update({10: self.office_log, 11: self.clock, 12: self.receipts})
            left = {1: self.files_left, 2: self.seal_left, 3: self.signature, 4: self.stamps}
            left.update({9: self.tree_left, 10: self.office_log, 13: self.disposal})
            for number, step in (left if "disposal.json" in self.sizes else whole).items():
                self.step, self.looking_at = number, ""
                try:
                    step()
                    self.performed.append(self.step)
                except Stop:
                    raise
                except Exception as error:  # a hostile package must not end in a traceback
                    self.fail(self.looking_at, "this step could not be completed: %s", repr(error))

    def verdict(self, stopped: bool) -> str:
        if self.problems:
            return "failed"
        return "unreadable" if stopped else "disposed" if "disposal.json" in self.sizes else "passed"


def is_content(name: str) -> bool:
    """What a disposal destroys: the payload, what describes it, and every list of its digests."""
    return name.startswith(("data/", "metadata/")) or name in ("manifest-sha256.txt", "proofs/sm3.txt")


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
    return at.replace(tzinfo=datetime.timezone.utc).timestamp() + float("0" + (match[2] or ""))


def digests_of_file(path: str, ranges: list[tuple[int, int]]) -> tuple[str, dict[tuple[int, int], str]]:
    """Of the whole, and of those ranges (first byte, end) that follow each other, in one reading."""
    whole, pieces, position = hashlib.sha256(), {}, 0
    with open(path, "rb") as file:
        for start, stop in ranges:
            if type(start) is not int or type(stop) is not int or not position <= start < stop:
                break
            hash_next(file, start - position, whole)
            piece = hashlib.sha256()
            hash_next(file, stop - start, whole, piece)
            pieces[start, stop], position = piece.hexdigest(), stop
        hash_next(file, 1 << 62, whole)
    return whole.hexdigest(), pieces


def hash_next(file: Any, size: int, *digests: Any) -> None:
    """The next `size` bytes, or what there is of them."""
    while size > 0:
        block = file.read(min(size, 1 << 20))
        if not block:
            return
        for digest in digests:
            digest.update(block)
        size -= len(block)


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


def is_der(data: bytes) -> bool:
    """One DER sequence and nothing behind it, where openssl would not look."""
    if data[:1] != b"\x30" or len(data) < 2:
        return False
    if data[1] < 0x80:
        return len(data) == 2 + data[1]
    header = 2 + (data[1] & 0x7F)
    return len(data) == header + int.from_bytes(data[2:header], "big")


def only_certificate(pem: bytes) -> bytes | None:
    """The DER of the one certificate in a PEM file; None if there is none, or anything else beside it.

    openssl reads every block of a file of roots, also those that are marked "TRUSTED" or "X509".
    """
    blocks = re.findall(rb"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----", pem)
    if len(blocks) != 1 or pem.count(b"-----BEGIN") != 1:
        return None
    try:
        return base64.b64decode(blocks[0]) or None
    except ValueError:
        return None


def pem_of(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % base64.encodebytes(der)


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


def printable(text: Any) -> str:
    """One line, with nothing in it that a terminal would obey: names in a package may be anybody's."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", nargs="?", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--root", help="the office's root certificate (PEM), from the office itself")
    parser.add_argument("--fingerprint", help="SHA-256 of that root, as the office publishes it")
    parser.add_argument("--tsa-root", help="the root of the time stamp authority (PEM)")
    parser.add_argument("--lang", choices=("zh", "en"), help="中文 or English; both if not given")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    arguments = parser.parse_args()
    check = Check(arguments.folder, arguments)
    stopped: tuple[str, str] | None = None
    try:
        check.run()
    except Stop as error:
        stopped = error.args
    except OSError as error:
        stopped = (str(error), str(error))
    verdict = check.verdict(stopped is not None)
    if arguments.json:
        print_json(check, verdict, stopped)
    else:
        print_text(check, verdict, stopped, arguments.lang)
    return {"failed": 1, "unreadable": 2}.get(verdict, 0)


def print_json(check: Check, verdict: str, stopped: tuple[str, str] | None) -> None:
    result = {
        "verdict": verdict,
        "problems": check.problems,
        "warnings": check.warnings,
        "notes": check.notes,
        "error": stopped and stopped[1],
    }
    text = json.dumps(result, ensure_ascii=False, indent=1)
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def print_text(check: Check, verdict: str, stopped: tuple[str, str] | None, language: str | None) -> None:
    def say(indent: str, chinese: str, english: str) -> None:
        told = {"zh": (chinese,), "en": (english,)}.get(language or "", (chinese, english))
        print(indent + " / ".join(printable(each) for each in dict.fromkeys(told)))

    for number, (_, chinese, english) in STEPS.items():
        problems = [item for item in check.problems if item["step"] == number]
        if not problems and number not in check.performed:
            continue
        word = ("未通过", "FAILED") if problems else ("通过", "passed")
        say("%2d. " % number, "%s：%s" % (chinese, word[0]), "%s: %s" % (english, word[1]))
        for mark, items in (("!", problems), ("?", check.warnings), ("-", check.notes)):
            for item in items:
                if item["step"] == number:
                    begin = "    %s %s " % (mark, printable(item["subject"]))
                    say(begin, item["reason_zh"], item["reason"])
    if stopped:
        say("", *stopped)
    say("", *VERDICTS[verdict])
    say("", *LIMITS)


STOPS = {
    "UNPACK": ("这是文件，不是文件夹：请先解压。", "This is a file and not a folder: unpack it first."),
    "NO_FOLDER": ("没有这个文件夹。", "There is no such folder."),
    "LINKS": ("其中有链接或设备：不再继续读取。", "It holds links or devices: nothing else in it is read."),
    "NO_BAG": ("其中没有 bagit.txt，不是证据包。", "There is no bagit.txt in it: it is no package."),
    "REDACTION": ("无法得知删减了什么。", "What was left out cannot be known."),
    "SEAL": ("没有封存记录，其余无从核验。", "Without a seal nothing else can be checked."),
}
OFFICE_SIGNATURE = "the office's signature does not hold"
PARTICIPANT_SIGNATURE = "the participant's signature does not hold"
CHINESE = {
    "is missing": "缺失",
    "is larger than it can be": "大小超出可能",
    "cannot be read: %s": "无法读取：%s",
    "is a link or a device": "是链接或设备",
    "is not in UTF-8": "不是 UTF-8 编码",
    "its last line is cut off": "最后一行不完整",
    "holds a line that is not a digest and a path: %.80r": "有一行不是摘要与路径：%.80r",
    "the payload's list names a file outside data/": "内容清单列有 data/ 以外的文件",
    "the list of the files beside the payload names it": "不应列入内容以外的文件清单",
    "is not in %s": "不在 %s 中",
    "was changed: its digest is not the one in %s": "已被改动：摘要与 %s 不符",
    "is in %s, and missing": "列于 %s，但缺失",
    "is not the declaration of a bag": "不是 BagIt 声明",
    "does not state the amount of data that is there": "所载数据量与实际不符",
    "is still there, though the content was disposed of": "内容已销毁，此项却仍在",
    "is about another package than the seal": "与封存记录不是同一证据包",
    "%d pieces were blanked": "有 %d 段已抹去",
    "a file was left out": "有文件未收入",
    "%d events were withheld": "有 %d 条事件未出示",
    "is not a seal: %s": "不是封存记录：%s",
    "is not the list that was sealed": "不是封存时的清单",
    "holds another number of files or bytes than was sealed": "文件数或字节数与封存时不同",
    "is not the file that was sealed": "不是封存时的文件",
    "is not covered by the seal": "不在封存范围内",
    "the second signature is not whole": "第二签名不完整",
    "does not hold: %s": "不成立：%s",
    "holds; compare its certificate with what the office publishes": "成立；请将其证书与该机关公布的相对照",
    "names other files than there are": "所列文件与实际不符",
    "has another SM3 digest than is listed": "SM3 摘要与清单不符",
    "does not hold exactly one certificate, which alone could be trusted": "应只含一张证书，否则无从信任",
    "is not the root that the seal names": "不是封存记录所载的根证书",
    "is not the root with the expected fingerprint": "不是指纹所指的根证书",
    "no root was given: compare %s with what the office publishes": "未指定根证书：请将 %s 与该机关公布的指纹对照",
    "holds more or less than what it says": "多于或少于其自述的长度",
    "has not exactly one signer": "签名人不止一个，或没有",
    "was made with a certificate that is not for signing documents: %s": "所用证书的用途不是签署文件：%s",
    "was made by %s, certified by %s": "签名人 %s，签发者 %s",
    "the seal names the office %s, the certificate %s": "封存记录所载机关为 %s，证书所载为 %s",
    "was made with another certificate than the seal names": "所用证书不是封存记录所载的证书",
    "is not the text of the signed report": "不是已签名报告的文本",
    "is missing, and its authority's root is there": "缺失，而其时间戳机构的根证书仍在",
    "is from before the sealing": "早于封存时间",
    "came long after the sealing: %s": "远晚于封存时间：%s",
    "no root of the authority was given: the package's own was taken": "未指定时间戳机构的根证书：采用包内所附的",
    "no authority has stamped the seal: its time is the office's word": "没有时间戳：封存时间只是该机关自述",
    "line %d is not an event: %s": "第 %d 行不是事件：%s",
    "line %d does not continue the line before": "第 %d 行与上一行不相接",
    "is not the log that was sealed: its head is another": "不是封存时的日志：末行不同",
    "line %d is to be withheld and shows something else": "第 %d 行应不出示，却有其他内容",
    "events were withheld: they cannot be counted in this copy": "有事件未出示，本副本无法计数",
    "the last event is not the close: events may be missing": "末条事件不是结束：可能缺少事件",
    "the close counts something else than is in the log": "结束事件的计数与日志不符",
    "counts something else than is in the log": "计数与日志不符",
    "no event speaks of it": "没有事件提到它",
    "is not the photo that the phone announced": "不是手机事先声明的那张照片",
    "the file of an event is not there: %s": "事件所指的文件不在：%s",
    "no pieces were logged while it was recorded": "录制时没有记录分段",
    "its file was left out": "其文件未收入",
    "its file is not there": "其文件不在",
    "piece %d does not follow the one before": "第 %d 段与上一段不相接",
    "piece %d is not what was recorded": "第 %d 段不是当时所录",
    "its leaf is not the hash of its record": "叶子不是其记录的哈希",
    "hides files that are not said to be left out": "隐去了未声明略去的文件",
    "is not the file of its leaf": "不是其叶子所指的文件",
    "does not lead to the root in the seal": "推不出封存记录中的根",
    "does not name two approvers": "没有两名批准人",
    "%s, approved by %s: %s (%s)": "%s，由 %s 批准：%s（%s）",
    "the proof from the office's log is not in the package": "包内没有机关日志的证明",
    "its head was signed with an unknown key": "其日志头由未知密钥签名",
    "the signature of its head does not hold": "其日志头的签名不成立",
    "is of another office": "属于另一机关",
    "a record of it is not in the office's log": "有记录不在机关日志中",
    "does not hold the opening that the seal names": "没有封存记录所指的开启记录",
    "does not hold the close of this event log": "没有本事件日志的结束记录",
    "does not hold this seal": "没有本封存记录",
    "event %d is earlier than one before it": "第 %d 条事件早于其前的事件",
    "the two clocks part company at event %d": "两个时钟自第 %d 条事件起不一致",
    "the last event is later than the seal": "末条事件晚于封存时间",
    "the last event is later than the time stamp": "末条事件晚于时间戳",
    "is not a file of receipts": "不是回执文件",
    OFFICE_SIGNATURE: "机关的签名不成立",
    PARTICIPANT_SIGNATURE: "参与人的签名不成立",
    "its key may be in a withheld event": "其密钥可能在未出示的事件中",
    "the log is not the one that this receipt was given for": "日志不是出具此回执时的日志",
    "line %d does not hold": "第 %d 行不成立",
    "does not name the key for heads that the seal names": "没有封存记录所载的日志签名密钥",
    "does not name the certificate that the seal names": "没有封存记录所载的证书",
    "this step could not be completed: %s": "此步未能完成：%s",
}


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
