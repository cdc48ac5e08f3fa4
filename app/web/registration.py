"""How the pages join the application: blueprints, and what every template knows."""

from typing import Any

from flask import Flask, request, url_for
from flask_login import current_user

from app.web.context import page
from app.web.language import language_values, set_up_languages
from app.web.navigation import navigation
from app.web.views import blueprints
from app.web.views.assets import asset, stylesheet_version
from app.web.views.notices import unread_count
from app.web.views.public import GATE_MINUTES, THEMES


def add_pages(app: Flask) -> None:
    """Register every page."""
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    set_up_languages(app)
    app.context_processor(page_values)
    app.context_processor(language_values)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["sentence"] = sentence


def sentence(text: str) -> str:
    """A remark with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def page_values() -> dict[str, Any]:
    """What the frame of every page shows."""
    present = page()
    viewer = current_user if current_user.is_authenticated else None
    theme = request.cookies.get("theme")
    return {
        "community": present.community,
        "fmt": present.fmt,
        "now_s": present.now_s,
        "minutes": present.minutes,
        "gate_minutes": GATE_MINUTES,
        "viewer": viewer,
        "unread_count": unread_count,
        "theme": theme if theme in THEMES else None,
        "navigation": navigation(viewer.roles if viewer else frozenset(), request.endpoint),
        "sign_in_url": url_for("auth.sign_in"),
        "sign_out_url": url_for("auth.sign_out"),
        "asset": asset,
        "stylesheet_version": stylesheet_version(),
    }
