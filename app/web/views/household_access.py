"""The blueprint of a household's pages: for members alone, each seeing only their own home."""

from flask import Blueprint

from app.access import Access, declare, viewer

household = Blueprint("household", __name__)
declare(household, Access.HOUSEHOLD)

LATEST_S = 4_102_444_800
"""2100-01-01: beyond it an address is no moment of a community."""


def participant_id() -> str:
    """The member who is signed in: every household query filters by this."""
    return viewer().id
