"""Reading JSON strictly: every key expected, every type exact, nothing unknown, and errors that name the place."""

from collections.abc import Iterator, Mapping

HEX_DIGITS = frozenset("0123456789abcdef")


class FieldError(ValueError):
    """A value that is missing, unknown or of the wrong type; `path` says where."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class Fields:
    """One JSON object being read. `close` raises if a key was never asked for."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            raise FieldError(path, "is not an object")
        self.values: Mapping[str, object] = value
        self._asked: set[str] = set()
        self.path = path

    def at(self, key: str) -> str:
        """Path of a key, as errors name it."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        return key in self.values

    def value(self, key: str) -> object:
        if key not in self.values:
            raise FieldError(self.at(key), "is missing")
        self._asked.add(key)
        return self.values[key]

    def integer(self, key: str, *, least: int | None = None, most: int | None = None) -> int:
        value = self.value(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise FieldError(self.at(key), f"is {value!r}, not an integer")
        if (least is not None and value < least) or (most is not None and value > most):
            allowed = f"at least {least}" if most is None else f"{least} to {most}"
            raise FieldError(self.at(key), f"is {value}: use {allowed}")
        return value

    def text(self, key: str) -> str:
        value = self.value(key)
        if not isinstance(value, str):
            raise FieldError(self.at(key), f"is {value!r}, not a text")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise FieldError(self.at(key), "holds half a character (a lone surrogate)")
        return value

    def flag(self, key: str) -> bool:
        value = self.value(key)
        if not isinstance(value, bool):
            raise FieldError(self.at(key), f"is {value!r}, not true or false")
        return value

    def octets(self, key: str, size: int) -> bytes:
        """Bytes written as 0x and exactly 2 * `size` lower-case hex digits."""
        value = self.text(key)
        if len(value) != 2 + 2 * size or not value.startswith("0x") or not HEX_DIGITS.issuperset(value[2:]):
            raise FieldError(self.at(key), f"is not 0x and {2 * size} lower-case hex digits")
        return bytes.fromhex(value[2:])

    def fields(self, key: str) -> "Fields":
        return Fields(self.value(key), self.at(key))

    def rows(self, key: str) -> Iterator["Fields"]:
        """The objects of a list."""
        for i, row in enumerate(self.items(key)):
            yield Fields(row, f"{self.at(key)}[{i}]")

    def items(self, key: str) -> list[object]:
        value = self.value(key)
        if not isinstance(value, list):
            raise FieldError(self.at(key), "is not a list")
        return value

    def names(self) -> list[str]:
        return list(self.values)

    def close(self) -> None:
        for key in self.values:
            if key not in self._asked:
                raise FieldError(self.at(key), "is unknown here")
