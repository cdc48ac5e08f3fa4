"""Tables of a TOML file as the fields of dataclasses, with everything that is wrong with them."""

from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

_ACCEPTED: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "Path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}
_NAMES = {(str,): "text in quotes", (int,): "a whole number", (int, float): "a number", (bool,): "true or false"}


class TableReader:
    """Reads tables and collects what is wrong instead of stopping at the first mistake."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []

    def values(
        self,
        table: Mapping[str, Any],
        kind: type,
        where: str,
        *,
        rename: Mapping[str, str] | None = None,
        tables: set[str] | None = None,
    ) -> dict[str, Any]:
        """The table's plain values under the dataclass's names, each of the type its field has."""
        names = rename or {}
        backwards = {new: old for old, new in names.items()}
        wanted = {field.name: field for field in fields(kind) if _type_name(field) in _ACCEPTED}
        self.known(table, {backwards.get(name, name) for name in wanted} | (tables or set()), where)
        values: dict[str, Any] = {}
        for name, field in wanted.items():
            key = backwards.get(name, name)
            if key not in table:
                if field.default is field.default_factory:
                    self.problem(where, f"{key} is missing")
                continue
            value = table[key]
            accepted = _ACCEPTED[_type_name(field)]
            if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
                self.problem(where, f"{key} = {value!r} should be {_NAMES[accepted]}")
            else:
                values[name] = value
        return values

    def known(self, table: Mapping[str, Any], keys: set[str], where: str) -> None:
        for key in table:
            if key not in keys:
                self.problem(where, f"unknown key {key!r}; known are {', '.join(sorted(keys))}")

    def problem(self, where: str, what: str) -> None:
        place = f"{self.path}, {where}" if where else str(self.path)
        self.problems.append(f"{place}: {what}")


def _type_name(field: "Field[Any]") -> str:
    return str(getattr(field.type, "__name__", field.type))
