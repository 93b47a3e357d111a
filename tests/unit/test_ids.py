"""Ids sort by time; tokens are long, and only their hash is kept."""

from server.ids import ID_LENGTH, new_id, new_token, token_hash


def test_an_id_is_a_ulid() -> None:
    assert len(new_id()) == ID_LENGTH
    assert new_id() != new_id()


def test_a_token_says_its_kind_and_is_hard_to_guess() -> None:
    token = new_token("yi")
    assert token.startswith("yi_")
    assert len(token) > 40
    assert token != new_token("yi")


def test_the_hash_does_not_hold_the_token() -> None:
    token = new_token("yp")
    assert token not in token_hash(token)
    assert token_hash(token) == token_hash(token) != token_hash(new_token("yp"))
