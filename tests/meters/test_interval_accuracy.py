"""How good the energy of intervals is: beside the exact integral of a home's power, over a month."""

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from meters.energy import boundary_readings
from meters.reading import CounterRead

START = datetime(2026, 6, 1, tzinfo=UTC)
INTERVAL_S, DAYS = 900, 30
STEP_MWH = 1_000


class Home:
    """Power that jumps at random moments, and its exact energy since the start, in mWh."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311  a seeded test
        self.changes, self.powers_w = [0.0], [300.0]
        while self.changes[-1] < DAYS * 86_400 + 3_600:
            self.changes.append(self.changes[-1] + chance.expovariate(1 / 240))
            self.powers_w.append(chance.choice([60, 150, 300, 2_000, 3_500]))
        self.energies_mwh = [0.0]
        for (began, ended), power_w in zip(pairwise(self.changes), self.powers_w, strict=False):
            self.energies_mwh.append(self.energies_mwh[-1] + power_w * (ended - began) / 3.6)
        self._at = 0

    def energy_mwh(self, second: float) -> float:
        """Asked with growing seconds."""
        while self.changes[self._at + 1] <= second:
            self._at += 1
        return self.energies_mwh[self._at] + self.powers_w[self._at] * (second - self.changes[self._at]) / 3.6


def read_at(home: Home, second: float) -> CounterRead:
    """What a counter in whole Wh shows, at the middle between asking and receiving."""
    counted = int(home.energy_mwh(second)) // STEP_MWH * STEP_MWH
    at = START + timedelta(seconds=second)
    return CounterRead(at=at, import_mwh=counted, export_mwh=0, step_mwh=STEP_MWH)


@pytest.mark.parametrize("seed", [1, 2])
def test_within_one_watt_hour_rms_and_a_month_within_one_step(seed):
    chance, home, exact = random.Random(seed), Home(seed), Home(seed)  # noqa: S311  a seeded test
    seconds = []
    for boundary in range(INTERVAL_S, DAYS * 86_400 + 1, INTERVAL_S):
        # Polled once a minute, and read anew within two seconds after every boundary, as the gateway does.
        seconds += [boundary - INTERVAL_S + 60 * minute + chance.uniform(5, 8) for minute in range(1, 14)]
        seconds.append(boundary + chance.uniform(0.3, 2.0))
    readings, last_end_s, before = [], None, read_at(home, 0.0)
    readings += boundary_readings(None, None, before, INTERVAL_S)
    last_end_s = readings[-1].start_s + readings[-1].duration_s
    for second in seconds:
        after = read_at(home, second)
        new = boundary_readings(last_end_s, before, after, INTERVAL_S)
        readings, before = [*readings, *new], after
        last_end_s = readings[-1].start_s + readings[-1].duration_s
    energies_wh = [(one.import_mwh - other.import_mwh) / 1000 for other, one in pairwise(readings)]
    ends = [exact.energy_mwh(INTERVAL_S * number) / 1000 for number in range(len(readings))]
    errors_wh = [energy - (end - begun) for energy, (begun, end) in zip(energies_wh, pairwise(ends), strict=True)]
    assert len(energies_wh) == DAYS * 96
    assert (sum(error * error for error in errors_wh) / len(errors_wh)) ** 0.5 <= 1.0
    assert abs(sum(errors_wh)) <= STEP_MWH / 1000 + 1e-6
