"""Every place in a JSON document, to alter them one by one."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """A value in a document and the keys and indices that lead to it."""

    path: tuple[str | int, ...]
    value: Any

    @property
    def key(self) -> str | int:
        return self.path[-1]

    @property
    def name(self) -> str:
        return ".".join(str(part) for part in self.path)

    def of(self, document: Any) -> Any:
        """The value at this place of another document."""
        for part in self.path:
            document = document[part]
        return document

    def parent_of(self, document: Any) -> Any:
        return Place(self.path[:-1], None).of(document)


def every(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Place]:
    """The document and everything in it."""
    yield Place(path, value)
    if isinstance(value, dict):
        for key, each in value.items():
            yield from every(each, (*path, key))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from every(each, (*path, i))


def integers(document: Any) -> Iterator[Place]:
    return (place for place in every(document) if isinstance(place.value, int) and not isinstance(place.value, bool))


def octets(document: Any) -> Iterator[Place]:
    """Hashes, salts, signatures and addresses."""
    return (place for place in every(document) if isinstance(place.value, str) and place.value.startswith("0x"))


def altered(document: Any, place: Place, value: Any) -> Any:
    """A copy of the document with another value at `place`; everything else is shared."""
    changed: Any = copy.copy(document)
    here = changed
    for part in place.path[:-1]:
        here[part] = copy.copy(here[part])
        here = here[part]
    here[place.path[-1]] = value
    return changed
