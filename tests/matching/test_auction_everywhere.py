"""The same book has the same result in every process and on every platform, to the last bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from portable_books import PORTABLE_BOOKS, bound_by_a_line, digest, digests, trade_lines
from reference_auction import reference

HERE = Path(__file__).parent
DIGESTS = (HERE.parent / "cases" / "auctions" / "digests.json").read_text(encoding="utf-8")
EXPECTED = {
    name: {what: grouped.replace(" ", "") for what, grouped in each.items()}
    for name, each in json.loads(DIGESTS).items()
}


def test_every_portable_book_has_its_digest() -> None:
    assert set(EXPECTED) == set(PORTABLE_BOOKS)


@pytest.mark.parametrize("name", PORTABLE_BOOKS)
def test_a_platform_draws_the_book_and_clears_it_as_every_other_does(name: str) -> None:
    result = PORTABLE_BOOKS[name].cleared()
    assert result.book.digest() == EXPECTED[name]["book"]
    assert digest(trade_lines(result)) == EXPECTED[name]["trades"]


@pytest.mark.parametrize("name", PORTABLE_BOOKS)
def test_the_digests_are_those_of_exact_fractions(name: str) -> None:
    book = PORTABLE_BOOKS[name]
    exact = reference(book.orders(), outside=book.outside, tie_seed=book.rules().tie_seed)
    assert digest(exact.lines()) == EXPECTED[name]["trades"]


def test_the_bound_book_is_bound() -> None:
    assert bound_by_a_line().binding


@pytest.mark.parametrize(("hash_seed", "threads"), [("0", "1"), ("4242", "4")])
def test_neither_hash_seed_nor_number_of_threads_changes_a_result(hash_seed: str, threads: str) -> None:
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    environment = os.environ | {"PYTHONHASHSEED": hash_seed} | counts
    command = [sys.executable, str(HERE / "portable_books.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == digests()
