"""The floor: nothing but recvfrom, unprotect, protect and sendto, in this Python. Run as a process.

    python -m server.bench.floor forward        a forwarder without negotiation, in real time
    python -m server.bench.floor tight BYTES    what the four calls take when nothing else happens, as JSON

Keys are fixed and known: it is a yardstick and speaks to this benchmark only.
"""

from __future__ import annotations

import json
import socket
import sys
import time

from pylibsrtp import Policy, Session

KEY = bytes(range(44))
PROFILE = Policy.SRTP_PROFILE_AEAD_AES_256_GCM
"What a Yunkan connection of the load generator agrees on."
_MAX_DATAGRAM = 2048
_BUFFER_BYTES = 4 << 20
_ROUNDS, _BATCH = 200, 64
_WINDOW = 1024


def inward() -> Session:
    return _session(Policy.SSRC_ANY_INBOUND)


def outward() -> Session:
    return _session(Policy.SSRC_ANY_OUTBOUND)


def _session(kind: int) -> Session:
    policy = Policy(key=KEY, ssrc_type=kind, srtp_profile=PROFILE)
    policy.window_size = _WINDOW
    return Session(policy)


def forward() -> None:
    """Datagrams `P<room>` and `V<room>` say who publishes and who views; everything else is media."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        udp.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    udp.bind(("127.0.0.1", 0))
    print(f"listening on {udp.getsockname()[1]}", flush=True)
    rooms: dict[bytes, list[tuple[Session, tuple[str, int]]]] = {}
    routes: dict[tuple[str, int], list[tuple[Session, tuple[str, int]]]] = {}
    unprotect, receive, send = inward().unprotect, udp.recvfrom, udp.sendto
    while True:
        datagram, address = receive(_MAX_DATAGRAM)
        if datagram[0] >> 6 != 2:
            if datagram[0] in b"PV":
                viewers = rooms.setdefault(datagram[1:], [])
                if datagram[0] in b"P":
                    routes[address] = viewers
                else:
                    viewers.append((outward(), address))
                send(b"ok", address)
            continue
        if 192 <= datagram[1] <= 223 or address not in routes:
            continue
        packet = unprotect(datagram)
        for session, viewer in routes[address]:
            send(session.protect(packet), viewer)


def tight(size: int) -> dict[str, float]:
    """Microseconds of processor time per call: `in` is recvfrom and unprotect, `out` protect and sendto."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    udp.bind(("127.0.0.1", 0))
    here = udp.getsockname()
    protect, unprotect = outward().protect, inward().unprotect
    header = bytes([0x80, 102])
    body = bytes(9) + bytes([1]) + bytes(size)
    spent = {"in": 0, "out": 0}
    number = 0
    for _ in range(_ROUNDS):
        plain = []
        for _ in range(_BATCH):
            number += 1
            plain.append(header + (number & 0xFFFF).to_bytes(2, "big") + body[: 8 + size])
        begun = time.thread_time_ns()
        for packet in plain:
            udp.sendto(protect(packet), here)
        between = time.thread_time_ns()
        for _ in plain:
            datagram, _ = udp.recvfrom(_MAX_DATAGRAM)
            unprotect(datagram)
        spent["out"] += between - begun
        spent["in"] += time.thread_time_ns() - between
    udp.close()
    return {name: value / 1000 / (_ROUNDS * _BATCH) for name, value in spent.items()}


if __name__ == "__main__":
    if sys.argv[1] == "forward":
        forward()
    else:
        print(json.dumps(tight(int(sys.argv[2]))))
