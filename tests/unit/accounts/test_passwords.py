"""Password hashes."""

from server.accounts.passwords import hash_password, needs_rehash, verify_password


async def test_the_right_password_fits_and_another_does_not() -> None:
    stored = await hash_password("青山 and blue sea")
    assert stored.startswith("$argon2id$")
    assert await verify_password(stored, "青山 and blue sea")
    assert not await verify_password(stored, "青山 and blue sky")
    assert not needs_rehash(stored)


async def test_without_an_account_no_password_fits_not_even_the_one_behind_the_dummy() -> None:
    assert not await verify_password(None, "anything")
    assert not await verify_password(None, "nobody has this password")


async def test_a_damaged_hash_fits_nothing() -> None:
    assert not await verify_password("not a hash", "anything")


def test_a_hash_with_weaker_parameters_is_to_be_made_again() -> None:
    assert needs_rehash(
        "$argon2id$v=19$m=8192,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Ys3xgXY0bHXpQ8IVa4fNUMZ1zS2yQy4mhAv6k5cO8aE"
    )
