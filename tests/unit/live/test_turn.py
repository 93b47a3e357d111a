from datetime import UTC, datetime, timedelta

from server.live.turn import ice_servers, links

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
URLS = ["turn:192.0.2.1:3478?transport=udp", "turns:192.0.2.1:443?transport=tcp"]


def test_without_turn_servers_there_is_nothing_to_tell() -> None:
    assert ice_servers([], "", "ann", NOW, timedelta(hours=1)) == []
    assert links([]) == []


def test_credentials_are_of_one_participant_and_run_out() -> None:
    (server,) = ice_servers(URLS, "north", "ann", NOW, timedelta(hours=12))
    # As coturn's own utility makes it: printf 1795305600:ann | openssl dgst -sha1 -hmac north -binary | base64
    assert server == {
        "urls": URLS,
        "username": "1795305600:ann",
        "credential": "5TRnAfat3fS8hx0EuXOWp9GVqYg=",
    }
    (other,) = ice_servers(URLS, "north", "ben", NOW, timedelta(hours=12))
    assert other["credential"] != server["credential"]


def test_each_address_is_a_link() -> None:
    found = links(ice_servers(URLS, "north", "ann", NOW, timedelta(hours=12)))
    assert [link.partition(">")[0] for link in found] == [f"<{url}" for url in URLS]
    assert all(
        'rel="ice-server"; username="1795305600:ann"' in link and 'credential-type="password"' in link
        for link in found
    )
