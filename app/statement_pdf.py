"""A statement on paper: a tagged PDF that screen readers understand (PDF/UA), made by WeasyPrint."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.languages import translations
from app.statements import ITEM_TEXT, Statement

if TYPE_CHECKING:
    from app.web.formats import Formats

WEB = Path(__file__).parent / "web"


def statement_html(statement: Statement, fmt: "Formats", *, now_s: int) -> str:
    """The paper form of a statement; every amount is the cents of the same lines as on the page."""
    template = _environment(fmt.language).get_template("paper/statement.html")
    return template.render(statement=statement, fmt=fmt, now_s=now_s, item_text=ITEM_TEXT, money=fmt.cents)


def statement_pdf(statement: Statement, fmt: "Formats", *, now_s: int) -> bytes:
    """The statement as PDF/UA-1. Nothing is fetched: fonts and styles lie beside the program."""
    # WeasyPrint takes a third of a second to import; only who wants a PDF pays for it.
    from weasyprint import CSS, HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    fonts = FontConfiguration()
    files_alone = URLFetcher(allowed_protocols=("file",))
    document = HTML(string=statement_html(statement, fmt, now_s=now_s), url_fetcher=files_alone)
    style = CSS(filename=str(WEB / "templates" / "paper" / "statement.css"), url_fetcher=files_alone, font_config=fonts)
    written = document.write_pdf(stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1")
    assert isinstance(written, bytes)
    return written


@cache
def _environment(language: str) -> Environment:
    paper = Environment(
        loader=FileSystemLoader(WEB / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    texts = translations(language)
    # The extension's newer style, which pages use too: values are put in by name, and escaped.
    vars(paper)["install_gettext_callables"](texts.ugettext, texts.ungettext, newstyle=True)
    return paper
