"""How inverters of one make are told a feed-in limit: a table, `control_profiles/NAME.toml`, one register a line.

What is written into an inverter must be sure, and must end when nobody refreshes it. So every register has two
independent sources, the reversion time among them; a table with less is refused, and no exception is made.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from meters.profile import SOURCES_TO_VERIFY, ProfileError
from meters.words import WORD_TYPES, Order, WordType

SUNSPEC = "sunspec"
"""The controls that need no table: SunSpec models 123, 704 and 124."""

POINTS: Mapping[str, str] = {
    "rated_w": "what percentages refer to, W",
    "limit_percent": "most that is fed in, percent of the rated power",
    "revert_percent": "what holds when nobody has refreshed the limit for `revert_s`",
    "revert_s": "seconds without a refresh until then",
    "enable": "1 while the limit holds, 0 while it does not",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One register or pair of registers: address on the wire, from 0, type, and who says so."""

    address: int
    word_type: WordType
    sources: tuple[str, ...]

    @property
    def count(self) -> int:
        return self.word_type.registers


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlProfile:
    """Where one make of inverters keeps its feed-in limit: every name of `POINTS`."""

    name: str
    vendor: str
    model: str
    word_order: Order
    points: Mapping[str, Point]


def control_profile_names() -> tuple[str, ...]:
    """What an inverter can be told by: SunSpec, and the makes there is a table for."""
    names = (file.name for file in _folder().iterdir())
    return (SUNSPEC, *sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_control_profile(name: str) -> ControlProfile:
    """The table called `name`. Raises ProfileError if there is none or it is wrong."""
    if name not in control_profile_names() or name == SUNSPEC:
        known = ", ".join(control_profile_names())
        raise ProfileError(f"there is no control profile {name!r}: known are {known}")
    return parse_control_profile(name, (_folder() / f"{name}.toml").read_text(encoding="utf-8"))


def _folder() -> Traversable:
    return resources.files("meters") / "control_profiles"


def parse_control_profile(name: str, text: str) -> ControlProfile:
    """A table from its TOML text. Raises ProfileError naming file and register."""
    try:
        document = tomllib.loads(text)
        profile = ControlProfile(
            name=name,
            vendor=document["control"]["vendor"],
            model=document["control"]["model"],
            word_order=document["control"]["word_order"],
            points={
                point: Point(
                    address=row["address"],
                    word_type=WORD_TYPES[row["type"]],
                    sources=tuple(sorted(set(row["sources"]))),
                )
                for point, row in document["registers"].items()
            },
        )
        problems = _problems(profile.points, document["sources"])
    except KeyError as error:
        raise ProfileError(f"control_profiles/{name}.toml: {error.args[0]!r} is missing or unknown") from error
    except (TypeError, ValueError) as error:
        raise ProfileError(f"control_profiles/{name}.toml: {error}") from error
    if profile.word_order not in {"big", "little"}:
        problems.append(f"word_order {profile.word_order!r} is neither 'big' nor 'little'")
    if problems:
        raise ProfileError(f"control_profiles/{name}.toml: {'; '.join(problems)}")
    return profile


def _problems(points: Mapping[str, Point], sources: Mapping[str, str]) -> list[str]:
    problems = [f"{name} is missing: {what}" for name, what in POINTS.items() if name not in points]
    problems += [f"unknown register {name!r}: one of {', '.join(POINTS)}" for name in points if name not in POINTS]
    for name, point in points.items():
        known = set(point.sources) & sources.keys()
        if len(known) < SOURCES_TO_VERIFY:
            problems.append(f"{name}: only {len(known)} of [sources]: what is not sure is not written into an inverter")
    return problems
