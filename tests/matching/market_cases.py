"""Networks whose physics can be worked out by hand, and short ways to write a book."""

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import settings

from grid.limits import FloatArray, LimitKind, LimitRow, OperatingPoint, Violation
from grid.power_flow import PowerFlowDiverged
from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules
from matching.orders import Firmness, Order, Side

TICK = 100


def order(
    order_id: str,
    side: str,
    quantity_wh: int,
    limit: int,
    firmness: str = "flexible",
    bus: int | None = None,
    participant: str | None = None,
) -> Order:
    """One order; its participant is called like it unless said otherwise."""
    return Order(
        order_id=order_id,
        participant=participant or order_id,
        metering_point=f"MP-{order_id}",
        side=Side(side),
        quantity_wh=quantity_wh,
        limit_micro_per_kwh=limit,
        firmness=Firmness(firmness),
        bus=bus,
    )


def book(*orders: Order) -> OrderBook:
    """A book of these orders."""
    return OrderBook.from_orders(orders)


@dataclass(frozen=True)
class DirectCurrentTree:
    """Lossless lines in a tree: the flow into a bus is minus the sum of injections behind it. Bus 0 is the grid.

    Line k leads from `parents[k]` to bus k + 1 and carries `limits_w[k]`: loading_percent = 100 |flow| / limit.
    """

    parents: tuple[int, ...]
    limits_w: tuple[float, ...]

    @property
    def buses(self) -> tuple[int, ...]:
        return tuple(range(len(self.parents) + 1))

    def _behind(self) -> FloatArray:
        """[line, bus] 1 where the bus is behind the line."""
        behind = np.zeros((len(self.parents), len(self.buses)))
        for bus in self.buses[1:]:
            at = bus
            while at != 0:
                behind[at - 1, bus] = 1.0
                at = self.parents[at - 1]
        return behind

    def solve(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        flow = self._behind() @ injection_w
        loading = 100.0 * np.abs(flow) / np.array(self.limits_w)
        passed = [
            Violation(kind=LimitKind.LINE_LOADING, element=k, name=f"line {k}", limit=100.0, value=float(loading[k]))
            for k in np.flatnonzero(loading > 100.0 + 1e-4).tolist()
        ]
        return OperatingPoint(
            injection_w=injection_w,
            injection_var=injection_var,
            vm_pu=np.ones(len(self.buses)),
            line_loading_percent=loading,
            trafo_loading_percent=np.zeros(0),
            violations=tuple(sorted(passed, key=lambda violation: -violation.value)),
            loss_w=0.0,
            iterations=1,
        )

    def linearise(self, point: OperatingPoint, violations: tuple[Violation, ...]) -> tuple[LimitRow, ...]:
        behind, rows = self._behind(), []
        for violation in violations:
            line = violation.element
            flow = float(behind[line] @ point.injection_w)
            slope = 100.0 / self.limits_w[line] * (1.0 if flow >= 0 else -1.0)
            rows.append(
                LimitRow(
                    kind=violation.kind,
                    element=line,
                    name=violation.name,
                    limit=100.0,
                    value=float(point.line_loading_percent[line]),
                    sensitivity_per_w=slope * behind[line],
                )
            )
        return tuple(rows)

    def judge(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        return self.solve(injection_w, injection_var)


@dataclass(frozen=True)
class OneCable:
    """Grid (bus 0) - resistance - home (bus 1), unity power factor, in closed form.

    In p.u. with r = resistance and p = injection at the home: v^2 - v = r p, so v = (1 + sqrt(1 + 4 r p)) / 2; there
    is no solution where 1 + 4 r p < 0. Losses are p^2 r / v^2.
    """

    resistance_pu: float
    base_w: float = 10_000.0
    v_min_pu: float = 0.9
    v_max_pu: float = 1.1
    buses: tuple[int, ...] = (0, 1)

    def voltage(self, power_w: float) -> float:
        inside = 1.0 + 4.0 * self.resistance_pu * power_w / self.base_w
        if inside < 0.0:
            raise PowerFlowDiverged(iterations=1, worst_bus="1 home", mismatch_mva=1.0)
        return (1.0 + math.sqrt(inside)) / 2.0

    def power_at(self, voltage_pu: float) -> float:
        """The injection in W that gives this voltage."""
        return (voltage_pu**2 - voltage_pu) * self.base_w / self.resistance_pu

    def solve(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        voltage, power = self.voltage(float(injection_w[1])), float(injection_w[1]) / self.base_w
        passed = []
        if voltage > self.v_max_pu + 1e-6:
            passed.append((LimitKind.VOLTAGE_HIGH, self.v_max_pu))
        if voltage < self.v_min_pu - 1e-6:
            passed.append((LimitKind.VOLTAGE_LOW, self.v_min_pu))
        return OperatingPoint(
            injection_w=injection_w,
            injection_var=injection_var,
            vm_pu=np.array([1.0, voltage]),
            line_loading_percent=np.zeros(1),
            trafo_loading_percent=np.zeros(0),
            violations=tuple(
                Violation(kind=kind, element=1, name="home", limit=limit, value=voltage) for kind, limit in passed
            ),
            loss_w=power**2 * self.resistance_pu / voltage**2 * self.base_w,
            iterations=1,
        )

    def linearise(self, point: OperatingPoint, violations: tuple[Violation, ...]) -> tuple[LimitRow, ...]:
        voltage = float(point.vm_pu[1])
        slope = self.resistance_pu / (2.0 * voltage - 1.0) / self.base_w
        rows = []
        for violation in violations:
            sign = 1.0 if violation.kind is LimitKind.VOLTAGE_HIGH else -1.0
            rows.append(
                LimitRow(
                    kind=violation.kind,
                    element=1,
                    name="home",
                    limit=sign * violation.limit,
                    value=sign * voltage,
                    sensitivity_per_w=sign * np.array([0.0, slope]),
                )
            )
        return tuple(rows)

    def judge(self, injection_w: FloatArray, injection_var: FloatArray) -> OperatingPoint:
        return self.solve(injection_w, injection_var)


def outcome(clearing: Clearing) -> dict[str, tuple[int, int, int | None]]:
    """Accepted Wh, curtailed Wh and price by order id."""
    return {
        trade.order_id: (trade.accepted_wh, trade.curtailed_wh, trade.price_micro_per_kwh)
        for trade in clearing.trades()
    }


def many() -> settings:
    """Two hundred seeded examples, two thousand in a full run."""
    return settings(max_examples=max(200, 2 * settings.default.max_examples))


RULES = MarketRules(tie_seed="a test")
