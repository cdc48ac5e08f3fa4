"""Which language a request is answered in: pages in the reader's, programs always in English."""

from flask import Flask, g, has_request_context, request
from flask_babel import Babel, get_locale

from app.access import is_api_call
from app.languages import LANGUAGES, SOURCE_LANGUAGE, TRANSLATIONS, reader_language
from app.platform import platform

COOKIE = "language"


def set_up_languages(app: Flask) -> None:
    """Give templates and views their texts in the language of each request."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    Babel(app, default_locale=SOURCE_LANGUAGE, locale_selector=language)


def language() -> str:
    """The language of this request; outside one, the one the texts are written in."""
    if not has_request_context() or is_api_call():
        return SOURCE_LANGUAGE
    if "language" not in g:
        accepted = [tag for tag, _ in request.accept_languages]
        g.language = reader_language(request.cookies.get(COOKIE), accepted, platform().settings.web.language)
    return str(g.language)


def language_values() -> dict[str, object]:
    """What the frame of a page knows about languages."""
    return {"language": str(get_locale() or SOURCE_LANGUAGE), "languages": LANGUAGES}
