"""Reading JSON that strangers wrote: nothing in it can exhaust the stack, and its texts can be stored and printed.

py-evm raises the interpreter's recursion limit so far that brackets in brackets end the process, not the parsing;
so their depth is looked at before the parser is.
"""

import json
import re
from collections.abc import Callable
from typing import Any

DEEPEST = 64
"""Brackets in each other; nothing that belongs here needs more than a dozen."""
BRACKETS_MAX = 400_000
"""Pairs of brackets in one text: an empty list takes two characters here and thirty times that in memory."""

# A string without an end reaches to the end of the text: the parser refuses it, and nothing is searched twice.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKET = re.compile(r"[^\[\]{}]++")


def read_json(text: str | bytes, *, object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:  # noqa: ANN401  any JSON value
    """The value in `text`, UTF-8 if it is bytes. Raises ValueError for everything that is not safe JSON."""
    # Other encodings than UTF-8, which the parser would guess, could hide brackets from `check_depth`.
    words = text.decode() if isinstance(text, bytes) else text
    if words.count("[") + words.count("{") > BRACKETS_MAX:
        raise ValueError(f"more than {BRACKETS_MAX} lists and objects")
    check_depth(words)
    value = json.loads(words, object_pairs_hook=object_pairs_hook)
    if "\\u" in words:
        json.dumps(value, ensure_ascii=False).encode()  # refuses halves of characters, which nobody could print
        if "\\u0000" in words:
            raise ValueError("a text holds the character zero, which cannot be stored")
    return value


def check_depth(text: str) -> None:
    """Raise ValueError for brackets that do not match or are too deep in each other."""
    brackets = _NO_BRACKET.sub("", _STRING.sub("", text))
    for _ in range(DEEPEST):
        inner = brackets
        brackets = inner.replace("[]", "").replace("{}", "")
        if len(brackets) == len(inner):
            break
    if brackets:
        raise ValueError(f"a bracket without its counterpart, or more than {DEEPEST} brackets in each other")
