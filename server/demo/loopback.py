"""Host candidates for a service on this very machine.

aioice never offers 127.0.0.1 (RFC 8445 section 5.1.1.1 leaves loopback out), so a machine without a network could not
talk to itself, and a test's traffic would leave the loopback interface. Inside `loopback_candidates()` only 127.0.0.1
is gathered; a context variable keeps every other connection in the process as it was.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import aioice.ice

_only_loopback: ContextVar[bool] = ContextVar("only_loopback", default=False)
_host_addresses = aioice.ice.get_host_addresses


def _addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return ["127.0.0.1"] if _only_loopback.get() else _host_addresses(use_ipv4, use_ipv6)


aioice.ice.get_host_addresses = _addresses


def is_loopback(host: str | None) -> bool:
    """Whether a URL's host names this machine without any look-up."""
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def loopback_candidates(only_loopback: bool) -> Iterator[None]:
    """Gather 127.0.0.1 alone while inside, if asked to."""
    token = _only_loopback.set(only_loopback)
    try:
        yield
    finally:
        _only_loopback.reset(token)
