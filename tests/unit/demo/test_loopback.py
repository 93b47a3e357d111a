"""Host candidates on this machine alone, and the one name of aioice that is replaced for them."""

import inspect

import aioice.ice
import pytest

from server.demo.loopback import is_loopback, loopback_candidates


def test_aioice_asks_for_its_addresses_by_the_name_that_we_replace() -> None:
    assert "get_host_addresses(" in inspect.getsource(aioice.ice.Connection.gather_candidates)
    source = inspect.getsource(aioice.ice)
    assert "def get_host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:" in source


async def gathered() -> set[str]:
    connection = aioice.ice.Connection(ice_controlling=True, stun_server=None)
    try:
        await connection.gather_candidates()
        return {candidate.host for candidate in connection.local_candidates}
    finally:
        await connection.close()


async def test_only_inside_are_candidates_of_loopback_and_no_others() -> None:
    with loopback_candidates(True):
        assert await gathered() == {"127.0.0.1"}
    with loopback_candidates(False):
        assert "127.0.0.1" not in await gathered()
    assert "127.0.0.1" not in await gathered()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("192.0.2.1", False),
        ("a.example", False),
        (None, False),
    ],
)
def test_a_host_is_loopback_without_looking_it_up(host: str | None, expected: bool) -> None:
    assert is_loopback(host) is expected
