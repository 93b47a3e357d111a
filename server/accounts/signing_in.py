"""Sign-in and sign-out of staff, throttled for each user name and each address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts import throttle
from server.accounts.models import SignInFailures, Staff, StaffSession
from server.accounts.passwords import LONGEST, check_new, hash_password, needs_rehash, verify_password
from server.accounts.rules import Actor, Role
from server.db import Database
from server.errors import N_, Forbidden, Invalid, Throttled, Unauthenticated
from server.ids import new_token, token_hash

SESSION_PREFIX = "ys"


class WrongSignIn(Unauthenticated):
    """One error for an unknown user, a wrong password and a deactivated account: it tells a guesser nothing."""

    code = "wrong_sign_in"
    text = N_("The user name or the password is not right.")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: `token` goes into the cookie and is stored nowhere."""

    actor: Actor
    token: str
    expires_at: datetime


def normal_username(username: str) -> str:
    """User names do not differ by case or by spaces around them."""
    return username.strip().casefold()


def staff_actor(staff: Staff) -> Actor:
    role: Role = staff.role  # type: ignore[assignment]
    return Actor(kind="staff", id=staff.id, name=staff.name, role=role, office_id=staff.office_id)


async def sign_in(
    database: Database, *, username: str, password: str, address: str, now: datetime, session_hours: int
) -> SignedIn:
    """Open a session. WrongSignIn, or Throttled with `seconds`.

    It takes the database rather than a session because there are two transactions: the attempt is counted before
    the password is looked at, so that a thousand attempts at once cannot slip through, and no transaction is held
    open while the hash is computed.
    """
    username = normal_username(username)
    keys = {f"user:{username}"[:160]: throttle.FREE_PER_USERNAME}
    if address:
        keys[f"address:{address}"[:160]] = throttle.FREE_PER_ADDRESS
    async with database.transaction() as session:
        await _count_attempt(session, keys, now)
        staff = await session.scalar(select(Staff).where(Staff.username == username))
    known = staff.password_hash if staff is not None and staff.active else None
    matches = await verify_password(known, password[:LONGEST])
    if not matches or staff is None:
        raise WrongSignIn
    fresh_hash = await hash_password(password) if needs_rehash(staff.password_hash) else None
    token = new_token(SESSION_PREFIX)
    expires_at = now + timedelta(hours=session_hours)
    async with database.transaction() as session:
        await _forgive(session, keys)
        await session.execute(delete(StaffSession).where(StaffSession.expires_at <= now))
        if fresh_hash is not None:
            await session.execute(update(Staff).where(Staff.id == staff.id).values(password_hash=fresh_hash))
        session.add(
            StaffSession(
                token_hash=token_hash(token), staff_id=staff.id, created_at=now, expires_at=expires_at
            )
        )
    return SignedIn(staff_actor(staff), token, expires_at)


@dataclass(frozen=True, slots=True)
class FailedSignIn:
    """An attempt for the access log. `account` and `office_id` are empty where there is no such account: what was
    typed as a name is kept nowhere, for it may be a password.
    """

    account: str
    office_id: str
    code: str


async def find_failed(session: AsyncSession, username: str, code: str) -> FailedSignIn:
    """Whom somebody wanted to be."""
    staff = await session.scalar(select(Staff).where(Staff.username == normal_username(username)))
    return FailedSignIn(staff.username, staff.office_id, code) if staff else FailedSignIn("", "", code)


async def change_password(
    database: Database, actor: Actor, session_token: str, *, current: str, new: str, again: str, now: datetime
) -> None:
    """One's own: it ends one's other sessions, not the one that asks. Invalid names the field; Throttled as in
    `sign_in`, for who sits at somebody's open desk guesses too. Forbidden for who has no password: tokens, guests.
    """
    async with database.transaction() as session:
        staff = await session.get(Staff, actor.id) if actor.kind == "staff" else None
        if staff is None:
            raise Forbidden
        keys = {f"user:{staff.username}"[:160]: throttle.FREE_PER_USERNAME}
        await _count_attempt(session, keys, now)
    if not await verify_password(staff.password_hash, current[:LONGEST]):
        raise Invalid({"current": N_("This is not your password.")})
    problems = check_new("new", new)
    if not problems and again != new:
        problems = {"again": N_("The two new passwords differ.")}
    async with database.transaction() as session:
        await _forgive(session, keys)
    if problems:
        raise Invalid(problems)
    fresh_hash = await hash_password(new)
    async with database.transaction() as session:
        await session.execute(update(Staff).where(Staff.id == staff.id).values(password_hash=fresh_hash))
        await session.execute(
            delete(StaffSession).where(
                StaffSession.staff_id == staff.id, StaffSession.token_hash != token_hash(session_token)
            )
        )


async def sign_out(session: AsyncSession, session_token: str) -> None:
    """Forget the session; nothing happens if there is none."""
    await session.execute(delete(StaffSession).where(StaffSession.token_hash == token_hash(session_token)))


async def find_staff_actor(session: AsyncSession, session_token: str, now: datetime) -> Actor | None:
    """Who is signed in with this session cookie."""
    staff = await session.scalar(
        select(Staff)
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .where(
            StaffSession.token_hash == token_hash(session_token), StaffSession.expires_at > now, Staff.active
        )
    )
    return staff_actor(staff) if staff is not None else None


async def _count_attempt(session: AsyncSession, keys: dict[str, int], now: datetime) -> None:
    """Count the attempt as if it failed; Throttled (and not counted) if one of the keys has to wait."""
    for key, free in keys.items():
        row = await _failures_of(session, key, now)
        if seconds := throttle.wait_s(row.count, row.last_at, now, free=free):
            raise Throttled(seconds=seconds)
        is_old = now - row.last_at >= throttle.FORGOTTEN_AFTER
        row.count = 1 if is_old else row.count + 1
        row.last_at = now


async def _failures_of(session: AsyncSession, key: str, now: datetime) -> SignInFailures:
    """The key's row, locked; a new one with count 0 for a key that never failed."""
    query = select(SignInFailures).where(SignInFailures.key == key).with_for_update()
    row = await session.scalar(query)
    if row is not None:
        return row
    try:
        async with session.begin_nested():
            fresh = SignInFailures(key=key, count=0, last_at=now)
            session.add(fresh)
        return fresh
    except IntegrityError:  # somebody else's first attempt at the same moment
        return (await session.scalars(query)).one()


async def _forgive(session: AsyncSession, keys: dict[str, int]) -> None:
    """A success clears the user name; the address only gets this attempt back, or one own account would
    clear the way for guessing the others."""
    for key in keys:
        if key.startswith("user:"):
            await session.execute(delete(SignInFailures).where(SignInFailures.key == key))
        else:
            await session.execute(
                update(SignInFailures)
                .where(SignInFailures.key == key, SignInFailures.count > 0)
                .values(count=SignInFailures.count - 1)
            )
