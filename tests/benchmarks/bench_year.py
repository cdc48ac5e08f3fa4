"""A whole stressed year of market rounds in each low-voltage network of SimBench, and whether what is published holds.

Each of the 35 136 books is cleared by the plain auction and its flows screened in batches (`grid.batch`); where they
pass a limit the book is cleared once more within the network, as a round does. Then power-grid-model judges all that
would be published, and OpenDSS a sample. Two processes; a network that is measured is not measured again for the same
commit: `bench_year.py [CODE ...]` measures some of them alone.
"""

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import run
from bench_clearing import peak_resident_bytes
from stressed_year import INTERVAL_MINUTES, RULES, Stress, StressedYear
from year_judges import PgmJudge, seen_by_opendss

from grid.batch import BatchPowerFlow
from grid.simbench_year import STEPS_A_YEAR
from matching.book import FIRM, FLEXIBLE
from matching.clearing import clear
from matching.result import Status

STRESSES = (
    Stress(code="1-LV-rural1--2-sw", solar=2, uncontrolled=0.2, flexible=4, v_min_pu=0.9765, v_max_pu=1.05),
    Stress(code="1-LV-rural2--2-sw", solar=4, uncontrolled=1, flexible=4, v_min_pu=1.0115, v_max_pu=1.0758),
    Stress(code="1-LV-rural3--2-sw", solar=4, uncontrolled=1, flexible=4, v_min_pu=1.0085, v_max_pu=1.077),
    Stress(code="1-LV-semiurb4--2-sw", solar=4, uncontrolled=1, flexible=4, v_min_pu=1.005, v_max_pu=1.05),
    Stress(code="1-LV-semiurb5--2-sw", solar=4, uncontrolled=1, flexible=4, v_min_pu=1.0035, v_max_pu=1.052),
    Stress(code="1-LV-urban6--2-sw", solar=4, uncontrolled=1, flexible=5, v_min_pu=0.95, v_max_pu=1.062),
)
PROCESSES = 2
STEPS_A_PART = 4 * 96
OPENDSS_STEPS = 60


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Some quarter-hours: [n_step, n_bus] W of the plain market and as published, and [n_step] about each.

    colour        of what is published, as `matching.result.Status`
    plain_nano, welfare_nano  of the plain market and of what is published
    curtailed_wh, spent_s, rounds  zero where the plain market stands; seconds of processor time
    """

    plain_w: np.ndarray
    published_w: np.ndarray
    colour: np.ndarray
    plain_nano: np.ndarray
    welfare_nano: np.ndarray
    curtailed_wh: np.ndarray
    spent_s: np.ndarray
    rounds: np.ndarray

    @classmethod
    def joined(cls, parts: list["Part"]) -> "Part":
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__})


class Market:
    """Clears quarter-hours of one stressed year."""

    def __init__(self, stress: Stress) -> None:
        self.year = StressedYear(stress)
        self.batch = BatchPowerFlow(self.year.grid.arrays, self.year.grid.limits)

    def part(self, steps: np.ndarray) -> Part:
        """The plain market of these quarter-hours, and the network's where that passes a limit."""
        year = self.year
        plain = [clear(year.book(step), interval_minutes=INTERVAL_MINUTES, rules=RULES) for step in steps]
        plain_w = np.array([self._injection_w(result) for result in plain])
        screening = self.batch.screen(plain_w, year.injection_var[steps])
        part = Part(
            plain_w=plain_w,
            published_w=plain_w.copy(),
            colour=np.full(steps.size, Status.GREEN.value, dtype="U5"),
            plain_nano=np.array([result.welfare_nano for result in plain]),
            welfare_nano=np.array([result.welfare_nano for result in plain]),
            curtailed_wh=np.zeros(steps.size, dtype=np.int64),
            spent_s=np.zeros(steps.size),
            rounds=np.zeros(steps.size, dtype=np.int64),
        )
        for at in np.union1d(screening.state, screening.unsolved):
            self._clear_within(part, at, int(steps[at]))
        return part

    def _clear_within(self, part: Part, at: int, step: int) -> None:
        year, started = self.year, time.process_time()
        result = clear(
            year.book(step),
            interval_minutes=INTERVAL_MINUTES,
            rules=RULES,
            limits=year.grid,
            baseline_var=year.injection_var[step],
        )
        part.spent_s[at] = time.process_time() - started
        part.published_w[at] = self._injection_w(result)
        part.colour[at], part.welfare_nano[at] = result.status.value, result.welfare_nano
        part.curtailed_wh[at], part.rounds[at] = result.curtailed_wh.sum(), result.iterations

    def _injection_w(self, result) -> np.ndarray:
        """[n_bus] by the published trades: flexible orders as accepted, all others in full less what is curtailed."""
        book = result.book
        flowing = np.where(book.firmness_codes == FLEXIBLE, result.accepted_wh, book.quantity_wh - result.curtailed_wh)
        return self.year.injection_w(book, flowing)


_market: Market | None = None


def start(stress: Stress) -> None:
    """Make the market of a process."""
    global _market  # noqa: PLW0603 (what a process of the pool keeps from part to part)
    _market = Market(stress)


def part(steps: np.ndarray) -> tuple[Part, float, int]:
    """A part of the year, the processor time it took, and this process's highest resident memory so far in bytes."""
    assert _market is not None
    started = time.process_time()
    done = _market.part(steps)
    return done, time.process_time() - started, peak_resident_bytes()


def cleared_year(stress: Stress) -> tuple[Part, float, int]:
    """All quarter-hours, the processor time they took, and the highest resident memory of all processes together."""
    shares = np.split(np.arange(STEPS_A_YEAR), range(STEPS_A_PART, STEPS_A_YEAR, STEPS_A_PART))
    with ProcessPoolExecutor(
        PROCESSES, mp_context=multiprocessing.get_context("spawn"), initializer=start, initargs=(stress,)
    ) as pool:
        parts, spent_s, memory = zip(*pool.map(part, shares), strict=True)
    return Part.joined(list(parts)), sum(spent_s), PROCESSES * max(memory)


def measured(stress: Stress) -> dict[str, float | int | str]:
    """One network's year, judged."""
    started = time.perf_counter()
    year, spent_s, resident = cleared_year(stress)
    cleared_s = time.perf_counter() - started
    books = StressedYear(stress)
    judge = PgmJudge(stress, books.grid)
    plain, published, firm = (
        judge.verdict(watts, books.injection_var)
        for watts in (year.plain_w, year.published_w, books.flowing_w(books.firmness == FIRM))
    )
    judged_s = time.perf_counter() - started
    red = year.colour == Status.RED.value
    sample = np.random.default_rng(1).permutation(np.flatnonzero((year.spent_s > 0) & ~red))[:OPENDSS_STEPS]
    other = seen_by_opendss(stress, books.grid, year.published_w[sample], books.injection_var[sample])
    return {
        "solar, flexible": f"x {stress.solar:g}, x {stress.flexible:g}",
        "band, p.u.": f"{stress.v_min_pu:g} to {stress.v_max_pu:g}",
        "orders a book, at most": int(np.count_nonzero(books.quantity_wh, axis=1).max()),
        "steps passing a limit before": int(plain.passed.sum()),
        "of all, %": round(100 * float(plain.passed.mean()), 2),
        "steps passing a limit after": int(published.passed[~red].sum()),
        "worst voltage after, p.u. beyond": float(f"{published.volts_pu[~red].max():.1e}"),
        "worst loading after, % beyond": float(f"{published.loading_percent[~red].max():.1e}"),
        "red steps": int(red.sum()),
        "steps in which firm orders alone pass a limit": int(firm.passed.sum()),
        "OpenDSS: steps looked at": int(sample.size),
        "OpenDSS: highest voltage beyond, p.u.": float(f"{other.volts_pu.max(initial=-1.0):.1e}"),
        "OpenDSS: highest loading beyond, %": float(f"{other.loading_percent.max(initial=-100.0):.1e}"),
        **of_clearing(year),
        "processor time of clearing over two cores, s": round(spent_s / PROCESSES, 1),
        "clearing, s": round(cleared_s, 1),
        "with judging by power-grid-model, s": round(judged_s, 1),
        "most memory of both processes, MB": round(resident / 1e6),
    }


def of_clearing(year: Part) -> dict[str, float | int | str]:
    """What clearing within the network took, and what it left."""
    cleared = year.spent_s > 0
    spent_ms = 1e3 * year.spent_s[cleared]
    amber = year.colour[cleared] == Status.AMBER.value
    return {
        "steps cleared within the network": int(cleared.sum()),
        "of these amber": int(amber.sum()),
        "ms of processor time a cleared step, median": round(float(np.median(spent_ms)), 1),
        "ms of processor time a cleared step, p99": round(float(np.percentile(spent_ms, 99)), 1),
        "rounds, median and most": f"{int(np.median(year.rounds[cleared]))}, {year.rounds.max()}",
        "welfare kept, %": _percent(year.welfare_nano, year.plain_nano),
        "welfare kept of steps cleared, %": _percent(year.welfare_nano[cleared], year.plain_nano[cleared]),
        "curtailed, kWh": round(int(year.curtailed_wh.sum()) / 1e3),
    }


def _percent(kept_nano: np.ndarray, whole_nano: np.ndarray) -> float:
    return round(100 * sum(kept_nano.tolist()) / sum(whole_nano.tolist()), 3)


def main(codes: list[str]) -> None:
    """Measure, and print one JSON object as the last line."""
    folder = run.ROOT / "build" / "bench" / run.commit() / "year"
    measures: dict[str, float | int | str] = {}
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of the processes started: each has a core of its own
    for stress in STRESSES:
        if codes and stress.code not in codes:
            continue
        found = run.kept(folder, stress.code)
        if found is None:
            started = time.perf_counter()
            of_network = measured(stress)
            found = run.Outcome(name=stress.code, seconds=time.perf_counter() - started, measures=of_network)
            run.keep(folder, found)
        for measure, value in (found.measures or {}).items():
            sys.stdout.write(f"{stress.code:<20} {measure:<48} {value}\n")
        sys.stdout.flush()
        measures |= {f"{stress.code}, {measure}": value for measure, value in (found.measures or {}).items()}
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
