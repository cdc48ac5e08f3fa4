"""The languages in which people read Commonwatt, and which of them a reader gets.

The program's own texts are written in English in its sources; every other language is one catalogue,
`app/translations/LANGUAGE/LC_MESSAGES/messages.po`, written by hand.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from babel import negotiate_locale
from babel.support import NullTranslations, Translations

SOURCE_LANGUAGE = "en"
# By tag, each in its own words.
LANGUAGES = {"en": "English", "de": "Deutsch"}
TRANSLATIONS = Path(__file__).parent / "translations"


def reader_language(chosen: str | None, accepted: Iterable[str], default: str) -> str:
    """What the reader chose, else the best of a browser's accepted languages (best first), else the community's."""
    if chosen in LANGUAGES:
        return chosen
    preferred = [tag.replace("-", "_") for tag in accepted]
    return negotiate_locale(preferred, list(LANGUAGES)) or default


@cache
def translations(language: str) -> NullTranslations:
    """The texts of a language, for what is written outside a request: paper and letters."""
    return Translations.load(TRANSLATIONS, [language])


def marked(text: str) -> str:
    """`text` as it is: marks a text of the sources for translation where it is shown, not where it stands."""
    return text
