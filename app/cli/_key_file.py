"""Reading the keys of `static_key`: `participant,share`, in parts per million of what the community generates."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import InputError

KEY_COLUMNS = ["participant", "share"]


def read_keys(path: Path, participants: NDArray[np.bytes_]) -> dict[str, int]:
    """Share by participant; each must be among `participants` (UTF-8). Raises InputError naming file and line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text: {error}") from error
    reader, keys = csv.reader(lines), dict[str, int]()
    known = set(participants.tolist())
    if next(reader, []) != KEY_COLUMNS:
        raise InputError(f"{path} line 1: the header must be {','.join(KEY_COLUMNS)}")
    for row in filter(None, reader):
        place = f"{path} line {reader.line_num}"
        if len(row) != len(KEY_COLUMNS):
            raise InputError(f"{place}: {len(row)} values, the header has {len(KEY_COLUMNS)}")
        participant, share = row
        if participant.encode() not in known:
            raise InputError(f"{place}: participant {participant!r} has no order; correct the name or remove the line")
        if participant in keys:
            raise InputError(f"{place}: participant {participant!r} is there twice; give one share")
        if not (share.isascii() and share.isdigit()):
            raise InputError(f"{place}: share is {share!r}; give zero or more whole parts per million")
        keys[participant] = int(share)
    return keys
