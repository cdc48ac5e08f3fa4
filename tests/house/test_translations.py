"""Every language says everything that English says, with the same values and links in it."""

import re
import subprocess
import sys

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from house_sources import ROOT

from app.languages import LANGUAGES, SOURCE_LANGUAGE, TRANSLATIONS

PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
TAG = re.compile(r"<[^>]*>")
TRANSLATED = [tag for tag in LANGUAGES if tag != SOURCE_LANGUAGE]


def messages_of(tag: str) -> list[Message]:
    with (TRANSLATIONS / tag / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return [message for message in read_po(file, locale=tag) if message.id]


def pairs(message: Message) -> list[tuple[str, str]]:
    """Each form of a text beside its translation; the last English form stands for further ones."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    said = message.string if isinstance(message.string, tuple) else (message.string,)
    return [(message.id[min(index, 1)], form) for index, form in enumerate(said)]


def test_catalogues_are_what_the_sources_give() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/messages.py", "--check"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("tag", TRANSLATED)
def test_no_text_is_left_untranslated(tag: str) -> None:
    assert [said for message in messages_of(tag) for said, meant in pairs(message) if not meant] == []


@pytest.mark.parametrize("tag", TRANSLATED)
def test_a_translation_has_the_values_and_the_markup_of_its_text(tag: str) -> None:
    different = [
        (said, meant)
        for message in messages_of(tag)
        for said, meant in pairs(message)
        if set(PLACEHOLDER.findall(said)) != set(PLACEHOLDER.findall(meant))
        or TAG.findall(said) != TAG.findall(meant)
        or said.count("%%") != meant.count("%%")
    ]
    assert different == []


@pytest.mark.parametrize("tag", TRANSLATED)
def test_a_translation_ends_as_its_text_does(tag: str) -> None:
    """A full stop that is missing tells that half a sentence was forgotten."""
    ends = ".:?"
    different = [
        (said, meant)
        for message in messages_of(tag)
        for said, meant in pairs(message)
        if (said[-1] in ends or meant[-1] in ends) and said[-1] != meant[-1]
    ]
    assert different == []
