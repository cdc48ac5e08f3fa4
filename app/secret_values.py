"""Secrets from the environment or from files, and new ones where none is configured."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from app.errors import InputError

OWNER_ONLY = 0o600


def secret_value(env: Mapping[str, str], name: str) -> str | None:
    """The secret `name`, or the content of the file that `name`_FILE points to; None if neither is set."""
    file = env.get(f"{name}_FILE")
    if env.get(name) and file:
        raise InputError(f"{name} and {name}_FILE are both set: use one of them")
    if not file:
        return env.get(name) or None
    try:
        value = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"{name}_FILE: cannot read {file}: {error.strerror}") from error
    if not value:
        raise InputError(f"{name}_FILE: {file} is empty: write the secret into it")
    return value


def new_key_file(path: Path) -> str:
    """The secret in `path`; a new random one, readable by its owner only, if there is no such file."""
    try:
        descriptor = _create(path)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path.read_text(encoding="utf-8").strip()


def _create(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
