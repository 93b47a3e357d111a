"""Every route with every role: the matrix in `accounts.rules` is what decides, and nothing is open by oversight."""

from typing import Any

import pytest
from aiohttp import web

from server.accounts.rules import PERMISSIONS
from tests.cast import Appointment, Office
from tests.flows.browsing import Client
from tests.flows.rooms import join

ANYBODY = "anybody"
SIGNED_IN = "inspection.join, signed in"
"""Opening a console and having a password is for a person: a token is refused whatever its role."""
DECIDING = "archive.dispose, signed in"
"""The end of evidence is for two people to decide: a token is refused likewise."""
GUESTS = "participants"
"""Routes whose credential is a participant's or an invitation's token: the room's own tests cover them."""

WHO: dict[tuple[str, str], str] = {
    ("GET", "/verify"): ANYBODY,
    ("POST", "/verify"): ANYBODY,
    ("GET", "/sign-in"): ANYBODY,
    ("POST", "/sign-in"): ANYBODY,
    ("POST", "/sign-out"): ANYBODY,
    ("POST", "/language"): ANYBODY,
    ("GET", "/i18n/{language}.json"): ANYBODY,
    ("GET", "/api/openapi.json"): ANYBODY,
    ("GET", "/api/v1/log/head"): ANYBODY,
    ("GET", "/api/v1/log/heads/{head}"): ANYBODY,
    ("GET", "/api/v1/log/heads/{head}/stamps/{authority}"): ANYBODY,
    ("GET", "/api/v1/log/keys"): ANYBODY,
    ("GET", "/api/v1/log/consistency"): ANYBODY,
    ("GET", "/api/v1/log/inclusion"): ANYBODY,
    ("GET", "/"): "desk.view",
    ("GET", "/desk/now"): "desk.view",
    ("GET", "/account"): SIGNED_IN,
    ("POST", "/account/password"): SIGNED_IN,
    ("GET", "/admin"): "staff.manage",
    ("POST", "/admin/office"): "staff.manage",
    ("GET", "/admin/staff/new"): "staff.manage",
    ("POST", "/admin/staff"): "staff.manage",
    ("GET", "/admin/staff/{staff}"): "staff.manage",
    ("POST", "/admin/staff/{staff}/password"): "staff.manage",
    ("POST", "/admin/staff/{staff}/active"): "staff.manage",
    ("POST", "/admin/tokens"): "token.manage",
    ("GET", "/admin/tokens/{token}/revoke"): "token.manage",
    ("POST", "/admin/tokens/{token}/revoke"): "token.manage",
    ("GET", "/cases"): "case.view",
    ("GET", "/cases/{case}"): "case.view",
    ("GET", "/cases/new"): "case.create",
    ("POST", "/cases"): "case.create",
    ("GET", "/cases/{case}/close"): "case.edit",
    ("POST", "/cases/{case}/close"): "case.edit",
    ("GET", "/cases/{case}/materials/new"): "material.add",
    ("POST", "/cases/{case}/materials"): "material.add",
    ("GET", "/cases/{case}/materials/{material}"): "case.view",
    ("POST", "/api/v1/cases"): "case.create",
    ("GET", "/api/v1/cases"): "case.view",
    ("GET", "/api/v1/cases/{case}"): "case.view",
    ("GET", "/api/v1/cases/{case}/evidence"): "case.view",
    ("GET", "/cases/{case}/inspections/new"): "inspection.schedule",
    ("POST", "/cases/{case}/inspections"): "inspection.schedule",
    ("POST", "/api/v1/cases/{case}/inspections"): "inspection.schedule",
    ("GET", "/inspections/{inspection}"): "inspection.view",
    ("GET", "/inspections/{inspection}/reschedule"): "inspection.schedule",
    ("POST", "/inspections/{inspection}/reschedule"): "inspection.schedule",
    ("GET", "/inspections/{inspection}/cancel"): "inspection.schedule",
    ("POST", "/inspections/{inspection}/cancel"): "inspection.schedule",
    ("POST", "/api/v1/inspections/{inspection}/cancel"): "inspection.schedule",
    ("POST", "/inspections/{inspection}/invitations"): "inspection.invite",
    ("POST", "/inspections/{inspection}/invitations/{invitation}/renew"): "inspection.invite",
    ("GET", "/inspections/{inspection}/invitations/{invitation}/cancel"): "inspection.invite",
    ("POST", "/inspections/{inspection}/invitations/{invitation}/cancel"): "inspection.invite",
    ("POST", "/api/v1/inspections/{inspection}/invitations"): "inspection.invite",
    ("POST", "/inspections/{inspection}/result"): "inspection.conclude",
    ("POST", "/api/v1/inspections/{inspection}/result"): "inspection.conclude",
    ("GET", "/api/v1/inspections/{inspection}/events"): "inspection.view",
    ("GET", "/api/v1/inspections/{inspection}"): "inspection.view",
    ("POST", "/api/v1/inspections/{inspection}/pause"): "inspection.pause",
    ("POST", "/api/v1/inspections/{inspection}/resume"): "inspection.pause",
    ("POST", "/api/v1/inspections/{inspection}/end"): "inspection.end",
    ("GET", "/api/v1/inspections/{inspection}/checklist"): "inspection.view",
    ("GET", "/api/v1/inspections/{inspection}/continuity"): "inspection.view",
    ("GET", "/api/v1/inspections/{inspection}/snapshots/{snapshot}"): "inspection.view",
    ("GET", "/api/v1/inspections/{inspection}/photos/{photo}"): "inspection.view",
    ("GET", "/api/v1/parts/{part}/file"): "archive.view",
    ("GET", "/api/v1/inspections/{inspection}/seal"): "archive.view",
    ("GET", "/api/v1/inspections/{inspection}/package"): "archive.export",
    ("GET", "/inspections/{inspection}/package"): "archive.export",
    ("GET", "/api/v1/inspections/{inspection}/record"): "archive.view",
    ("GET", "/api/v1/inspections/{inspection}/accesses"): "access.view",
    ("GET", "/inspections/{inspection}/accesses"): "access.view",
    ("POST", "/inspections/{inspection}/accesses/check"): "access.view",
    ("GET", "/office-log/accesses"): "log.view",
    ("POST", "/office-log/accesses/check"): "log.view",
    ("POST", "/inspections/{inspection}/holds"): DECIDING,
    ("POST", "/inspections/{inspection}/holds/{hold}/lift"): DECIDING,
    ("POST", "/inspections/{inspection}/disposal"): DECIDING,
    ("POST", "/inspections/{inspection}/disposal/approve"): DECIDING,
    ("POST", "/inspections/{inspection}/disposal/withdraw"): DECIDING,
    ("GET", "/inspections/{inspection}/copies/new"): "archive.redact",
    ("POST", "/inspections/{inspection}/copies"): "archive.redact",
    ("GET", "/inspections/{inspection}/copies/{copy}/package"): "archive.export",
    ("POST", "/inspections/{inspection}/seal"): "inspection.conclude",
    ("GET", "/inspections/{inspection}/console"): "inspection.join",
    ("POST", "/inspections/{inspection}/join"): SIGNED_IN,
    ("GET", "/i/{token}"): GUESTS,
    ("GET", "/i/{token}/console"): GUESTS,
    ("GET", "/i/{token}/receipts"): GUESTS,
    ("POST", "/i/{token}/trouble"): GUESTS,
    ("POST", "/api/v1/join"): GUESTS,
    ("GET", "/office-log"): "log.view",
    ("GET", "/archive"): "archive.view",
    ("GET", "/retention"): "archive.view",
    ("GET", "/archive/{inspection}"): "archive.view",
}
"""Who may use a route: an action of the matrix, anybody, or guests."""


def routes_of(app: web.Application) -> list[tuple[str, str]]:
    found = [
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    ]
    return [entry for entry in found if not entry[1].startswith(("/static", "/live/"))]


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return path


async def status_of(client: Client, method: str, path: str, headers: dict[str, str]) -> int:
    sent: dict[str, Any] = {"json": {}} if path.startswith("/api/") else {"data": {}}
    async with client.request(
        method, path, headers=headers, allow_redirects=False, **(sent if method == "POST" else {})
    ) as response:
        return response.status


def test_every_route_says_who_may_use_it(app: web.Application) -> None:
    assert sorted(set(routes_of(app)) - set(WHO)) == []
    assert sorted(set(WHO) - set(routes_of(app))) == []


async def test_who_is_not_signed_in_gets_nothing(
    client: Client, app: web.Application, appointment: Appointment, office: Office
) -> None:
    ids = ids_of(appointment, office)
    for method, path in routes_of(app):
        if WHO[method, path] in (ANYBODY, GUESTS):
            continue
        # The header keeps the form token out of the question; the token in it is nobody's.
        status = await status_of(client, method, filled(path, ids), {"Authorization": "Bearer yk_x"})
        assert status == 401, f"{method} {path}: {status}"


@pytest.mark.parametrize("role", ["administrator", "reviewer", "auditor", "agent"])
async def test_a_role_gets_exactly_what_the_matrix_gives_it(
    client: Client, app: web.Application, appointment: Appointment, office: Office, role: str
) -> None:
    ids = ids_of(appointment, office)
    permitted = PERMISSIONS[role]  # type: ignore[index]
    for method, path in routes_of(app):
        action = WHO[method, path]
        if action in (ANYBODY, GUESTS):
            continue
        status = await status_of(client, method, filled(path, ids), office.bearer(role))
        if action in permitted:
            assert status not in (401, 403) and status < 500, f"{role} {method} {path}: {status}"
        else:
            # Which inspection a part belongs to is known only once the part is found.
            refusals = (403, 404) if "{part}" in path else (403,)
            assert status in refusals, f"{role} {method} {path}: {status}"


async def test_a_guest_with_a_reviewers_role_sees_nothing_of_the_office(
    client: Client, app: web.Application, appointment: Appointment, office: Office
) -> None:
    ids = ids_of(appointment, office)
    joined = await join(client, appointment.invitations["reviewer"])
    guest = {"Authorization": f"Bearer {joined['token']}"}
    own = {"inspection.view", "inspection.join", "inspection.pause", "inspection.end", "archive.view"}
    for method, path in routes_of(app):
        action = WHO[method, path]
        if action in (ANYBODY, GUESTS) or ("{inspection}" in path and action in own) or "{part}" in path:
            continue
        status = await status_of(client, method, filled(path, ids), guest)
        assert status == 403, f"{method} {path}: {status}"


def ids_of(appointment: Appointment, office: Office) -> dict[str, str]:
    """Real ones where there are some, so that a refusal is not a mere 404."""
    return {
        "case": appointment.case_id,
        "inspection": appointment.id,
        "staff": office.zhou.id,
        "token": "none",
        "material": "none",
        "part": "none",
        "snapshot": "none",
        "photo": "none",
        "copy": "none",
        "hold": "none",
        "invitation": "none",
    }
