"""Server-rendered pages for households and operators."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def register(app: "Flask") -> None:
    """Add the pages to the application. Imported late: other parts of `app` need no web server."""
    from app.web.registration import add_pages

    add_pages(app)
