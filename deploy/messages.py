"""Collect the texts of the sources, carry them into every language's catalogue, and compile those.

usage: python deploy/messages.py [--check]

With --check nothing is written: exit code 1 and a line for each catalogue that is not as this program would write it.
A new language is its name in app/languages.py and one run of this program.
"""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from app.languages import LANGUAGES, SOURCE_LANGUAGE, TRANSLATIONS

ROOT = Path(__file__).parents[1]
METHODS = [("app/**.py", "python"), ("app/web/templates/**.html", "jinja2")]
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "lazy_gettext": None,
    "lazy_ngettext": (1, 2),
    "marked": None,
}
# A compiled catalogue must not change with the day it is compiled on.
NO_DATE = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = """\
# Commonwatt: {name}. `make messages` carries new texts in; translations are written by hand.
msgid ""
msgstr ""
"Language: {tag}\\n"
"Plural-Forms: {plural}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def collected() -> Catalog:
    """Every text of the sources, with the files it stands in: a line number would change with every edit."""
    catalog = Catalog()
    found = extract_from_dir(ROOT, METHODS, {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}, KEYWORDS)
    for file, _, text, _, context in found:
        catalog.add(text, locations=[(file, 0)], context=context)
    return catalog


def carried(tag: str, texts: Catalog) -> Catalog:
    """The catalogue of a language with exactly `texts`; what was translated before stays so."""
    path = TRANSLATIONS / tag / "LC_MESSAGES" / "messages.po"
    before = Catalog(locale=tag)
    if path.is_file():
        with path.open("rb") as file:
            before = read_po(file, locale=tag)
    after = Catalog(locale=tag, project="Commonwatt", creation_date=NO_DATE, revision_date=NO_DATE, fuzzy=False)
    for message in sorted(texts, key=lambda each: str(each.id)):
        if message.id:
            known = before.get(message.id if isinstance(message.id, str) else message.id[0], context=message.context)
            after.add(
                message.id,
                known.string if known is not None and isinstance(known.id, str) == isinstance(message.id, str) else "",
                locations=sorted(set(message.locations)),
                flags=message.flags,
                context=message.context,
            )
    return after


def written(tag: str, catalog: Catalog) -> dict[Path, bytes]:
    """The files of a catalogue: for people, and compiled."""
    folder = TRANSLATIONS / tag / "LC_MESSAGES"
    text, compiled = io.BytesIO(), io.BytesIO()
    write_po(text, catalog, omit_header=True, width=0, include_lineno=False)
    write_mo(compiled, catalog)
    header = HEADER.format(name=LANGUAGES[tag], tag=tag, plural=catalog.plural_forms)
    return {folder / "messages.po": header.encode() + text.getvalue(), folder / "messages.mo": compiled.getvalue()}


def is_translated(message: Message) -> bool:
    """Whether every form of it has a translation."""
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(forms)


def main(*, check: bool) -> int:
    """Write the catalogues, or tell which are not up to date."""
    texts = collected()
    stale = 0
    for tag in LANGUAGES:
        if tag == SOURCE_LANGUAGE:
            continue
        catalog = carried(tag, texts)
        missing = [message for message in catalog if message.id and not is_translated(message)]
        print(f"messages: {LANGUAGES[tag]}, {len(catalog)} texts, {len(missing)} to translate")  # noqa: T201  a program
        for path, content in written(tag, catalog).items():
            if path.is_file() and path.read_bytes() == content:
                continue
            stale += 1
            if check:
                print(f"messages: {path.relative_to(ROOT)} is not up to date: run make messages")  # noqa: T201  likewise
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
