"""Every page and operation with every role: what somebody may open is written here by hand, not taken from the program.

ASVS v5.0.0-8.2.1, v5.0.0-8.3.1 (deny by default, decided on the server).
"""

import re
from contextlib import suppress

import pytest
from flask import Flask
from sqlalchemy import Engine

from app.access import Access, rule_of
from app.errors import InputError
from app.roles import STAFF, give_roles
from app.storage.database import writing
from app.storage.store.members import Participant, add_participant
from tests.app.neighbourhood import NOON_S
from tests.app.street_server import member

# The first that fits; what is on no line is a member's own.
MAY_OPEN = (
    (r"/operator/(network|rounds)(/.*)?|/api/v1/envelopes/feeders", {"operator", "grid_viewer"}),
    (r"/api/v1/gateways", {"operator", "grid_viewer", "support"}),
    (r"/operator(/.*)?|/api/v1/(settlement|operator|gateways|members|tariffs)(/.*)?", {"operator"}),
    (r"/treasury(/.*)?|/api/v1/treasury(/.*)?", {"operator", "treasurer"}),
)


@pytest.mark.parametrize("role", STAFF)
def test_staff_opens_what_its_role_is_for_and_nothing_else(web_app: Flask, community: Engine, role: str) -> None:
    with writing(community) as connection:
        add_participant(connection, Participant(id="staff", display_name="Sam", role=role))
    web_app.testing = False  # who may open a page is asked here, not whether made-up addresses lead somewhere
    client, opened = member(web_app, "staff"), 0
    for rule in web_app.url_map.iter_rules():
        declared = rule_of(web_app, rule.endpoint)
        if declared in {Access.PUBLIC, Access.SIGNATURE, Access.GATEWAY, Access.SIGNED_IN} or "GET" not in rule.methods:
            continue
        for value in (1, "x"):
            with suppress(ValueError):
                path = web_app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, value))
        may = next((roles for pattern, roles in MAY_OPEN if re.fullmatch(pattern, path)), {"household"})
        assert (client.get(path).status_code != 403) == (role in may), (role, path)
        opened += role in may
    assert opened or role == "support"


def test_roles_are_given_and_taken_but_never_the_last_operators(community: Engine) -> None:
    with writing(community) as connection:
        anna = give_roles(connection, "anna", ["treasurer", "grid_viewer"], actor="olga", now_s=NOON_S)
        assert anna.roles == {"household", "treasurer", "grid_viewer"}
        assert give_roles(connection, "anna", [], actor="olga", now_s=NOON_S).roles == {"household"}
        for wrong in (["treasurer"], [], ["king"], ["household"]):
            with pytest.raises(InputError):
                give_roles(connection, "olga", wrong, actor="olga", now_s=NOON_S)
        give_roles(connection, "anna", ["operator"], actor="olga", now_s=NOON_S)
        assert give_roles(connection, "olga", ["treasurer"], actor="anna", now_s=NOON_S).roles == {"treasurer"}
