"""Power flow side by side: one state by pandapower, power-grid-model and our Newton; a year of them in batches.

Ratios are of the best of several interleaved runs in one process; memory is the peak of a process that does one batch.
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandapower
from pgm_network import PgmNetwork

from grid.batch import BatchPowerFlow
from grid.extraction import without_injections
from grid.network import GridNetwork, load_network, open_network

NETWORK = "simbench:1-LV-rural3--2-sw"
STEPS = 35_136
REPEATS = 5


def year(count: int) -> tuple[np.ndarray, np.ndarray]:
    """[STEPS, count] W and var: household load with an evening, solar with a noon at three homes in ten."""
    random = np.random.default_rng(1)
    hour = (np.arange(STEPS) % 96)[:, None] / 4
    load = random.gamma(2.0, 150.0, (STEPS, count)) * (1 + np.exp(-((hour - 19) ** 2) / 8))
    noon = np.clip(np.cos((hour - 12.5) / 12 * np.pi), 0, None) ** 1.5
    solar = noon * random.random((STEPS, 1)) * np.where(random.random(count) < 0.3, 12e3, 0.0)
    load[:, :2] = solar[:, :2] = 0.0
    return solar - load, -0.3 * load


def best_seconds(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Best of interleaved runs."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def one_batch(engine: str) -> None:
    """In a process of its own: one year, for its memory."""
    grid = open_network(NETWORK)
    watts, vars_ = year(len(grid.buses))
    if engine == "ours":
        BatchPowerFlow(grid.arrays, grid.limits).screen(watts, vars_)
    elif engine == "pgm":
        other = PgmNetwork(load_network(NETWORK), grid.buses)
        other.model.calculate_power_flow(update_data=other.update(watts, vars_))


def peak_mb(engine: str) -> int:
    """Peak memory of one batch, with the interpreter and the year's injections."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measured, (engine,))


def _measured(engine: str) -> int:
    one_batch(engine)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    grid: GridNetwork = open_network(NETWORK)
    watts, vars_ = year(len(grid.buses))
    other = PgmNetwork(load_network(NETWORK), grid.buses)
    model = other.model
    net = without_injections(load_network(NETWORK))
    pandapower.create_sgens(net, grid.buses, p_mw=watts[50] / 1e6, q_mvar=vars_[50] / 1e6)
    batch = BatchPowerFlow(grid.arrays, grid.limits)
    at = iter(range(STEPS))

    def ours() -> None:
        step = next(at)
        grid.solve(watts[step], vars_[step])

    def pgm() -> None:
        step = next(at)
        model.update(update_data=other.update(watts[step], vars_[step]))
        model.calculate_power_flow()

    single = best_seconds({"runpp": lambda: pandapower.runpp(net, numba=False), "ours": ours, "pgm": pgm}, 4 * REPEATS)
    update = other.update(watts, vars_)
    many = best_seconds(
        {
            "ours": lambda: batch.screen(watts, vars_),
            "pgm": lambda: model.calculate_power_flow(update_data=update),
            "pgm_2": lambda: model.calculate_power_flow(update_data=update, threading=2),
        },
        2,
    )
    measures = {
        "one state, runpp, ms": round(1e3 * single["runpp"], 2),
        "one state, runpp over ours": round(single["runpp"] / single["ours"], 1),
        "one state, ours over power-grid-model": round(single["ours"] / single["pgm"], 1),
        "a year in one batch, ours, s": round(many["ours"], 2),
        "a year in one batch, power-grid-model, s": round(many["pgm"], 2),
        "a year, ours over power-grid-model": round(many["ours"] / many["pgm"], 2),
        "a year, ours over power-grid-model on two cores": round(many["ours"] / many["pgm_2"], 2),
        "a year, ours, MB": peak_mb("ours"),
        "a year, power-grid-model, MB": peak_mb("pgm"),
        "of these MB, before solving": peak_mb("none"),
    }
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
