"""What the network allows: the question the market asks the grid, and the answer.

`NetworkLimits` is the single door between market and grid. The market hands in injections per bus and gets back
an `OperatingPoint` from a full AC power flow, and for chosen limits a `LimitRow`: the limit linearised there.
All powers are in W, positive into the grid; balanced three-phase.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class LimitKind(StrEnum):
    """Which limit of which kind of element."""

    VOLTAGE_HIGH = "voltage_high"
    VOLTAGE_LOW = "voltage_low"
    LINE_LOADING = "line_loading"
    TRAFO_LOADING = "trafo_loading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One limit that is not kept: p.u. for voltages, percent for loadings."""

    kind: LimitKind
    element: int
    name: str
    limit: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """State of the network for given injections.

    injection_w, injection_var  [n_bus] in the order of `NetworkLimits.buses`
    vm_pu                       [n_bus]; line_loading_percent [n_line]; trafo_loading_percent [n_trafo]
    violations                  worst first, by how far the limit is passed relative to it
    loss_w                      active losses of lines and transformers
    """

    injection_w: FloatArray
    injection_var: FloatArray
    vm_pu: FloatArray
    line_loading_percent: FloatArray
    trafo_loading_percent: FloatArray
    violations: tuple[Violation, ...]
    loss_w: float
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit near a point: `value + sensitivity_per_w @ (injection_w - point.injection_w) <= limit`.

    Both sides are signed so that <= is the safe side.

    For VOLTAGE_LOW value and limit are negated. Units: p.u. or percent, and those per W.
    """

    kind: LimitKind
    element: int
    name: str
    limit: float
    value: float
    sensitivity_per_w: FloatArray


class NetworkLimits(Protocol):
    """A network with its limits, as the market sees it. Implemented by `grid.network.GridNetwork`."""

    @property
    def buses(self) -> tuple[int, ...]:
        """Indices of the network's bus table, ascending; the order of every per-bus array."""
        ...

    def solve(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        """Full AC power flow. Raises `grid.power_flow.PowerFlowDiverged` if there is no solution."""
        ...

    def linearise(self, point: OperatingPoint, violations: tuple[Violation, ...]) -> tuple[LimitRow, ...]:
        """Rows of the given limits at `point` (a limit need not be violated there)."""
        ...

    def judge(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        """The same state by `pandapower.runpp` with its defaults: the judge of what is published."""
        ...
