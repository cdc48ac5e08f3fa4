"""A lock that makes sure that one process writes: a lock file, freed by the system when its holder ends, however."""

import fcntl
import os
from pathlib import Path


class AlreadyInUseError(RuntimeError):
    """Another process, or another object of this one, holds the lock."""


class SingleWriter:
    """Holds `path` from construction to `close`.

    Raises AlreadyInUseError, whose message names `what` is in use and the process that uses it.
    """

    def __init__(self, path: Path, *, what: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The file itself stays for ever: removing it would let two processes hold "the" lock on two files.
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise AlreadyInUseError(f"{what} is already in use by process {holder}: stop that one first") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
