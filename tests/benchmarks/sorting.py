"""`numpy.argsort` as the measure of a clearing: as it comes, and without the vector instructions that numpy found.

What a sort of 64-bit numbers takes differs by factors with AVX-512 or AVX2, so a ratio says little without the other.
numpy reads `NPY_DISABLE_CPU_FEATURES` when it is imported: a process of its own sorts without them, whenever asked, so
that both are measured in turn with what they are compared with.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

VECTOR_INSTRUCTIONS = tuple(np.show_config(mode="dicts")["SIMD Extensions"].get("found", ()))


def seconds_to_sort(values: NDArray[np.int64]) -> float:
    """Wall seconds of one argsort."""
    started = time.perf_counter()
    np.argsort(values)
    return time.perf_counter() - started


class Sorting:
    """Argsort of some values with and without vector instructions, in turn with other things."""

    def __init__(self, values: NDArray[np.int64]) -> None:
        self._values = values
        with tempfile.TemporaryDirectory() as folder:
            stored = Path(folder) / "values.npy"
            np.save(stored, values)
            self._without = subprocess.Popen(
                [sys.executable, __file__, str(stored)],
                env=os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(VECTOR_INSTRUCTIONS)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            self._answer()  # has read the values

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._without.communicate()

    def seconds(self) -> tuple[float, float]:
        """Wall seconds of one argsort with vector instructions and of one without."""
        with_them = seconds_to_sort(self._values)
        assert self._without.stdin is not None
        self._without.stdin.write("\n")
        return with_them, float(self._answer())

    def _answer(self) -> str:
        assert self._without.stdout is not None
        answer = self._without.stdout.readline()
        assert answer, "the process that sorts without vector instructions ended"
        return answer


def main(stored: str) -> None:
    """Say that the values are read, and for each line of the input how long sorting them took."""
    values = np.load(stored)
    assert not VECTOR_INSTRUCTIONS
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        sys.stdout.write(f"{seconds_to_sort(values)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
