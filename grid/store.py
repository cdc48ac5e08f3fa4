"""Networks kept on disk as arrays: opening one again takes milliseconds and does not import pandapower.

The key holds the source, the content of its files and the versions of what read them, so a changed file or program is
read afresh. Entries are written aside and renamed into place; whoever loses a race uses the winner's.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grid.arrays import NetworkArrays, load_arrays, save_arrays
from grid.feeder import NetworkError, drawing
from grid.sources import Source, SourceKind, build, parse_source

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

FORMAT_VERSION = 3
ARRAYS_FILE, NETWORK_FILE, DRAWING_FILE = "arrays.npz", "network.json", "drawing.json"
DIGEST_FILE = "digest.txt"
BUILD_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNetwork:
    """One network on disk."""

    source: Source
    folder: Path

    def arrays(self) -> NetworkArrays:
        return load_arrays(self.folder / ARRAYS_FILE)

    def drawing(self) -> dict[str, Any]:
        """As `grid.feeder.drawing`."""
        picture: dict[str, Any] = json.loads((self.folder / DRAWING_FILE).read_text(encoding="utf-8"))
        return picture

    def digest(self) -> str:
        """As `grid.content.network_digest`."""
        return (self.folder / DIGEST_FILE).read_text(encoding="ascii")

    def load(self) -> "pandapowerNet":
        """The pandapower network itself; imports pandapower."""
        import pandapower

        return pandapower.from_json(str(self.folder / NETWORK_FILE), convert=False)


def fetch(spec: str) -> StoredNetwork:
    """The stored network of a specification, built first if need be. Raises NetworkError."""
    source = parse_source(spec)
    stored = StoredNetwork(source=source, folder=cache_folder() / "networks" / _key(source))
    if not _is_whole(stored):
        shutil.rmtree(stored.folder, ignore_errors=True)
        if source.kind is SourceKind.SIMBENCH:
            _store_in_child(spec)
        else:
            store(source, stored.folder)
    return stored


def store(source: Source, folder: Path) -> None:
    """Build the network and write its entry. Raises NetworkError."""
    import pandapower

    from grid.content import network_digest
    from grid.extraction import extract

    net = build(source)
    arrays = extract(net)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        save_arrays(arrays, aside / ARRAYS_FILE)
        pandapower.to_json(net, str(aside / NETWORK_FILE))
        written = pandapower.from_json(str(aside / NETWORK_FILE), convert=False)
        (aside / DIGEST_FILE).write_text(network_digest(written), encoding="ascii")
        (aside / DRAWING_FILE).write_text(json.dumps(drawing(net)), encoding="utf-8")
    except OSError as failure:
        remedy = "set COMMONWATT_CACHE to a folder that can be written"
        raise NetworkError(f"the network cache cannot be written: {failure}; {remedy}") from failure
    try:
        aside.rename(folder)
    except OSError:  # another process was faster: its entry is the same
        shutil.rmtree(aside, ignore_errors=True)


def cache_folder() -> Path:
    """COMMONWATT_CACHE, or commonwatt under the user's cache folder."""
    given = os.environ.get("COMMONWATT_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "commonwatt"


def _is_whole(stored: StoredNetwork) -> bool:
    """Everything is there and readable; a damaged entry is built again."""
    try:
        stored.arrays()
        stored.drawing()
        stored.digest()
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False
    return (stored.folder / NETWORK_FILE).is_file()


def _key(source: Source) -> str:
    digest = hashlib.sha256()
    programs = [f"{name} {version(name)}" for name in ("pandapower", "simbench", "numpy", "scipy")]
    digest.update("\n".join([str(FORMAT_VERSION), *programs, source.kind]).encode())
    path = Path(source.value)
    if source.kind is SourceKind.FILE:
        digest.update(path.read_bytes())
    elif source.kind is SourceKind.TABLES:
        for file in sorted(path.glob("*.csv")):
            digest.update(f"\n{path.name} {file.name}\n".encode() + file.read_bytes())
    else:
        digest.update(source.value.encode())
    return digest.hexdigest()[:24]


def _store_in_child(spec: str) -> None:
    """SimBench reads 600 MB to find one network: that memory goes back with the process that needed it."""
    command = [sys.executable, "-m", "grid.store", spec]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False)  # noqa: S603 (own module, no shell)
    except subprocess.TimeoutExpired as failure:
        raise NetworkError(f"{spec} was not read within {BUILD_SECONDS_MAX} s: try again") from failure
    if child.returncode == 2:
        raise NetworkError(*json.loads(child.stdout))
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or [f"exit {child.returncode}"])[-1]
        raise NetworkError(f"{spec} could not be read: {reason}")


def _main(spec: str) -> int:
    """The child of `_store_in_child`: errors go to standard output as JSON."""
    source = parse_source(spec)
    try:
        store(source, cache_folder() / "networks" / _key(source))
    except NetworkError as failure:
        sys.stdout.write(json.dumps(failure.errors))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
