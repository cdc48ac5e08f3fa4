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
SOURCES, TRADES = "sources.csv", "trades.csv"
CLAIMS_DIGEST = "claims_digest"
RESULT_KEYS = frozenset({"status", "welfare_nano", "certificate"})  # those every version has written


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


def claims_digest(document: Mapping[str, object]) -> str:
    """SHA-256 (hex) of all that clearing.json says but for the seconds it took.

    Of its JSON with keys in order and without spaces or letters beyond ASCII.
    """
    said = {key: value for key, value in document.items() if key not in {"seconds", CLAIMS_DIGEST}}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The result that a folder holds already: its files, and what tells it from others; no files where there is none.

    files   by name: what it was made of, its trades and its document
    about   the fingerprint of its book, the number of its orders and its status; empty where it does not say
    """

    files: frozenset[str] = frozenset()
    book_digest: str = ""
    about: str = ""


def earlier_result(out: Path) -> Earlier:
    """What is in the folder of a new result."""
    try:
        document = json.loads((out / DOCUMENT).read_bytes())
        if not document.keys() >= RESULT_KEYS:
            return Earlier()
    except (OSError, ValueError, AttributeError):
        return Earlier()
    inputs = document.get("inputs") or {}
    copies = {
        TRADES: True,
        DOCUMENT: True,
        ORDERS: bool(inputs),
        NETWORK: (inputs.get("network") or {}).get("file") is not None,
        BASELINE: inputs.get("baseline_sha256") is not None,
        SOURCES: "preferences" in document,
    }
    return Earlier(
        files=frozenset(name for name, is_part in copies.items() if is_part),
        book_digest=str(document.get("book_digest", "")),
        about=f"{document.get('orders', 'unknown')} orders, {document['status']}",
    )


def require_no_loss(out: Path, new: Ingredients) -> None:
    """Raise InputError where a file that is no part of an earlier result would be replaced, or be taken for a part.

    trades.csv and clearing.json are results by their names, and replaced by the next one.
    """
    earlier = earlier_result(out)
    for name in (ORDERS, NETWORK, BASELINE, SOURCES):
        there, path = out / name, new.files.get(name)
        if name in earlier.files or not there.exists():
            continue
        if path is None or not (there.samefile(path) or there.read_bytes() == path.read_bytes()):
            would_be = "taken for a part of this one" if path is None else "replaced"
            raise InputError(f"{there} exists, is no part of a result and would be {would_be}: choose another --out")


def remove_leftovers(out: Path, earlier: Earlier, written: frozenset[str]) -> None:
    """What belonged to the result that was replaced and does not belong to the new one."""
    for name in earlier.files - written:
        (out / name).unlink(missing_ok=True)
