"""ICE lite (RFC 8445 section 2.5): we answer checks on a known address and never send any.

The peer is the controlling side and finds the way, through NAT and TURN where need be; whatever address its
authenticated checks come from is its address. So candidates of the peer are not needed, trickled ones are ignored,
and a peer whose address changes in mid-stream simply goes on.
"""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from .bridge import BindingRequest, binding_error, binding_success

Address = tuple[str, int]

_ALPHABET = string.ascii_letters + string.digits
# A peer behind several NATs or TURN servers uses a handful; more is somebody playing.
MAX_ADDRESSES = 16
# A NAT that gives the peer another address in mid-stream: the peer does not know, and not every client nominates
# again. When checks come from elsewhere and no longer from the selected address, the peer has moved. (Browsers check
# the selected pair every 2.5 s at least.)
MOVED_AFTER_S = 3.5


def _token(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass(frozen=True, slots=True)
class Credentials:
    ufrag: str
    password: str

    @classmethod
    def generate(cls) -> "Credentials":
        return cls(_token(8), _token(24))


class IceLite:
    """The state of one session: which credentials are good, which addresses are the peer's, which one is in use."""

    def __init__(self, on_dropped: Callable[[Address], None] = lambda _: None) -> None:
        """`on_dropped` is told an address that is the peer's no more."""
        self._on_dropped = on_dropped
        self.credentials = Credentials.generate()
        self.previous: Credentials | None = None
        "The generation before a restart: good until the new one is nominated."
        self.addresses: list[Address] = []
        self.selected: Address | None = None
        self._confirmed_s = 0.0  # when the selected address was last checked

    def restart(self) -> Credentials:
        """New credentials (RFC 8445 section 9); media goes on as before until the peer has chosen anew."""
        self.previous = self.previous or self.credentials
        self.credentials = Credentials.generate()
        return self.credentials

    def check(self, request: BindingRequest, source: Address, now: float) -> tuple[bytes | None, bool]:
        """Judges a binding request: (answer or None to stay silent, whether `source` is proven to be the peer's)."""
        credentials = self._credentials_for(request.local_ufrag)
        if credentials is None or not request.is_authentic(credentials.password):
            return None, False
        if request.peer_is_controlled:
            return binding_error(request, 487, "Role Conflict", credentials.password), False
        if source not in self.addresses:
            self.addresses.append(source)
            self._drop_oldest()
        if request.nominates and (credentials is self.credentials or self.previous is None):
            self.selected = source
            self.previous = None
        elif self.selected is None or now - self._confirmed_s > MOVED_AFTER_S:
            self.selected = source
        if source == self.selected:
            self._confirmed_s = now
        return binding_success(request, (source[0], source[1]), credentials.password), True

    def _drop_oldest(self) -> None:
        """A phone that is on the move for an hour has had many."""
        if len(self.addresses) > MAX_ADDRESSES:
            oldest = next(address for address in self.addresses if address != self.selected)
            self.addresses.remove(oldest)
            self._on_dropped(oldest)

    def _credentials_for(self, ufrag: str) -> Credentials | None:
        if secrets.compare_digest(ufrag.encode(), self.credentials.ufrag.encode()):
            return self.credentials
        if self.previous is not None and ufrag == self.previous.ufrag:
            return self.previous
        return None
