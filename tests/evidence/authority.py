"""A time stamp authority for tests: `openssl ts` behind a small HTTP responder."""

from __future__ import annotations

import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from server.evidence import timestamps

_CONFIG = """
[ req ]
distinguished_name = name
prompt = no
[ name ]
CN = {name}
[ ca ]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[ stamp ]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ tsa ]
default_tsa = here
[ here ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/root.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(slots=True)
class Authority:
    """Answers by `openssl ts -reply`."""

    folder: Path
    url: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    "Closed while the authority is to be slow."
    answer: Callable[[bytes], tuple[int, bytes]] | None = None
    "What it does instead of its work: (HTTP status, body) for a query; status 0 hangs up."
    asked: int = 0
    _signing: threading.Lock = field(default_factory=threading.Lock)
    "`openssl ts` counts its replies in a file, and two at once trip over it."

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def root(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()

    def reply(self, query: bytes) -> bytes:
        number = threading.get_ident()
        asked, answered = self.folder / f"{number}.tsq", self.folder / f"{number}.tsr"
        asked.write_bytes(query)
        command = ["ts", "-reply", "-config", "tsa.cnf", "-section", "here", "-queryfile", asked.name]
        with self._signing:
            _openssl(self.folder, *command, "-out", answered.name)
        return answered.read_bytes()


def make_authority(folder: Path, *, days: int = 3650, name: str = "Test authority") -> Authority:
    """Keys, a root, a certificate for stamps. `days` < 0: it expired before it could answer."""
    folder.mkdir()
    (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder, name=name))
    (folder / "serial").write_text("01\n")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "tsa.cnf"]
    subject = ["-subj", f"/CN={name} root"]
    _openssl(
        folder,
        "req",
        "-x509",
        *key,
        *subject,
        "-keyout",
        "root.key",
        "-out",
        "root.pem",
        "-extensions",
        "ca",
        "-days",
        "9999",
    )
    _openssl(folder, "req", *key, "-keyout", "tsa.key", "-out", "tsa.csr")
    certify(folder, days)
    return Authority(folder)


def certify(folder: Path, days: int) -> None:
    """The certificate for stamps, good for so many days from now on."""
    signing = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", str(days)]
    _openssl(
        folder,
        "x509",
        "-req",
        "-in",
        "tsa.csr",
        *signing,
        "-extfile",
        "tsa.cnf",
        "-extensions",
        "stamp",
        "-out",
        "tsa.pem",
    )


@contextmanager
def serving(authority: Authority) -> Iterator[Authority]:
    """The authority on a free port of the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.asked += 1
            authority.gate.wait(30)
            status, reply = authority.answer(query) if authority.answer else (200, authority.reply(query))
            if not status:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Type", timestamps.REPLY_TYPE)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have lost patience
                self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        authority.url = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()


def ask(authority: Authority, query: bytes, timeout_s: float = 20) -> bytes:
    """What the product's sender does: one POST."""
    request = urllib.request.Request(
        authority.url, query, {"Content-Type": timestamps.REQUEST_TYPE}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        data: bytes = answer.read(timestamps.MAX_REPLY + 1)
    return data


def _openssl(folder: Path, *words: str) -> None:
    result = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
