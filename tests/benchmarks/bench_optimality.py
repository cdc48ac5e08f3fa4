"""The market against an exact AC optimal power flow on 500 stressed books: how much welfare is left, and why.

About 15 minutes on two quiet cores. Every book that is compared is kept as a line of a file, so that a run that was
stopped goes on. An argument is the number of books. What a gap is made of:

  whole Wh        the market deals in whole Wh; the bound of its certificate, which does not, is compared too
  another optimum a power flow of IPOPT's state passes no limit, and either from the market's result IPOPT finds nothing
                  better, or the limits made linear there leave no room and the straight way leads over one: under
                  limits of export a state that loses more in the cables lets more be fed in
  unexplained     everything else, which is a defect of the market or of the comparison
"""

import json
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from compared_with_ipopt import RELATIVE, Comparison, compared
from run import ROOT, commit
from stressed_books import stressed_book

COUNT = 500
WITHIN, WHOLE_WH, ANOTHER_OPTIMUM, UNEXPLAINED = "within 2e-5", "whole Wh", "another optimum", "unexplained"
NO_MORE = 1e-6  # IPOPT keeps limits exactly, the market within 1e-6 p.u. and 1e-4 %


def measured(seed: int) -> dict[str, object]:
    """One comparison as it is kept; a book that is red or presses nothing has no gap."""
    started = time.perf_counter()
    found = compared(stressed_book(seed))
    clearing = found.clearing
    line: dict[str, object] = {
        "seed": seed,
        "name": found.case.name,
        "network": found.case.spec,
        "status": clearing.status.value,
        "rounds": clearing.iterations,
        "binding": sorted({limit.kind.value for limit in clearing.binding}),
        "ipopt": [found.afar.status, found.near.status],
    }
    if clearing.status.value != "red" and found.solved:
        line |= {
            "gap": found.gap,
            "gap_nearby": found.gap_nearby if found.near.solved else found.gap,
            "gap_before_rounding": found.gap_before_rounding,
            "whole_wh": found.whole_wh_relative,
            "gap_less_losses": found.gap_less_losses,
            "why": why(found),
        }
    return line | {"seconds": round(time.perf_counter() - started, 2)}


def why(found: Comparison) -> str:
    """What a gap comes from."""
    if found.gap <= RELATIVE:
        return WITHIN
    allowed = RELATIVE + found.whole_wh_relative
    if found.gap <= allowed:
        return WHOLE_WH
    return ANOTHER_OPTIMUM if found.is_another_optimum else UNEXPLAINED


def lines_of(path: Path, count: int) -> list[dict[str, object]]:
    """The lines that are kept, and those of the seeds that were missing, measured by two processes."""
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    missing = sorted(set(range(count)) - {line["seed"] for line in kept})
    with path.open("a") as file, ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for number, line in enumerate(pool.map(measured, missing), start=1):
            file.write(json.dumps(line) + "\n")
            file.flush()
            kept.append(line)
            if number % 50 == 0:
                sys.stdout.write(f"{number} of {len(missing)} books\n")
                sys.stdout.flush()
    return [line for line in kept if line["seed"] < count]


def summary(lines: list[dict]) -> dict[str, float | int | str]:
    """The figures of all books."""
    stressed = [line for line in lines if "gap" in line and line["binding"]]
    gaps = {name: [line[name] for line in stressed] for name in ("gap", "gap_nearby", "gap_before_rounding")}
    worst = max(stressed, key=lambda line: line["gap"])
    red = [line for line in lines if line["status"] == "red"]
    return {
        "books": len(lines),
        "networks": len({line["network"] for line in lines}),
        "books that a limit stops": len(stressed),
        "median gap": f"{statistics.median(gaps['gap']):.1e}",
        "largest gap": f"{max(gaps['gap']):.1e}",
        "largest gap, book": worst["name"],
        "smallest gap": f"{min(gaps['gap']):.1e}",
        "median gap to the optimum nearby": f"{statistics.median(gaps['gap_nearby']):.1e}",
        "largest gap to the optimum nearby": f"{max(gaps['gap_nearby']):.1e}",
        "median gap before rounding": f"{statistics.median(map(abs, gaps['gap_before_rounding'])):.1e}",
        "largest gap before rounding": f"{max(map(abs, gaps['gap_before_rounding'])):.1e}",
        **{
            f"gap: {reason}": sum(line["why"] == reason for line in stressed)
            for reason in (WITHIN, WHOLE_WH, ANOTHER_OPTIMUM, UNEXPLAINED)
        },
        "other optima that are better by no more than they lose more": sum(
            line["why"] == ANOTHER_OPTIMUM and line["gap_less_losses"] <= RELATIVE + line["whole_wh"]
            for line in stressed
        ),
        "better than IPOPT by more than 1e-6": sum(gap < -NO_MORE for gap in gaps["gap"]),
        "red": len(red),
        "red although IPOPT found a way": sum("Solve_Succeeded" in line["ipopt"] for line in red),
        "rounds, median and most": f"{statistics.median(line['rounds'] for line in stressed):g}, "
        f"{max(line['rounds'] for line in stressed)}",
    }


def main(arguments: list[str]) -> None:
    """Compare what is not kept yet, and print one JSON object as the last line."""
    folder = ROOT / "build" / "bench" / commit() / "optimality"
    folder.mkdir(parents=True, exist_ok=True)
    lines = lines_of(folder / "books.jsonl", int(arguments[0]) if arguments else COUNT)
    for line in lines:
        if line.get("why") == UNEXPLAINED:
            sys.stdout.write(f"unexplained: {json.dumps(line)}\n")
    sys.stdout.write(json.dumps(summary(lines)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
