"""The tables of docs/comparison.md and its plot, made from the figures that bench_comparison.py wrote.

    python tests/benchmarks/render_comparison.py [FIGURES.json]      the newest under build/bench if none is given

The figures are kept beside the plot, so that page and plot can be rendered again: give docs/images/comparison.json.
No figure on the page is typed by hand; a test renders the kept figures again and compares.
"""

import json
import sys
from pathlib import Path
from typing import Any

from comparison_plot import plot

ROOT = Path(__file__).parent.parent.parent
PAGE, PLOT = ROOT / "docs" / "comparison.md", ROOT / "docs" / "images" / "comparison.svg"
KEPT = ROOT / "docs" / "images" / "comparison.json"
BEGIN, END = "<!-- figures begin: rendered, do not edit -->", "<!-- figures end -->"
EXACT, LEAST_WH = 1e-9, 1e-6

Cell = dict[str, Any]
Figures = dict[str, Any]


def newest_figures() -> Path:
    """The figures measured last."""
    found = sorted(ROOT.glob("build/bench/*/comparison/figures.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit("no figures under build/bench; measure first: make comparison")
    return found[-1]


def said(seconds: float) -> str:
    """A time with two or three digits that mean something."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1.0:
        return f"{seconds * 1e3:.{0 if seconds >= 0.01 else 1}f} ms"
    return f"{seconds:.{0 if seconds >= 10 else 1}f} s"


def tables(figures: Figures) -> str:
    """Everything between the marks of the page."""
    sizes, machine = figures["sizes"], figures["machine"]
    measured = (
        f"Measured at {figures['measured_at']} on {machine['cores']} cores, {machine['memory_gb']} GB of memory, "
        f"{machine['system']}, Python {machine['python']}. Versions: {_versions(sizes)}."
    )
    return "\n\n".join(
        [
            measured,
            "**Clearing alone**, by number of orders",
            _table(sizes, lambda cell: said(cell["clear_s"])),
            "**The whole process**, from its start to its end, and the most memory it held",
            _table(sizes, lambda cell: f"{said(cell['process_s'])}, {cell['peak_mb']:.0f} MB"),
            "**What came out**: share of the best possible welfare, and kWh traded",
            _table(sizes, _outcome),
            _conserved(sizes),
            *_failures(sizes),
        ]
    )


def _versions(sizes: dict[str, dict[str, Cell]]) -> str:
    found = {
        name: version
        for cells in sizes.values()
        for cell in cells.values()
        for name, version in cell["versions"].items()
    }
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def _table(sizes: dict[str, dict[str, Cell]], shown: Any) -> str:
    names = list(next(iter(sizes.values())))
    lines = ["| | " + " | ".join(f"{int(count):,}".replace(",", " ") for count in sizes) + " |"]
    lines.append("|---|" + "---:|" * len(sizes))
    for name in names:
        cells = [cells[name] for cells in sizes.values()]
        lines.append(f"| {name} | " + " | ".join(cell["failure"] or shown(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _outcome(cell: Cell) -> str:
    verdict = cell["verdict"]
    if verdict is None:
        return "–"
    share = verdict["welfare_share"]
    welfare = "100 %" if abs(share - 1.0) < EXACT else f"{100 * share:.{2 if share > 0.99 else 1}f} %"
    return f"{welfare}, {verdict['traded_wh'] / 1000:,.1f}".replace(",", " ").replace("%  ", "%, ")


def _conserved(sizes: dict[str, dict[str, Cell]]) -> str:
    """Conservation in one sentence, with the largest difference where there is one."""
    worst: dict[str, float] = {}
    beyond: dict[str, int] = {}
    for cells in sizes.values():
        for name, cell in cells.items():
            if cell["verdict"]:
                worst[name] = max(worst.get(name, 0.0), abs(cell["verdict"]["imbalance_wh"]))
                beyond[name] = max(beyond.get(name, 0), cell["verdict"]["orders_beyond"])
    exact = [name for name, wh in worst.items() if wh == 0.0]
    nearly = [f"{name} {wh:.1g} Wh" for name, wh in worst.items() if wh]
    lines = [f"Energy sold equals energy bought exactly in every result of {', '.join(exact)}."]
    if nearly:
        lines.append(f"The largest difference otherwise: {', '.join(nearly)}.")
    passed = [f"{name} ({count})" for name, count in beyond.items() if count]
    lines.append(
        f"Orders were accepted beyond their quantity by {', '.join(passed)}."
        if passed
        else "No program accepted an order beyond its quantity."
    )
    return " ".join(lines)


def _failures(sizes: dict[str, dict[str, Cell]]) -> list[str]:
    """Each failure in the program's own words, once."""
    notes = [
        f"- {name}, {int(count):,} orders: {cell['failure']}: {cell['message']}".replace(",000", " 000")
        for count, cells in sizes.items()
        for name, cell in cells.items()
        if cell["failure"] not in {"", "not tried"}
    ]
    unique = list(dict.fromkeys(notes))
    return ["What did not finish (larger books were then not tried):\n\n" + "\n".join(unique)] if unique else []


def page_with(figures: Figures, page: str) -> str:
    """The page with its figures replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, f"{PAGE.name} has lost the mark {BEGIN}"
    assert end, f"{PAGE.name} has lost the mark {END}"
    return f"{before}{BEGIN}\n\n{tables(figures)}\n\n{END}{after}"


def main(arguments: list[str]) -> None:
    """Render the page and the plot from a file of figures, the newest one if none is given."""
    source = Path(arguments[0]).resolve() if arguments else newest_figures()
    figures = json.loads(source.read_text(encoding="utf-8"))
    KEPT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page_with(figures, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PLOT.write_text(plot(figures), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} and {PLOT.relative_to(ROOT)} from {source}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
