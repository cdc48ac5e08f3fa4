"""What a verification found, line by line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from contracts.fields import FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProof:
    """A line of a statement: `line` is its place in the document, `detail` what was proved or why it does not hold."""

    line: str
    holds: bool
    detail: str


class Proofs:
    """Collects line proofs; a line that does not hold never stops the others."""

    def __init__(self) -> None:
        self.lines: list[LineProof] = []

    def holds(self, line: str, detail: str) -> None:
        self.lines.append(LineProof(line=line, holds=True, detail=detail))

    def fails(self, line: str, detail: str) -> None:
        self.lines.append(LineProof(line=line, holds=False, detail=detail))

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Record a FieldError raised inside as the line that does not hold."""
        try:
            yield
        except FieldError as error:
            self.fails(error.path, error.problem)


def require(condition: bool, path: str, problem: str) -> None:  # noqa: FBT001 reads like assert
    """Raise FieldError at `path` unless `condition`."""
    if not condition:
        raise FieldError(path, problem)
