"""`make bench`: every benchmark of this folder in sequence, then the full counts of the property tests.

Each `bench_NAME.py` is a program that prints one JSON object `{measure: number, ...}` as its last line; what it says
before is shown as it comes. Results are kept under build/bench by commit, so that a run that was stopped goes on where
it was:
`--fresh` measures again. A benchmark that fails is named, and the next one runs all the same.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FULL_COUNTS = "full_counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one benchmark measured; `measures` is None when it failed."""

    name: str
    seconds: float
    measures: dict[str, float | int | str] | None


def commit() -> str:
    """The commit that is measured, with a mark when the work tree differs from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "unversioned"


def kept(folder: Path, name: str) -> Outcome | None:
    """The result of an earlier run of the same commit, None when there is none that is whole."""
    try:
        stored = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return Outcome(name=name, seconds=float(stored["seconds"]), measures=dict(stored["measures"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(folder: Path, outcome: Outcome) -> None:
    """Write a result whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{outcome.name}.json.unfinished"
    unfinished.write_text(json.dumps({"seconds": outcome.seconds, "measures": outcome.measures}, indent=1))
    unfinished.replace(folder / f"{outcome.name}.json")


def forget(folder: Path, name: str) -> None:
    """Remove the result, and the folder of that name in which a long benchmark keeps what it has measured so far."""
    (folder / f"{name}.json").unlink(missing_ok=True)
    shutil.rmtree(folder / name, ignore_errors=True)


def run(name: str, command: list[str]) -> Outcome:
    """Run one benchmark as a process of its own, so that none sees another's memory or caches."""
    started = time.monotonic()
    environment = os.environ | {"COMMONWATT_COUNTS": "full"}
    last = ""
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(f"  {line}")
            sys.stdout.flush()
            last = line.strip() or last
    seconds = round(time.monotonic() - started, 1)
    if process.returncode:
        return Outcome(name=name, seconds=seconds, measures=None)
    try:
        measured = json.loads(last)
    except ValueError:
        measured = {"result": last}
    return Outcome(name=name, seconds=seconds, measures=measured if isinstance(measured, dict) else {"result": last})


def commands() -> dict[str, list[str]]:
    """Every benchmark by name, the full counts last."""
    found = {path.stem.removeprefix("bench_"): [sys.executable, str(path)] for path in sorted(HERE.glob("bench_*.py"))}
    full = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", "--timeout", "3600"]
    return found | {FULL_COUNTS: full}


def table(outcomes: list[Outcome]) -> str:
    """One line a measure."""
    lines = [f"{'benchmark':<16} {'measure':<44} {'value':>16}"]
    for outcome in outcomes:
        if outcome.measures is None:
            lines.append(f"{outcome.name:<16} FAILED after {outcome.seconds} s")
        for measure, value in (outcome.measures or {}).items():
            lines.append(f"{outcome.name:<16} {measure:<44} {value:>16}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run what is not measured yet; 1 when anything failed."""
    folder = ROOT / "build" / "bench" / commit()
    chosen = commands()
    unknown = {argument for argument in arguments if argument != "--fresh"} - set(chosen)
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(chosen)}\n")
        return 2
    names = [name for name in chosen if name in arguments] or list(chosen)
    outcomes = []
    for name in names:
        if "--fresh" in arguments:
            forget(folder, name)
        outcome = kept(folder, name)
        sys.stdout.write(f"{name}: {'measured already' if outcome else 'running'}\n")
        outcome = outcome or run(name, chosen[name])
        if outcome.measures is not None:
            keep(folder, outcome)
        outcomes.append(outcome)
    sys.stdout.write(f"\n{table(outcomes)}\n\nkept in {folder.relative_to(ROOT)}\n")
    return int(any(outcome.measures is None for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
