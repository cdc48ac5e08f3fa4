"""The parts of Flask-Babel that are used, with types: the package itself brings none."""

from collections.abc import Callable

from babel import Locale
from flask import Flask

class Babel:
    """Gives an application its translations."""

    def __init__(self, app: Flask, *, default_locale: str, locale_selector: Callable[[], str | None]) -> None: ...

def gettext(text: str, **variables: object) -> str:
    """`text` in the language of the request, with its variables put in."""

def ngettext(singular: str, plural: str, num: int, **variables: object) -> str:
    """The form that suits `num`, which is a variable too."""

def lazy_gettext(text: str, **variables: object) -> str:
    """Like gettext, but looked up when it is shown. Behaves like a text; `str()` makes it one."""

def get_locale() -> Locale | None:
    """The locale of the request, None outside one."""
