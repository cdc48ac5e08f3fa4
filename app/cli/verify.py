"""Recompute a statement from device signature to cents."""

import json
import re
import sqlite3
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import click

from app.errors import InputError
from contracts.embedded import CHAIN_FILE
from contracts.proofs import LineProof
from contracts.rpc_client import copied_chain_rpc, http_rpc
from contracts.statement import Checkpoint, UnreadableStatementError, load_checkpoint, load_statement
from contracts.verify import Rpc, verify_statement

CHAIN_FILES = (CHAIN_FILE, "chain", f"chain/{CHAIN_FILE}")
SHOWN_LINES_MAX = 20
REPEATED = re.compile(r"(?P<group>batches\[\d+\]\.(intervals|rounds)|totals|bill)\b")

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog="Example: commonwatt verify june.json --rpc http://127.0.0.1:8000/api/v1/public/chain")
@click.argument("file", type=_PATH)
@click.option("--rpc", help="Address of the community's chain, served read-only by its web application.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("state"),
    envvar="COMMONWATT_STATE",
    show_default=True,
    help="The community's state directory, where it is on this machine; not used with --rpc.",
)
@click.option("--checkpoint", type=_PATH, help="An older statement, or its checkpoint, delivered before.")
@click.option("--json", "as_json", is_flag=True, help="Print every line and what was proved of it as JSON.")
def command(*, file: Path, rpc: str | None, state: Path, checkpoint: Path | None, as_json: bool) -> None:
    """Recompute every figure of the statement FILE from device signature to cents.

    Exit code 0: everything holds. 1: the lines that do not hold are named. 2: file or chain cannot be read.
    """
    document = _statement(file)
    before = None if checkpoint is None else _checkpoint(checkpoint)
    with ExitStack() as stack:
        ask = _chain(rpc, state, stack)
        try:
            proofs = verify_statement(document, ask, checkpoint=before)
        except ConnectionError as error:
            raise InputError(f"{error}: check --rpc, or give --state DIR") from error
    broken = [proof for proof in proofs if not proof.holds]
    if as_json:
        click.echo(json.dumps({"holds": not broken, "lines": [_line(proof) for proof in proofs]}))
    else:
        _tell(proofs, broken, has_checkpoint=before is not None)
    if broken:
        click.get_current_context().exit(1)


def _statement(file: Path) -> dict[str, object]:
    try:
        return load_statement(file.read_bytes())
    except UnreadableStatementError as error:
        raise InputError(f"{file}: {error}") from error


def _checkpoint(file: Path) -> Checkpoint:
    try:
        return load_checkpoint(file.read_bytes())
    except UnreadableStatementError as error:
        raise InputError(f"{file}: {error}") from error


def _chain(rpc: str | None, state: Path, stack: ExitStack) -> Rpc:
    try:
        if rpc is not None:
            return http_rpc(rpc)
        return stack.enter_context(copied_chain_rpc(_chain_file(state)))
    except (ValueError, sqlite3.Error) as error:
        raise InputError(str(error)) from error


def _chain_file(state: Path) -> Path:
    for name in CHAIN_FILES:
        if (state / name).is_file():
            return state / name
    raise InputError(f"{state} holds no chain ({CHAIN_FILE}): give the community's state directory, or --rpc URL")


def _line(proof: LineProof) -> dict[str, object]:
    return {"line": proof.line, "holds": proof.holds, "detail": proof.detail}


def _condensed(proofs: tuple[LineProof, ...]) -> list[str]:
    """What was proved, in a few lines: a month has thousands of intervals and each is proved in the same way."""
    told: Counter[tuple[str, str]] = Counter()
    for proof in proofs:
        repeated = REPEATED.match(proof.line)
        if repeated is None:
            told[proof.line, proof.detail] += 1
        elif repeated["group"] in ("totals", "bill"):
            told[repeated["group"], "follow from the intervals"] += 1
        elif repeated["group"].endswith("rounds"):
            told[repeated["group"], "prices are those of the clearings whose hashes the batch anchors"] += 1
        else:
            told[repeated["group"], proof.detail] += 1
    return [f"{line}: {detail}" + (f" ({count} lines)" if count > 1 else "") for (line, detail), count in told.items()]


def _tell(proofs: tuple[LineProof, ...], broken: list[LineProof], *, has_checkpoint: bool) -> None:
    for proof in broken[:SHOWN_LINES_MAX]:
        click.echo(f"does not hold: {proof.line}: {proof.detail}", err=True)
    if len(broken) > SHOWN_LINES_MAX:
        click.echo(f"... and {len(broken) - SHOWN_LINES_MAX} more lines", err=True)
    if broken:
        return
    for told in _condensed(proofs):
        click.echo(told)
    click.echo(f"All {len(proofs)} lines hold.")
    if not has_checkpoint:
        click.echo(
            "No checkpoint from elsewhere was given: the chain is consistent, but could have been rebuilt as a whole."
        )
