"""A switchboard with a meter whose transformers may be wired wrongly, and an electrician who does what is asked."""

import cmath
import math
import time

VOLTAGES = {phase: cmath.rect(230, math.radians(-120 * (phase - 1))) for phase in (1, 2, 3)}
RIGHT = {1: (1, 1), 2: (2, 1), 3: (3, 1)}


class Switchboard:
    """Resistive loads at three phases, and current transformers that measure phase and direction they are put at.

    wiring  input of the meter to (conductor its transformer is around, 1 or -1)
    speed   how much faster than real time energy is counted
    """

    def __init__(self, wiring=RIGHT, *, base_w=150.0, solar_w=0.0, speed=2000.0, import_wh=1_234_500.0) -> None:
        self.wiring, self.speed, self.solar_w = wiring, speed, solar_w
        self.loads_w = dict.fromkeys((1, 2, 3), base_w)
        self.energy_wh = {"energy_import_wh": import_wh, "energy_export_wh": 50_000.0}
        self.counted_at = time.monotonic()

    def switch(self, phase: int, load_w: float) -> None:
        self.values()
        self.loads_w[phase] += load_w

    def values(self) -> dict[str, float]:
        currents = {
            phase: (watts - self.solar_w / 3) / VOLTAGES[phase].conjugate() for phase, watts in self.loads_w.items()
        }
        measured = {number: currents[at] * way for number, (at, way) in self.wiring.items()}
        power_w = sum((VOLTAGES[number] * current.conjugate()).real for number, current in measured.items())
        now = time.monotonic()
        moved_wh = power_w * self.speed * (now - self.counted_at) / 3600
        self.counted_at = now
        self.energy_wh["energy_import_wh" if moved_wh > 0 else "energy_export_wh"] += abs(moved_wh)
        shown = {f"current_l{number}_a": abs(current) for number, current in measured.items()}
        return {**self.energy_wh, **shown, "active_power_w": power_w}


class Electrician:
    """Does what is asked: reads the display, switches 2 kW at the phase in question."""

    def __init__(self, board: Switchboard, *, display=None, load_w=2000.0, lazy=False, really=1.0) -> None:
        self.board, self.display, self.watts, self.lazy = board, display or {}, load_w, lazy
        self.really = really
        self.phase = 0

    def shown_kwh(self, _device: str, quantity: str) -> float | None:
        return self.display.get(quantity, self.board.energy_wh[quantity] / 1000)

    def load_w(self, _device: str, phase: int) -> float | None:
        self.phase = phase
        return self.watts

    def tell(self, text: str) -> None:
        if not self.lazy:
            load_w = self.really * self.watts
            self.board.switch(self.phase, load_w if "W on at" in text else -load_w)
