"""A worker's sign of life: a file it renews, and what its age means."""

import time
from enum import StrEnum
from pathlib import Path

from app.errors import InputError

FILE = "worker.alive"
SILENT_S = 60.0


class WorkerState(StrEnum):
    """What a worker is doing."""

    LEADING = "leading"
    WAITING = "waiting"


def tell_state(folder: Path, state: WorkerState) -> None:
    """Renew the sign of life in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(f"{state}\n", encoding="utf-8")


def alive(folder: Path) -> WorkerState:
    """What the worker of `folder` is doing. Raises InputError if it has not been heard of for a minute."""
    file = folder / FILE
    try:
        silent_s = time.time() - file.stat().st_mtime
        state = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise InputError(f"no worker has run in {folder}: start `commonwatt worker`") from error
    if silent_s > SILENT_S:
        raise InputError(f"the worker of {folder} is silent for {silent_s:.0f} s: see its log")
    return WorkerState(state or WorkerState.WAITING)
