"""Reading a JSON object that somebody else wrote: every key asked for is there and of its kind, and no other is."""

import re
from collections.abc import Mapping, Sequence

INTEGER_MAX = 10**30
NUMBER_MAX = 10**17  # prices and energies are far below; above, they would not fit into 64 bits
INDEX = re.compile(r"[0-9]{1,7}")


class Unreadable(Exception):  # noqa: N818 (says what happened; callers catch it by this name)
    """A result that cannot be checked: what it says is incomplete, malformed or unknown. Names place and remedy."""


class Fields:
    """The members of one object; `place` says where it stands. Every method raises Unreadable."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, Mapping):
            raise Unreadable(f"{place} is not an object; have the result published again")
        self._members, self._place = dict(value), place

    def take(self, key: str) -> object:
        """The member as it is; it counts as known from now on."""
        if key not in self._members:
            raise Unreadable(f"{self._place} has no {key!r}; have the result published again by this version")
        return self._members.pop(key)

    def integer(self, key: str) -> int:
        value = self.take(key)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > INTEGER_MAX:
            raise self._wrong(key, "a whole number")
        return value

    def number(self, key: str) -> float:
        return self._float(key, self.take(key))

    def text(self, key: str) -> str:
        value = self.take(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def one_of(self, key: str, known: Sequence[str]) -> str:
        """A text that this version knows the meaning of."""
        value = self.text(key)
        if value not in known:
            raise self._wrong(key, f"one of {', '.join(known)}")
        return value

    def truth(self, key: str) -> bool:
        value = self.take(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def items(self, key: str) -> list[tuple[object, str]]:
        """The elements of a list, each with the place where it stands."""
        value = self.take(key)
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        return [(element, f"{self._place} {key}[{number}]") for number, element in enumerate(value)]

    def inner(self, key: str) -> "Fields":
        return Fields(self.take(key), f"{self._place} {key}")

    def has(self, key: str) -> bool:
        """Whether the member is there and not null; a null counts as known from now on."""
        if self._members.get(key) is not None:
            return True
        self.take(key)
        return False

    def numbers_by_index(self, key: str) -> dict[int, float]:
        """An object whose keys are indices of a table."""
        members = self.take(key)
        if not isinstance(members, Mapping) or not all(INDEX.fullmatch(str(name)) for name in members):
            raise self._wrong(key, "an object with the indices of buses as keys")
        return {int(name): self._float(f"{key} {name}", value) for name, value in members.items()}

    def integers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return tuple(Fields({key: element}, place).integer(key) for element, place in self.items(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(Fields({key: element}, place).text(key) for element, place in self.items(key))

    def integers_by_name(self, key: str) -> dict[str, int]:
        """An object whose members are all whole numbers."""
        members = self.take(key)
        if not isinstance(members, Mapping):
            raise self._wrong(key, "an object")
        inner = Fields(members, f"{self._place} {key}")
        return {str(name): inner.integer(name) for name in members}

    def done(self) -> None:
        """What was not asked for has a meaning that this version does not check, so it is refused."""
        if self._members:
            unknown = ", ".join(map(repr, sorted(map(str, self._members))))
            raise Unreadable(f"{self._place} has {unknown}, which this version cannot check; use the one that wrote it")

    def _float(self, key: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= NUMBER_MAX:
            raise self._wrong(key, "a number")
        return float(value)

    def _wrong(self, key: str, wanted: str) -> Unreadable:
        return Unreadable(f"{self._place}: {key!r} is not {wanted}; have the result published again")
