"""Credentials for a TURN server that shares a secret with us. Pure.

draft-uberti-behave-turn-rest-00; in coturn `use-auth-secret`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any


def ice_servers(
    urls: Sequence[str], secret: str, participant: str, now: datetime, lifetime: timedelta
) -> list[dict[str, Any]]:
    """What a browser takes as `iceServers`: empty without `urls`. The user name carries the time of expiry and the
    participant, so that the TURN server's log can be read; the password is good until then."""
    if not urls:
        return []
    username = f"{int((now + lifetime).timestamp())}:{participant}"
    # The scheme has SHA-1, as TURN servers implement it.
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return [{"urls": list(urls), "username": username, "credential": base64.b64encode(digest).decode()}]


def links(servers: Sequence[dict[str, Any]]) -> list[str]:
    """The servers as values of `Link` headers (RFC 9725 section 4.6), one for each URL."""
    return [
        f'<{url}>; rel="ice-server"; username="{server["username"]}"; '
        f'credential="{server["credential"]}"; credential-type="password"'
        for server in servers
        for url in server["urls"]
    ]
