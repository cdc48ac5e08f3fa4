"""Lines made from columns, against Python's own formatting and sorting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from market_cases import many

from matching.lines import decimals, lines, ranked, texts

LARGEST = 2**63 - 1
NUMBERS = st.integers(-LARGEST, LARGEST) | st.integers(-100, 100)
NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=6).map(str.encode)


@given(rows=st.lists(st.tuples(NAMES, NUMBERS, NUMBERS, st.booleans()), min_size=1, max_size=6))
@many()
def test_lines_are_those_that_python_writes(rows: list[tuple[bytes, int, int, bool]]) -> None:
    names, firsts, seconds, shown = zip(*rows, strict=True)
    made = lines(
        texts(np.array(names)),
        decimals(np.array(firsts, dtype=np.int64)),
        decimals(np.array(seconds, dtype=np.int64), shown=np.array(shown)),
    )
    written = [b"%b\t%d\t%b\n" % (name, one, b"%d" % two if show else b"") for name, one, two, show in rows]
    assert made == b"".join(written)


@given(prefix=NAMES, names=st.lists(NAMES | st.binary(min_size=9, max_size=20), unique=True, max_size=9))
@many()
def test_texts_are_ranked_as_python_sorts_them(prefix: bytes, names: list[bytes]) -> None:
    held = np.array([b"%b%b." % (prefix, name.replace(b"\0", b"0")) for name in names] or [b"."])
    held = np.unique(held)[::-1]
    assert held[ranked(held)].tolist() == sorted(held.tolist())
