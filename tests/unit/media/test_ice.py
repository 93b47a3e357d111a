import pytest
from aioice import stun

from server.media.bridge import BindingRequest, parse_binding_request
from server.media.ice import MAX_ADDRESSES, Address, IceLite

HERE, THERE = ("192.0.2.1", 1000), ("192.0.2.1", 2000)


def check(
    ice: IceLite, *, password: str | None = None, nominate: bool = False, ufrag: str | None = None
) -> BindingRequest:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag or ice.credentials.ufrag}:peer"
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 1
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity((password or ice.credentials.password).encode())
    parsed = parse_binding_request(bytes(message))
    assert parsed is not None
    return parsed


def test_an_authentic_check_proves_the_address_and_is_answered() -> None:
    ice = IceLite()
    request = check(ice)
    answer, proven = ice.check(request, HERE, 1.0)
    assert proven
    assert answer is not None
    response = stun.parse_message(answer)
    assert response.message_class == stun.Class.RESPONSE
    assert response.transaction_id == request.transaction_id
    assert response.attributes["XOR-MAPPED-ADDRESS"] == HERE
    assert response.check_message_integrity(ice.credentials.password.encode())
    assert ice.selected == HERE


def test_a_check_with_a_wrong_password_proves_nothing_and_gets_no_answer() -> None:
    ice = IceLite()
    assert ice.check(check(ice, password="x" * 24), HERE, 1.0) == (None, False)
    assert ice.selected is None
    assert ice.addresses == []


def test_a_check_with_an_unknown_name_gets_no_answer() -> None:
    ice = IceLite()
    assert ice.check(check(ice, ufrag="stranger"), HERE, 1.0) == (None, False)


def test_the_nominated_address_is_used_and_a_later_nomination_moves_it() -> None:
    ice = IceLite()
    ice.check(check(ice), HERE, 1.0)
    ice.check(check(ice), THERE, 1.0)
    assert ice.selected == HERE
    ice.check(check(ice, nominate=True), THERE, 1.0)
    assert ice.selected == THERE


def test_a_peer_that_moved_without_knowing_is_followed() -> None:
    ice = IceLite()
    ice.check(check(ice, nominate=True), HERE, 100.0)
    ice.check(check(ice), THERE, 102.0)
    assert ice.selected == HERE
    ice.check(check(ice), HERE, 104.0)
    ice.check(check(ice), THERE, 107.0)
    assert ice.selected == HERE
    ice.check(check(ice), THERE, 108.0)
    assert ice.selected == THERE


def test_a_restart_keeps_the_old_credentials_until_the_new_ones_are_nominated() -> None:
    ice = IceLite()
    old = ice.credentials
    ice.check(check(ice, nominate=True), HERE, 1.0)
    new = ice.restart()
    assert new != old
    late = check(ice, ufrag=old.ufrag, password=old.password, nominate=True)
    assert ice.check(late, HERE, 1.0)[1]
    assert ice.previous == old
    ice.check(check(ice, nominate=True), THERE, 1.0)
    assert ice.selected == THERE
    assert ice.previous is None
    assert ice.check(late, HERE, 1.0) == (None, False)


def test_two_restarts_in_a_row_keep_the_generation_that_works() -> None:
    ice = IceLite()
    old = ice.credentials
    ice.restart()
    ice.restart()
    assert ice.previous == old


def test_a_peer_that_claims_our_role_is_told_of_the_conflict() -> None:
    ice = IceLite()
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ice.credentials.ufrag}:peer"
    message.attributes["ICE-CONTROLLED"] = 1
    message.add_message_integrity(ice.credentials.password.encode())
    request = parse_binding_request(bytes(message))
    assert request is not None
    answer, proven = ice.check(request, HERE, 1.0)
    assert answer is not None
    assert not proven
    assert stun.parse_message(answer).error_code == 487


def test_a_peer_on_the_move_is_followed_and_of_its_addresses_the_oldest_go() -> None:
    dropped: list[Address] = []
    ice = IceLite(dropped.append)
    ice.check(check(ice, nominate=True), HERE, 1.0)
    on_the_way = [("192.0.2.1", port) for port in range(3000, 3000 + 3 * MAX_ADDRESSES)]
    assert all(ice.check(check(ice), source, 1.0)[1] for source in on_the_way)
    assert ice.addresses == [HERE, *on_the_way[1 - MAX_ADDRESSES :]]
    assert dropped == on_the_way[: 1 - MAX_ADDRESSES]
    assert ice.selected == HERE


def test_credentials_are_long_and_unlike() -> None:
    made = {IceLite().credentials for _ in range(50)}
    assert len(made) == 50
    assert all(len(item.ufrag) >= 4 and len(item.password) >= 22 for item in made)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\x00\x01\x00\x00",
        bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST, bytes(12))),
        bytes(stun.Message(stun.Method.BINDING, stun.Class.INDICATION, bytes(12))),
        b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x20\x00\x01\x00\x00\x00\x00",
        b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x06\x00\x01\xff\x00\x00\x00",
        b"\x0f\xff\x00\x00\x21\x12\xa4\x42" + bytes(12),
    ],
)
def test_what_is_no_authenticated_binding_request_is_ignored(datagram: bytes) -> None:
    assert parse_binding_request(datagram) is None
