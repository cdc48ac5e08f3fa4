"""No page carries words of its own: every text of a template goes through translation."""

import re

import pytest
from house_sources import ROOT
from jinja2 import Environment

TEMPLATES = ROOT / "app/web/templates"
# For programmers, and English as the API itself is.
ENGLISH = {"api/docs.html"}
PAGES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))
LEXER = Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True, autoescape=True)
TRANSLATING = {"_", "gettext", "ngettext"}
# Names, units and what is the same in every language.
SAME_EVERYWHERE = re.compile(r"\b(?:Commonwatt|PDF|CSV|JSON|kWh|kW|Wh|ct|MB|\w+\.csv)\b|&\w+;")
SHOWN_ATTRIBUTES = re.compile(r'\b(?:aria-label|placeholder|title|alt)="([^"]*)"')
NOT_SHOWN = re.compile(r"<!doctype[^>]*>|<(code|script)\b[^>]*>.*?</\1>|<[^>]*>", re.DOTALL)
WORDS = re.compile(r"[A-Za-z]{2,}")
# A string of a template that is one word with a capital or several words is there to be read; others are names.
READABLE = re.compile(r"^[A-Z][a-z]+$|^[A-Z][a-z]*\W.*[a-z.]$|^[a-z].* .*[a-z.]$")
CLASSES = re.compile(r"^[a-z0-9 _-]+$")


def parts(source: str) -> tuple[str, list[str]]:
    """A template without what Jinja computes, and the strings in it that are not translated."""
    text, strings, calls, block = "", [], [], [""]
    translating = False
    for _, kind, value in LEXER.lex(source):
        if kind == "data":
            text += "" if translating else value
        elif kind in {"variable_begin", "block_begin"}:
            block, text = [""], text + "\0"
        elif kind == "block_end":
            translating = (translating or block[1:2] == ["trans"]) and block[1:2] != ["endtrans"]
        elif kind in {"name", "operator", "string"}:
            if value == "(":
                calls.append(block[-1] in TRANSLATING)
            elif value == ")" and calls:
                calls.pop()
            elif kind == "string" and not any(calls) and block[1:2] != ["trans"]:
                strings.append(value[1:-1])
            block.append(value)
    return text, strings


def bare_words(source: str) -> list[str]:
    """The words of a template that are shown without being translated."""
    text, strings = parts(source)
    shown = [*SHOWN_ATTRIBUTES.findall(text), *NOT_SHOWN.sub("\0", text).split("\0")]
    bare = [each.strip() for each in shown if each and WORDS.search(SAME_EVERYWHERE.sub("", each))]
    return bare + [
        each for each in strings if READABLE.search(SAME_EVERYWHERE.sub("", each)) and not CLASSES.search(each)
    ]


def test_a_bare_word_is_found_wherever_it_stands() -> None:
    assert bare_words("<p>Bare</p>") == ["Bare"]
    assert bare_words('<a title="Bare word">{{ _("fine") }}</a>') == ["Bare word"]
    assert bare_words('<p>{{ "Two words" if x else _("Fine too") }}</p>') == ["Two words"]
    assert bare_words('<p class="two words">{{ name }} {% trans %}fine{% endtrans %} kWh</p>') == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ENGLISH])
def test_every_word_of_a_page_can_be_translated(page: str) -> None:
    assert bare_words((TEMPLATES / page).read_text(encoding="utf-8")) == []
