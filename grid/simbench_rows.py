"""A SimBench network with few rows of its profiles: reading the whole year of all of them takes 600 MB for a moment."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

PROFILE_FILES = "Profile.csv"


def simbench_network(code: str, rows: Sequence[int]) -> "pandapowerNet":
    """The network `code` whose profiles hold these rows of the year (quarter-hours from 0), in this order.

    At least one row. Raises IndexError for a row beyond the year; `code` must be one of SimBench's.
    """
    import simbench

    _, parameters = simbench.get_simbench_code_and_parameters(code)
    with tempfile.TemporaryDirectory() as scratch:
        _shorten(Path(simbench.complete_data_path(parameters[5])), Path(scratch), rows)
        return simbench.get_simbench_net(code, input_path=scratch)


def _shorten(data: Path, into: Path, rows: Sequence[int]) -> None:
    """The same files in another folder, the profiles with these rows alone."""
    for file in data.iterdir():
        if file.name.endswith(PROFILE_FILES):
            (into / file.name).write_bytes(_chosen_rows(file, rows))
        else:
            (into / file.name).symlink_to(file.resolve())


def _chosen_rows(file: Path, rows: Sequence[int]) -> bytes:
    wanted = set(rows)
    with file.open("rb") as lines:
        header = next(lines)
        found = {number: line.rstrip(b"\r\n") for number, line in enumerate(lines) if number in wanted}
    if missing := wanted - found.keys():
        raise IndexError(f"{file.name} has no row {min(missing)}")
    return b"\n".join([header.rstrip(b"\r\n"), *(found[row] for row in rows), b""])
