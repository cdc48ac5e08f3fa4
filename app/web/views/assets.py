"""Everything a page loads besides itself: one stylesheet made of parts, scripts, fonts, pictures."""

import hashlib
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request, url_for

from app.access import Access, declare

STATIC = Path(__file__).parent.parent / "static"
A_YEAR_S = 31_536_000

assets = Blueprint("assets", __name__, static_folder=STATIC, static_url_path="/assets")
declare(assets, Access.PUBLIC)


@cache
def stylesheet_text() -> str:
    """The parts of the design system in the order of their names."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((STATIC / "css").glob("*.css")))


@cache
def stylesheet_version() -> str:
    """Changes with the stylesheet, so that browsers may keep it for good."""
    return hashlib.sha256(stylesheet_text().encode()).hexdigest()[:12]


@cache
def _version(filename: str) -> str:
    return hashlib.sha256((STATIC / filename).read_bytes()).hexdigest()[:12]


def asset(filename: str) -> str:
    """Address of a static file, with its version."""
    return url_for("assets.static", filename=filename, v=_version(filename))


@assets.get("/assets/css/commonwatt.css")
def stylesheet() -> Response:
    """All parts in one file."""
    return Response(stylesheet_text(), content_type="text/css; charset=utf-8")


@assets.after_request
def keep(response: Response) -> Response:
    """A versioned address never changes its content."""
    if response.status_code == 200 and "v" in request.args:
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = A_YEAR_S
        response.cache_control.immutable = True
    return response
