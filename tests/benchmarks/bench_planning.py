"""Planning sixty batteries over a day: the exact worth of what they store, and the same programme through Pyomo.

Both plan the same batteries in turn, best of several, and must agree to a billionth. The bids are what a round asks
for: worth of the content, and the curve of one interval, for each device.
"""

import json
import random
import sys
import time
import tracemalloc
from collections.abc import Callable

from app.agents.curve import Outlook, curve_of
from app.agents.plan_model import solve_plan
from app.agents.reservoir import Reservoir, optimum, worths

DEVICES, STEPS, WEEK, TIMES = 60, 96, 672, 5
OUTLOOK = Outlook(surplus_wh=0, surplus_price=0, buy_at_most=300_000, sell_at_least=80_000, steps_max=3)
Case = tuple[Reservoir, list[int], int]


def battery(chance: random.Random, steps: int) -> Case:
    """A home battery of 5 to 15 kWh, half as many kW, at prices between feed-in and supplier."""
    energy_wh = chance.randrange(5_000, 15_000)
    reservoir = Reservoir(
        charge_wh=(energy_wh // 8,) * steps,
        discharge_wh=(energy_wh // 8,) * steps,
        least_mwh=(0,) * steps,
        most_mwh=(energy_wh * 1000,) * steps,
        efficiency_permille=900,
        end_slope=100_000 * 900,
    )
    return reservoir, [chance.randrange(80_000, 300_000) for _ in range(steps)], chance.randrange(energy_wh) * 1000


def bid(cases: list[Case]) -> None:
    for reservoir, prices, content_mwh in cases:
        curve_of(reservoir, worths(reservoir, prices)[0], content_mwh, OUTLOOK)


def best_s(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Shortest time of each, all of them in turn."""
    found = dict.fromkeys(works, float("inf"))
    for _ in range(TIMES):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            found[name] = min(found[name], time.perf_counter() - started)
    return found


def main() -> None:
    chance = random.Random(7)  # noqa: S311  a benchmark, not a secret
    day = [battery(chance, STEPS) for _ in range(DEVICES)]
    week = [battery(chance, WEEK)]
    apart = abs(solve_plan(day).worth - sum(optimum(*case) for case in day)) / abs(sum(optimum(*case) for case in day))
    if apart > 1e-9:
        sys.exit(f"the two plans differ by {apart:.1e}")
    seconds = best_s({"bids": lambda: bid(day), "pyomo": lambda: solve_plan(day), "week": lambda: bid(week)})
    tracemalloc.start()
    bid(day)
    memory_mb = tracemalloc.get_traced_memory()[1] / 1e6
    measures = {
        "devices": DEVICES,
        "steps": STEPS,
        "bids_ms_per_device": round(seconds["bids"] / DEVICES * 1000, 3),
        "bids_ms_of_all": round(seconds["bids"] * 1000, 1),
        "bids_ms_of_a_device_over_a_week": round(seconds["week"] * 1000, 2),
        "pyomo_ms_of_all": round(seconds["pyomo"] * 1000, 1),
        "pyomo_over_bids": round(seconds["pyomo"] / seconds["bids"], 1),
        "difference_relative": apart,
        "memory_mb": round(memory_mb, 2),
    }
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
