"""Meters that a gateway signs for, a ledger on a chain of its own, and the files that members get to verify."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner, Result
from sqlalchemy import Engine

from app.cli import main
from app.ledger_access import LedgerAccess, open_ledger, settler_key, signing_domain
from app.storage.database import reading
from app.storage.ingest import ingest_batches
from app.storage.store.community import the_community
from contracts.embedded import CHAIN_FILE, EmbeddedChain
from contracts.rpc_server import RpcServer
from meters.signing import GENESIS_HASH, RegisterReading, sign_batch
from tests.app.neighbourhood import GATEWAY_KEY, StandingClock, as_json

SLOT_S = 900
SCRIPT = Path(__file__).parents[2] / "contracts/standalone/verify_statement.py"


@dataclass(slots=True)
class SignedMeter:
    """A device whose gateway keeps what it could not send yet."""

    device: str
    registers_mwh: tuple[int, int] = (5_000_000, 1_000_000)
    head: bytes = GENESIS_HASH
    seq: int = 0
    end_s: int = 0
    kept: list[RegisterReading] = field(default_factory=list)

    def read(self, start_s: int, import_wh: int, export_wh: int) -> None:
        """Read the registers at the beginning, unless they were, and at the end of a quarter-hour."""
        if not self.end_s:
            self._keep(start_s, 0)
        elif self.end_s < start_s:
            self._keep(start_s - SLOT_S, SLOT_S)
        imported, exported = self.registers_mwh
        self.registers_mwh = (imported + 1_000 * import_wh, exported + 1_000 * export_wh)
        self._keep(start_s, SLOT_S)

    def _keep(self, start_s: int, duration_s: int) -> None:
        imported, exported = self.registers_mwh
        number = self.seq + len(self.kept)
        row = RegisterReading(
            device=self.device,
            epoch=0,
            seq=number,
            start_s=start_s,
            duration_s=duration_s,
            import_mwh=imported,
            export_mwh=exported,
        )
        self.kept.append(row)
        self.end_s = start_s + duration_s

    def send(self, engine: Engine, clock: StandingClock) -> None:
        """Sign and send everything that was kept."""
        with reading(engine) as connection:
            domain = signing_domain(the_community(connection))
        batch = sign_batch(GATEWAY_KEY, domain, tuple(self.kept), self.head)
        self.head, self.seq, self.kept = batch.head, self.seq + len(self.kept), []
        (result,) = ingest_batches(engine, {"batches": [as_json(batch)]}, clock())
        assert result.status == "accepted", result


def ledger_of(engine: Engine, state: Path, clock: StandingClock) -> LedgerAccess:
    """The community's ledger on an embedded chain in `state`."""
    key = settler_key(state / "settler", seed="late")
    return open_ledger(engine, chain=state / CHAIN_FILE, key=key, clock=clock, lock_path=state / "settler.lock")


def statement_file(state: Path, member: str, month: str, *, name: str = "statement.json") -> Path:
    """What `commonwatt statement` writes."""
    out = state / name
    arguments = ["--member", member, "--month", month, "--out", str(out), "--state", str(state)]
    made = CliRunner().invoke(main, ["statement", *arguments])
    assert made.exit_code == 0, made.output
    return out


def verified(file: Path, state: Path, *options: object) -> Result:
    """What `commonwatt verify` says of a file."""
    return CliRunner().invoke(main, ["verify", str(file), "--state", str(state), *map(str, options)])


def verified_by_stranger(file: Path, chain: EmbeddedChain, *options: object) -> subprocess.CompletedProcess[str]:
    """What the script without our code says, run alone beside the file."""
    copied = file.with_name("verify_statement.py")
    copied.write_bytes(SCRIPT.read_bytes())
    server = RpcServer(chain, "127.0.0.1", 0)
    try:
        command = [sys.executable, "-I", str(copied), str(file), "--rpc", server.url, *map(str, options)]
        return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, timeout=60, check=False)
    finally:
        server.close()


def altered(file: Path, path: tuple[str | int, ...], by: int = 1) -> Path:
    """A copy of a statement in which one figure is another."""
    document = json.loads(file.read_text())
    here = document
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] += by
    copy = file.with_name("altered.json")
    copy.write_text(json.dumps(document))
    return copy


def bill_lines(file: Path) -> Mapping[str, tuple[int, int]]:
    """(energy, amount) of every line of the bill in a file."""
    lines = json.loads(file.read_text())["bill"]["lines"]
    return {line["item"]: (line["energy_wh"], line["amount_nano"]) for line in lines}
