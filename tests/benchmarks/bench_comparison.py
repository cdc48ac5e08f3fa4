"""Our engine beside a sort, two ways of stating the linear programme, and other packages: the same books, one run.

Every cell is a process of its own in the program's own environment (`peers/`), the programs taking turns; what a
program accepted is judged here, by the same lines for all. A size that is measured is kept, so that a run that was
stopped goes on. `render_comparison.py` makes the page and the plot of what this writes.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import psutil
from comparison_judge import Verdict, best_welfare_nano, judged
from run import ROOT, commit

PEERS = Path(__file__).parent / "peers"
ENVIRONMENTS = ROOT / "build" / "peers"
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
LIMIT_S = 60
TURNS, LONG_S = 3, 10.0
OWN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A program of the comparison; `environment` is the name of its requirements in peers/, OWN = this one's."""

    name: str
    script: str
    environment: str = OWN
    variant: str = ""


ENGINES = (
    Engine(name="numpy argsort", script="numpy_argsort.py"),
    Engine(name="Commonwatt", script="commonwatt_engine.py"),
    Engine(name="HiGHS", script="highs_direct.py"),
    Engine(name="Pyomo + HiGHS", script="pyomo_model.py"),
    Engine(name="ASSUME simple", script="assume_role.py", environment="assume", variant="simple"),
    Engine(name="ASSUME complex", script="assume_role.py", environment="assume", variant="complex"),
    Engine(name="pymarket huang", script="pymarket_market.py", environment="pymarket", variant="huang"),
    Engine(name="pymarket muda", script="pymarket_market.py", environment="pymarket", variant="muda"),
    Engine(name="pymarket p2p", script="pymarket_market.py", environment="pymarket", variant="p2p"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One program on one book: medians over all runs, or in `failure` why there is none.

    clear_s    from the program's own form of the book to its result
    process_s  the whole process: start, imports, reading the file, clearing, writing what was accepted
    """

    failure: str = ""
    message: str = ""
    runs: int = 0
    clear_s: float = 0.0
    process_s: float = 0.0
    peak_mb: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The order file of one size and what it holds."""

    path: Path
    is_sell: np.ndarray
    quantity_wh: np.ndarray
    limit_micro_per_kwh: np.ndarray
    best_nano: int


def write_book(count: int, folder: Path) -> Book:
    """Half buyers, half sellers in turn, 1 to 999 Wh, limits on the tick that overlap by about half."""
    random = np.random.default_rng(count)
    is_sell = np.arange(count) % 2 == 1
    quantity = random.integers(1, 1_000, count)
    limit = 100 * np.where(is_sell, random.integers(700, 1_500, count), random.integers(900, 1_800, count))
    path = folder / f"{count}.csv"
    with path.open("w") as file:
        file.write("order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n")
        columns = (is_sell.tolist(), quantity.tolist(), limit.tolist())
        for k, (sells, wh, price) in enumerate(zip(*columns, strict=True)):
            file.write(f"o{k},p{k},mp{k},,{'sell' if sells else 'buy'},{wh},{price},flexible\n")
    return Book(
        path=path,
        is_sell=is_sell,
        quantity_wh=quantity,
        limit_micro_per_kwh=limit,
        best_nano=best_welfare_nano(is_sell=is_sell, quantity_wh=quantity, limit_micro_per_kwh=limit),
    )


def installed(name: str) -> str:
    """Make a peer's environment from its pinned requirements, once; why not, empty when it is there."""
    requirements, environment = PEERS / f"{name}.txt", ENVIRONMENTS / name
    pinned, mark = requirements.read_text(), environment / "installed.txt"
    if mark.exists() and mark.read_text() == pinned:
        return ""
    uv, python = str(Path(sys.executable).parent / "uv"), str(environment / "bin" / "python")
    # The certificates this machine trusts, as deploy/setup-venv does it.
    trust = os.environ | ({"UV_SYSTEM_CERTS": "true"} if Path("/etc/ssl/certs").is_dir() else {})
    for step in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)],
        [uv, "pip", "install", "--quiet", "--python", python, "--requirement", str(requirements)],
    ):
        done = subprocess.run(step, env=trust, capture_output=True, text=True, check=False)
        if done.returncode:
            return " ".join(done.stderr.split())[:200] or f"{step[1]} ended with {done.returncode}"
    mark.write_text(pinned)
    return ""


def one_process(engine: Engine, book: Book) -> Cell:
    """Start the program once."""
    python = ENVIRONMENTS / engine.environment / "bin" / "python" if engine.environment else Path(sys.executable)
    folder, output = book.path.parent, book.path.with_suffix(".npy")
    output.unlink(missing_ok=True)
    command = [str(python), str(PEERS / engine.script), str(book.path), str(output), engine.variant]
    started = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, cwd=folder, check=False)
    except subprocess.TimeoutExpired:
        return Cell(failure=f"> {LIMIT_S} s", message=f"stopped after {LIMIT_S} s")
    seconds = time.perf_counter() - started
    if done.returncode or not done.stdout.strip():
        return Cell(failure="fails", message=" ".join(done.stderr.split())[-200:])
    answer = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        return Cell(failure=answer["error"], message=answer["message"], peak_mb=answer["peak_mb"])
    verdict = None
    if output.exists():
        verdict = judged(
            np.load(output),
            is_sell=book.is_sell,
            quantity_wh=book.quantity_wh,
            limit_micro_per_kwh=book.limit_micro_per_kwh,
            best_nano=book.best_nano,
        )
    return Cell(
        runs=len(answer["clear_s"]),
        clear_s=statistics.median(answer["clear_s"]),
        process_s=seconds,
        peak_mb=answer["peak_mb"],
        versions=answer["versions"],
        verdict=verdict,
    )


def together(cells: list[Cell]) -> Cell:
    """The median of several processes of one program; a failure is the result."""
    failed = [cell for cell in cells if cell.failure]
    if failed:
        return failed[0]
    return Cell(
        runs=sum(cell.runs for cell in cells),
        clear_s=statistics.median(cell.clear_s for cell in cells),
        process_s=statistics.median(cell.process_s for cell in cells),
        peak_mb=statistics.median(cell.peak_mb for cell in cells),
        versions=cells[-1].versions,
        verdict=cells[-1].verdict,
    )


def measure_size(book: Book, hopeless: dict[str, Cell]) -> dict[str, Cell]:
    """Every program on one book, in turns; a program that failed or took long is not asked again."""
    found: dict[str, list[Cell]] = {}
    for turn in range(TURNS):
        for engine in ENGINES:
            cells = found.setdefault(engine.name, [])
            if engine.name in hopeless:
                cells.append(hopeless[engine.name])
            elif turn == 0 or not (cells[-1].failure or cells[-1].process_s > LONG_S):
                cells.append(one_process(engine, book))
                sys.stdout.write(f"{book.path.stem} orders, {engine.name}: {_said(cells[-1])}\n")
                sys.stdout.flush()
    return {name: together(cells) for name, cells in found.items()}


def _said(cell: Cell) -> str:
    return f"{cell.failure} {cell.message}" if cell.failure else f"{cell.clear_s:.5f} s of {cell.process_s:.1f} s"


def machine() -> dict[str, object]:
    """What was measured on, as far as it matters."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def main() -> None:
    """Measure what is not kept yet, write the figures, and print one JSON object as the last line."""
    folder = ROOT / "build" / "bench" / commit() / "comparison"
    folder.mkdir(parents=True, exist_ok=True)
    hopeless = {}
    for name in sorted({engine.environment for engine in ENGINES} - {OWN}):
        if reason := installed(name):
            missing = Cell(failure="not installed", message=reason)
            hopeless |= {engine.name: missing for engine in ENGINES if engine.environment == name}
    sizes: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as books:
        for count in SIZES:
            kept = folder / f"{count}.json"
            if not kept.exists():
                cells = measure_size(write_book(count, Path(books)), hopeless)
                kept.write_text(json.dumps({name: asdict(cell) for name, cell in cells.items()}, indent=1))
            sizes[str(count)] = json.loads(kept.read_text())
            for name, cell in sizes[str(count)].items():
                if cell["failure"] and name not in hopeless:
                    hopeless[name] = Cell(failure="not tried", message="failed on a smaller book")
    figures = {"machine": machine(), "measured_at": f"commit {commit()}", "limit_s": LIMIT_S, "sizes": sizes}
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(
        json.dumps(
            {
                f"{name}, {count} orders, s": cell["failure"] or float(f"{cell['clear_s']:.3g}")
                for count, cells in sizes.items()
                for name, cell in cells.items()
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
