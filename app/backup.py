"""One archive of everything a community is: database, keys, chain, gateway outboxes, configuration.

SQLite files are copied with the online backup, so the community keeps running meanwhile; a PostgreSQL database is
dumped by `pg_dump`. The chain is copied before and after the database: the archive is taken only when no block came in
between, so that ledger and chain in it agree.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from sqlalchemy import make_url

from app.backup_check import ChainRecord, chain_record, verify_restored
from app.errors import InputError
from app.storage.schema import head_revision

FORMAT = 1
MANIFEST = "manifest.json"
STATE, DATABASE_DUMP, CONFIG = "state", "database.pgdump", "commonwatt.toml"
SQLITE_MAGIC = b"SQLite format 3\x00"
# What belongs to running processes and to nobody afterwards.
PASSING = (".lock", "-wal", "-shm", "-journal", ".partial", ".sock")
ATTEMPTS = 10
OWNER_ONLY = 0o600
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive says of itself: the schema it was made with and the SHA-256 of every file by its name."""

    format: int
    schema: str
    made_s: int
    files: dict[str, str]
    chain: ChainRecord | None


def back_up(*, state: Path, database_url: str, out: Path, config: Path | None, now_s: int) -> Manifest:
    """Write the archive `out`, readable by its owner only; gzip if it ends in .gz or .tgz.

    Raises InputError if there is nothing to back up, `out` exists, or PostgreSQL's programs are missing.
    """
    if out.exists():
        raise InputError(f"{out} exists: an archive is never overwritten, name another")
    if not state.is_dir():
        raise InputError(f"{state} does not exist: name the community's state directory with --state")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out.parent} does not exist: create the directory of the archive first")
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".backup-") as folder:
        copied = Path(folder)
        _copy_consistently(state, copied / STATE, database_url)
        if not database_url.startswith("sqlite"):
            _dump(database_url, copied / DATABASE_DUMP)
        if config is not None and config.exists():
            shutil.copyfile(config, copied / CONFIG)
        manifest = Manifest(
            format=FORMAT,
            schema=head_revision(),
            made_s=now_s,
            files={str(path.relative_to(copied)): _digest(path) for path in _files(copied)},
            chain=chain_record(copied / STATE),
        )
        if not manifest.files:
            raise InputError(f"{state} is empty: there is nothing to back up")
        _write_archive(copied, manifest, out)
    return manifest


def restore(archive: Path, *, state: Path) -> Manifest:
    """Unpack an archive into the empty or new directory `state`, and prove that it is whole and agrees with itself.

    A PostgreSQL dump is left beside the state for `pg_restore`. Raises InputError; then `state` is as it was.
    """
    if state.exists() and (not state.is_dir() or any(state.iterdir())):
        raise InputError(f"{state} is not empty: restore into a new directory")
    state.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state.absolute().parent, prefix=".restore-") as folder:
        unpacked = Path(folder)
        manifest = _unpack(archive, unpacked)
        verify_restored(unpacked / STATE, manifest.chain)
        for name in (DATABASE_DUMP, CONFIG):
            if (unpacked / name).exists():
                (unpacked / name).rename(unpacked / STATE / name)
        if state.exists():
            state.rmdir()
        (unpacked / STATE).rename(state)
    return manifest


def _copy_consistently(state: Path, target: Path, database_url: str) -> None:
    database = make_url(database_url).database if database_url.startswith("sqlite") else None
    for _ in range(ATTEMPTS):
        shutil.rmtree(target, ignore_errors=True)
        _copy_state(state, target)
        if database is not None:
            inside = _inside(Path(database), state)
            _copy_sqlite(Path(database), target / (inside or "community.sqlite"))
        if chain_record(state) == chain_record(target):
            return
    raise InputError(f"{state}: blocks came in faster than they could be copied; stop the community and try again")


def _copy_state(state: Path, target: Path) -> None:
    target.mkdir(mode=0o700)
    for path in _files(state):
        copy = target / path.relative_to(state)
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _is_sqlite(path):
            _copy_sqlite(path, copy)
        else:
            shutil.copyfile(path, copy)
        copy.chmod(path.stat().st_mode & 0o700)


def _copy_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise InputError(f"{source} does not exist: name the community's database")
    target.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=30)) as reader,
        closing(sqlite3.connect(target)) as writer,
    ):
        reader.backup(writer)


def _dump(database_url: str, target: Path) -> None:
    url = make_url(database_url)
    env = os.environ | ({"PGPASSWORD": url.password} if url.password else {})
    plain = url.set(drivername="postgresql", password=None).render_as_string()
    program = shutil.which("pg_dump")
    if program is None:
        raise InputError("pg_dump is not installed: install PostgreSQL's client programs of the server's version")
    done = subprocess.run(  # noqa: S603  a fixed program, no shell
        [program, "--format=custom", "--no-owner", f"--file={target}", plain],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InputError(f"pg_dump failed: {done.stderr.strip()}")


def _write_archive(folder: Path, manifest: Manifest, out: Path) -> None:
    partial = out.with_name(out.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        packed = out.suffix in {".gz", ".tgz"}
        with tarfile.open(fileobj=file, mode="w:gz") if packed else tarfile.open(fileobj=file, mode="w") as archive:
            text = json.dumps(asdict(manifest), indent=1).encode()
            entry = tarfile.TarInfo(MANIFEST)
            entry.size, entry.mode, entry.mtime = len(text), OWNER_ONLY, manifest.made_s
            archive.addfile(entry, io.BytesIO(text))
            for name in manifest.files:
                archive.add(folder / name, arcname=name, recursive=False)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(out)


def _unpack(archive: Path, target: Path) -> Manifest:
    try:
        with tarfile.open(archive) as packed:
            _extract(packed, target)
        manifest = _manifest(json.loads((target / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"{archive} is not there, or is no archive of a community") from error
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{archive} is not a whole archive: {error}; use another") from error
    found = {str(path.relative_to(target)): _digest(path) for path in _files(target) if path.name != MANIFEST}
    for name in sorted(found.keys() | manifest.files.keys()):
        if found.get(name) != manifest.files.get(name):
            raise InputError(f"{archive}: {name} is damaged, missing or foreign; use another archive")
    return manifest


def _extract(packed: tarfile.TarFile, target: Path) -> None:
    """Write the plain files of an archive below `target`; ValueError for anything else in it.

    By hand, because the filters of `extractall` came with Python 3.11.4 and stable distributions have earlier ones.
    """
    for entry in packed:
        place = PurePosixPath(entry.name)
        if entry.isdir():
            continue
        content = packed.extractfile(entry) if entry.isreg() else None
        if content is None or place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{entry.name} is no plain file inside it")
        path = target / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with content, os.fdopen(os.open(path, NEW_FILE, OWNER_ONLY), "wb") as file:
            shutil.copyfileobj(content, file)


def _manifest(values: dict[str, object]) -> Manifest:
    if values["format"] != FORMAT:
        raise ValueError(f"it has format {values['format']}, this program reads format {FORMAT}")
    files, chain = values["files"], values["chain"]
    assert isinstance(files, dict)
    return Manifest(
        format=FORMAT,
        schema=str(values["schema"]),
        made_s=int(str(values["made_s"])),
        files={str(name): str(digest) for name, digest in files.items()},
        chain=ChainRecord(**chain) if isinstance(chain, dict) else None,
    )


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.endswith(PASSING):
            yield path


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC


def _inside(path: Path, folder: Path) -> Path | None:
    absolute, root = path.absolute(), folder.absolute()
    return absolute.relative_to(root) if absolute.is_relative_to(root) else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
