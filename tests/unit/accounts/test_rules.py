"""The matrix of roles and actions."""

import pytest

from server.accounts.rules import PERMISSIONS, Actor, Role, system_actor
from server.errors import Forbidden


def actor(role: Role, inspection_id: str | None = None) -> Actor:
    return Actor(kind="staff", id="s", name="n", role=role, office_id="o", inspection_id=inspection_id)


def test_an_observer_and_an_auditor_change_nothing() -> None:
    looking = {
        "desk.view",
        "case.view",
        "inspection.view",
        "inspection.join",
        "archive.view",
        "archive.export",
        "access.view",
        "log.view",
    }
    assert PERMISSIONS["observer"] <= looking
    assert PERMISSIONS["auditor"] <= looking


def test_only_an_administrator_manages_people_and_tokens() -> None:
    for role, actions in PERMISSIONS.items():
        assert ("staff.manage" in actions) == (role == "administrator")
        assert ("token.manage" in actions) == (role == "administrator")


def test_requiring_what_the_role_does_not_allow_is_forbidden_and_says_what() -> None:
    with pytest.raises(Forbidden) as caught:
        actor("auditor").require("case.create")
    assert caught.value.params == {"action": "case.create"}


def test_a_participant_sees_only_the_inspection_they_joined() -> None:
    participant = actor("reviewer", inspection_id="one")
    assert participant.sees_inspection("one", "another office")
    assert not participant.sees_inspection("two", "o")


def test_staff_see_the_inspections_of_their_office() -> None:
    assert actor("reviewer").sees_inspection("any", "o")
    assert not actor("reviewer").sees_inspection("any", "another office")


def test_the_service_itself_acts_under_its_own_name() -> None:
    assert system_actor().as_record() == {
        "kind": "system",
        "id": "system",
        "name": "Yunkan",
        "role": "observer",
    }
