"""What a result was made of, kept beside it, so that its folder alone suffices to check it."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.errors import InputError
from grid.csv_rows import LINE_BYTES_MAX
from grid.network import GridNetwork
from grid.sources import SourceKind
from grid.store import NETWORK_FILE

ORDERS, NETWORK, BASELINE, DOCUMENT = "orders.csv", "network.json", "baseline.csv", "clearing.json"
SOURCES = "sources.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """The files a result was made of, by the name they get beside it, and what clearing.json says of them."""

    files: Mapping[str, Path]
    document: Mapping[str, object]

    def copy_into(self, open_file: Callable[[str], IO[bytes]]) -> None:
        """Byte for byte."""
        for name, path in self.files.items():
            with path.open("rb") as source:
                shutil.copyfileobj(source, open_file(name))


@contextmanager
def readable_twice(path: Path) -> Iterator[Path]:
    """The file itself; of a pipe a copy that lasts as long as the block, whose errors name the pipe.

    A line without end is copied as far as shows that reading refuses it.
    """
    if not path.is_fifo():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / path.name
        with path.open("rb") as source, kept.open("wb") as target:
            while block := source.read(2 * LINE_BYTES_MAX):
                target.write(block)
                if b"\n" not in block:
                    break
        try:
            yield kept
        except InputError as error:
            raise InputError(str(error).replace(str(kept), str(path))) from error


def ingredients(orders: Path, baseline: Path | None, grid: GridNetwork | None) -> Ingredients:
    """Orders, baseline and network; a SimBench network is named, since everybody has it, any other is copied."""
    files, network = {ORDERS: orders}, None
    stored = None if grid is None else grid.stored
    if grid is not None and stored is not None:
        source, limits = stored.source, grid.limits
        named = source.kind in {SourceKind.SIMBENCH, SourceKind.TRANSFORMER}
        if source.kind is not SourceKind.SIMBENCH:
            files[NETWORK] = stored.folder / NETWORK_FILE
        network = {
            "source": f"{source.kind.value}:{source.value}" if named else Path(source.value).name,
            "file": NETWORK if NETWORK in files else None,
            "digest": stored.digest(),
            "v_min_pu": limits.v_min_pu,
            "v_max_pu": limits.v_max_pu,
            "max_loading_percent": limits.max_loading_percent,
        }
    if baseline is not None:
        files[BASELINE] = baseline
    return Ingredients(
        files=files,
        document={
            "network": network,
            "baseline_sha256": None if baseline is None else hashlib.sha256(baseline.read_bytes()).hexdigest(),
        },
    )


def require_no_loss(out: Path, new: Ingredients) -> None:
    """Raise InputError where writing the result would replace a file that is not part of an earlier result."""
    earlier = earlier_copies(out)
    for name, path in new.files.items():
        there = out / name
        if name in earlier or not there.exists() or there.samefile(path) or there.read_bytes() == path.read_bytes():
            continue
        raise InputError(f"{there} exists, is no part of a result and would be replaced: choose another --out")


def remove_leftovers(out: Path, earlier: frozenset[str], new: Ingredients) -> None:
    """What belonged to the result that was replaced and does not belong to the new one."""
    for name in earlier - new.files.keys():
        (out / name).unlink(missing_ok=True)


def earlier_copies(out: Path) -> frozenset[str]:
    """The copies that the result in a folder is made of, and its parts; none where there is no result."""
    try:
        document = json.loads((out / DOCUMENT).read_bytes())
        inputs, parts = document["inputs"], {SOURCES} if "preferences" in document else set[str]()
        network = inputs["network"]
        names = {ORDERS, NETWORK if network and network["file"] else ORDERS}
        return frozenset(names | parts | ({BASELINE} if inputs["baseline_sha256"] else set()))
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
