"""`commonwatt clear --check`: which of the supporting prices of classes are paid."""

import shutil
from pathlib import Path

import pytest
from test_recheck_command import Alteration, claim, invoke
from test_recheck_preferences import assert_caught, cleared

# Solar may cost from 0.12 to 0.22, other energy from 0.10 to 0.20: paid are the middles, 0.17 and 0.15.
BOOK = (
    "sun,sue,m1,,sell,500,120000,firm,solar,,,\n"
    "gas,gus,m2,,sell,500,100000,firm,other,,,\n"
    "green,gwen,m3,,buy,500,200000,firm,,,,solar:20000\n"
    "grey,gil,m4,,buy,500,200000,firm,,,,\n"
)
SUN = ("preferences", "seller_classes", 1)
ENDS = "supporting_prices_micro_per_kwh"
Preferences = dict[str, list[dict[str, object]]]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cleared(tmp_path_factory.mktemp("gap"), BOOK, fees=None)


def by(end: int, micro_per_kwh: int) -> Alteration:
    return claim(*SUN, ENDS, end, to=lambda price: price + micro_per_kwh)


def paid_as(end: int) -> Alteration:
    """What is paid as an end of all intervals: it supports the result, but others lie beyond."""

    def change(preferences: Preferences) -> Preferences:
        for kind, figure, ends in (("seller_classes", "price", "prices"), ("buyer_classes", "worth", "worths")):
            for one in preferences[kind]:
                listed = one[f"supporting_{ends}_micro_per_kwh"]
                assert isinstance(listed, list)
                listed[end] = one[f"{figure}_micro_per_kwh"]
        return preferences

    return claim("preferences", to=change)


ALTERATIONS: dict[str, tuple[Alteration, str]] = {
    "a lower end": (by(0, -100), "the lowest of the supporting prices do not support the result"),
    "a higher end": (by(1, 100), "the highest of the supporting prices do not support the result"),
    "no ends": (claim(*SUN, ENDS, to=None), "a price without them"),
    "lower ends that others lie below": (paid_as(0), "nothing holds the lowest of the supporting prices of class"),
    "higher ends that others lie above": (paid_as(1), "nothing holds the highest of the supporting prices of class"),
    "another share": (claim("rules", "k", to=0.25), "has 170000, the rules take 145000 from [120000, 220000]"),
}


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_another_choice_of_prices_is_caught_and_named(example: Path, tmp_path: Path, kind: str) -> None:
    alter, said = ALTERATIONS[kind]
    folder = shutil.copytree(example, tmp_path / "altered")
    alter(folder)
    assert_caught(folder, "price choice", said)


def test_the_middle_of_what_the_orders_allow_is_checked_and_holds(example: Path) -> None:
    told = invoke("--check", str(example))
    assert told.exit_code == 0, told.output
    assert "ok      price choice" in told.output


def test_ends_that_are_no_pair_cannot_be_read(example: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(example, tmp_path / "altered")
    claim(*SUN, ENDS, to=[1, 2, 3])(folder)
    told = invoke("--check", str(folder))
    assert (told.exit_code, "has not two ends" in told.output) == (2, True)
