"""Offices, their staff and their API tokens. Sign-in is in `signing_in`, and offered here too."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.accounts.models import ApiToken, Office, Staff, StaffSession
from server.accounts.passwords import check_new, hash_password
from server.accounts.rules import PERMISSIONS, STAFF_ROLES, Actor, Role
from server.accounts.signing_in import (
    SignedIn,
    WrongSignIn,
    change_password,
    find_failed,
    find_staff_actor,
    normal_username,
    sign_in,
    sign_out,
)
from server.errors import N_, Conflict, Invalid, NotFound
from server.ids import new_token, token_hash

__all__ = [
    "SignedIn",
    "WrongSignIn",
    "change_password",
    "create_api_token",
    "create_office",
    "create_staff",
    "find_failed",
    "find_staff_actor",
    "find_token_actor",
    "get_api_token",
    "get_office",
    "get_staff",
    "list_api_tokens",
    "list_staff",
    "reset_password",
    "revoke",
    "set_active",
    "sign_in",
    "sign_out",
    "update_office",
]

TOKEN_PREFIX = "yk"  # noqa: S105 - a prefix, not a secret


class StaffNotFound(NotFound):
    code = "staff_not_found"
    text = N_("There is no such person in your office.")


class TokenNotFound(NotFound):
    code = "token_not_found"
    text = N_("There is no such token in your office.")


class OwnAccount(Conflict):
    code = "own_account"
    text = N_("Nobody can switch off their own account.")


class LastAdministrator(Conflict):
    code = "last_administrator"
    text = N_("An office needs at least one active administrator.")


async def find_token_actor(session: AsyncSession, bearer: str, now: datetime) -> Actor | None:
    """Which program sends this API token; None if it is unknown, revoked or expired."""
    if not bearer.startswith(f"{TOKEN_PREFIX}_"):
        return None
    token = await session.scalar(
        select(ApiToken).where(ApiToken.token_hash == token_hash(bearer), ApiToken.revoked_at.is_(None))
    )
    if token is None or (token.expires_at is not None and token.expires_at <= now):
        return None
    role: Role = token.role  # type: ignore[assignment]
    return Actor(kind="token", id=token.id, name=token.name, role=role, office_id=token.office_id)


async def create_office(
    session: AsyncSession, *, name: str, region_code: str = "", phone: str = "", now: datetime
) -> Office:
    """A new office. Invalid without a name."""
    _check_office(name, region_code, phone)
    office = Office(name=name.strip(), region_code=region_code.strip(), phone=phone.strip(), created_at=now)
    session.add(office)
    await session.flush()
    return office


async def get_office(session: AsyncSession, office_id: str) -> Office:
    return (await session.scalars(select(Office).where(Office.id == office_id))).one()


async def update_office(
    session: AsyncSession, actor: Actor, *, name: str, region_code: str, phone: str
) -> None:
    """Change the data of the actor's own office."""
    actor.require("staff.manage")
    _check_office(name, region_code, phone)
    await session.execute(
        update(Office)
        .where(Office.id == actor.office_id)
        .values(name=name.strip(), region_code=region_code.strip(), phone=phone.strip())
    )


async def create_staff(
    session: AsyncSession,
    *,
    office_id: str,
    username: str,
    name: str,
    role: str,
    password: str,
    certificate_number: str = "",
    now: datetime,
) -> Staff:
    """A new account. Invalid names every field that cannot be taken, a user name in use among them."""
    username, name = normal_username(username), name.strip()
    problems: dict[str, str] = {}
    if not username or len(username) > 80 or not username.isprintable() or " " in username:
        problems["username"] = N_("Give a user name of at most 80 characters, without spaces.")
    elif await session.scalar(select(Staff.id).where(Staff.username == username)):
        problems["username"] = N_("This user name is taken.")
    if not name or len(name) > 80:
        problems["name"] = N_("Give the person's name (at most 80 characters).")
    if role not in STAFF_ROLES:
        problems["role"] = N_("Choose one of the roles.")
    if len(certificate_number) > 40:
        problems["certificate_number"] = N_("This is longer than 40 characters.")
    problems |= check_new("password", password)
    if problems:
        raise Invalid(problems)
    staff = Staff(
        office_id=office_id,
        username=username,
        name=name,
        role=role,
        certificate_number=certificate_number.strip(),
        password_hash=await hash_password(password),
        active=True,
        created_at=now,
    )
    session.add(staff)
    await session.flush()
    return staff


async def list_staff(session: AsyncSession, office_id: str, *, active_only: bool = False) -> list[Staff]:
    """The office's people by name, deactivated ones last."""
    query = select(Staff).where(Staff.office_id == office_id).order_by(Staff.active.desc(), Staff.name)
    if active_only:
        query = query.where(Staff.active)
    return list(await session.scalars(query))


async def get_staff(session: AsyncSession, actor: Actor, staff_id: str) -> Staff:
    """A person of the actor's own office, or StaffNotFound."""
    staff = await session.scalar(
        select(Staff).where(Staff.id == staff_id, Staff.office_id == actor.office_id)
    )
    if staff is None:
        raise StaffNotFound(staff_id=staff_id)
    return staff


async def set_active(session: AsyncSession, actor: Actor, staff_id: str, *, active: bool) -> Staff:
    """Switch an account on or off; off ends its sessions at once. LastAdministrator if nobody would be left."""
    actor.require("staff.manage")
    staff = await get_staff(session, actor, staff_id)
    if not active and staff.id == actor.id:
        raise OwnAccount
    if not active and staff.role == "administrator":
        # Two administrators who switch each other off at once must not both succeed.
        await session.execute(select(Office.id).where(Office.id == actor.office_id).with_for_update())
        others = await session.scalar(
            select(func.count())
            .select_from(Staff)
            .where(
                Staff.office_id == actor.office_id,
                Staff.role == "administrator",
                Staff.active,
                Staff.id != staff_id,
            )
        )
        if not others:
            raise LastAdministrator
    staff.active = active
    if not active:
        await session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    return staff


async def reset_password(session: AsyncSession, actor: Actor, staff_id: str, password: str) -> Staff:
    """Give a person a new password; it ends their sessions."""
    actor.require("staff.manage")
    staff = await get_staff(session, actor, staff_id)
    if problems := check_new("password", password):
        raise Invalid(problems)
    staff.password_hash = await hash_password(password)
    await session.execute(delete(StaffSession).where(StaffSession.staff_id == staff_id))
    return staff


async def create_api_token(
    session: AsyncSession,
    office_id: str,
    name: str,
    role: str,
    now: datetime,
    *,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown once and stored nowhere."""
    problems: dict[str, str] = {}
    if not name.strip() or len(name) > 80:
        problems["token_name"] = N_("Say what the token is for (at most 80 characters).")
    if role not in PERMISSIONS or role not in STAFF_ROLES:
        problems["token_role"] = N_("Choose one of the roles.")
    if problems:
        raise Invalid(problems)
    secret = new_token(TOKEN_PREFIX)
    token = ApiToken(
        office_id=office_id,
        name=name.strip(),
        role=role,
        token_hash=token_hash(secret),
        created_at=now,
        expires_at=expires_at,
    )
    session.add(token)
    await session.flush()
    return token, secret


async def list_api_tokens(session: AsyncSession, office_id: str) -> list[ApiToken]:
    """The office's tokens, newest first, revoked ones too."""
    query = select(ApiToken).where(ApiToken.office_id == office_id).order_by(ApiToken.id.desc())
    return list(await session.scalars(query))


async def get_api_token(session: AsyncSession, actor: Actor, token_id: str) -> ApiToken:
    """A token of the actor's own office, or TokenNotFound."""
    token = await session.scalar(
        select(ApiToken).where(ApiToken.id == token_id, ApiToken.office_id == actor.office_id)
    )
    if token is None:
        raise TokenNotFound(token_id=token_id)
    return token


async def revoke(session: AsyncSession, actor: Actor, token_id: str, now: datetime) -> None:
    """Make a token useless from now on; revoking it twice changes nothing."""
    actor.require("token.manage")
    token = await get_api_token(session, actor, token_id)
    if token.revoked_at is None:
        token.revoked_at = now


def _check_office(name: str, region_code: str, phone: str) -> None:
    problems: dict[str, str] = {}
    if not name.strip() or len(name) > 200:
        problems["office_name"] = N_("Give the office's name (at most 200 characters).")
    if region_code and not (region_code.strip().isdecimal() and len(region_code.strip()) in (6, 9, 12)):
        problems["region_code"] = N_("A region code has 6, 9 or 12 digits.")
    if len(phone) > 40:
        problems["phone"] = N_("This is longer than 40 characters.")
    if problems:
        raise Invalid(problems)
