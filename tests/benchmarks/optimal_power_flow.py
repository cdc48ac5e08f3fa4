"""The exact optimum of a book on an AC network, by IPOPT: a second opinion on what the market's loop finds.

An AC optimal power flow with CasADi. Of the network it takes the admittances and nothing else: no power flow, no
linearisation, no row, no cell of the market. One variable per order, one more for what is curtailed of it, and real and
imaginary part of every voltage. Losses are part of the power balance of the network but, by the market's rule, not of
the balance of trades, unless the market buys them.

Units inside: p.u. of `BASE_VA` per interval for energy, and currency units per kWh for prices.
"""

from dataclasses import dataclass

import casadi
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from grid.network import GridNetwork
from matching.book import CURTAILABLE, FLEXIBLE, OrderBook
from matching.rules import MarketRules

BASE_VA = 1e5
MICRO = 1e6
SOLVED = ("Solve_Succeeded", "Solved_To_Acceptable_Level")
INFEASIBLE = "Infeasible_Problem_Detected"
OPTIONS = {
    "print_time": False,
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "ipopt.tol": 1e-9,
    "ipopt.max_iter": 200,
    "ipopt.max_wall_time": 10.0,
    "ipopt.bound_relax_factor": 0.0,
    "ipopt.mu_strategy": "adaptive",
}
NEAR = {
    "ipopt.mu_strategy": "monotone",
    "ipopt.mu_init": 1e-7,
    "ipopt.bound_push": 1e-8,
    "ipopt.bound_frac": 1e-8,
    "ipopt.slack_bound_push": 1e-8,
    "ipopt.slack_bound_frac": 1e-8,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Optimum:
    """What IPOPT came to: `status` is its own word; welfare in nano-units, energies in Wh."""

    status: str
    welfare_nano: float
    accepted_wh: np.ndarray
    curtailed_wh: np.ndarray
    supplier_import_wh: float
    supplier_export_wh: float
    iterations: int

    @property
    def solved(self) -> bool:
        return self.status in SOLVED


class OptimalPowerFlow:
    """The optimum of a book on a network; `solve` may be asked from several starting points."""

    def __init__(
        self,
        book: OrderBook,
        network: GridNetwork,
        rules: MarketRules,
        *,
        interval_minutes: int = 15,
        baseline_w: np.ndarray | None = None,
        baseline_var: np.ndarray | None = None,
    ) -> None:
        nothing = np.zeros(len(network.buses))
        self._arrays, self._limits = network.arrays, network.limits
        self._wh = BASE_VA * interval_minutes / 60.0
        self._side = np.where(book.is_sell, 1.0, -1.0)
        self._quantity = book.quantity_wh / self._wh
        self._curtailable = np.flatnonzero(book.firmness_codes == CURTAILABLE)
        self._moves = book.firmness_codes == FLEXIBLE
        node = self._arrays.bus_node[np.searchsorted(network.buses, book.bus)]
        self._at = sparse.csr_matrix(
            (np.ones(node.size), (node, np.arange(node.size))), shape=(self._arrays.node_count, node.size)
        )
        base = (nothing if baseline_w is None else baseline_w) + 1j * (
            nothing if baseline_var is None else baseline_var
        )
        self._base = np.zeros(self._arrays.node_count, dtype=complex)
        np.add.at(self._base, self._arrays.bus_node, base / BASE_VA)
        self._base += self._at @ (self._side * self._quantity * ~self._moves)
        self._build(book, rules)

    def solve(self) -> Optimum:
        """From half of everything accepted, and the voltages of a network without injections."""
        count = self._quantity.size
        return self._solve(
            self._from_afar, self._arrays.no_load_voltage, self._quantity / 2, np.zeros(count), (0.0, 0.0)
        )

    def solve_near(self, accepted_wh: np.ndarray, curtailed_wh: np.ndarray, supplied_wh: tuple[int, int]) -> Optimum:
        """From a result that is known, with hardly any distance kept from what it uses up."""
        accepted, curtailed = accepted_wh / self._wh, curtailed_wh / self._wh
        supplied = (supplied_wh[0] / self._wh, supplied_wh[1] / self._wh)
        return self._solve(self._from_near, self._voltage(accepted, curtailed), accepted, curtailed, supplied)

    def _voltage(self, accepted: np.ndarray, curtailed: np.ndarray) -> np.ndarray:
        """Fixed-point iteration on the impedances; good enough to start from."""
        injected = self._base + self._at @ (self._side * (accepted * self._moves - curtailed))
        voltage = self._arrays.no_load_voltage.copy()
        factors = splu(self._arrays.admittance[self._free][:, self._free].tocsc())
        for _ in range(30):
            current = np.conj(injected / voltage)[self._free] * BASE_VA / (self._arrays.base_mva * 1e6)
            voltage[self._free] = self._arrays.no_load_voltage[self._free] + factors.solve(current)
        return voltage

    def _solve(
        self,
        solver: casadi.Function,
        voltage: np.ndarray,
        accepted: np.ndarray,
        curtailed: np.ndarray,
        supplied: tuple[float, float],
    ) -> Optimum:
        voltage = voltage[self._free]
        start = np.concatenate([voltage.real, voltage.imag, accepted, curtailed[self._curtailable], supplied])
        found = solver(x0=start, lbx=self._lower, ubx=self._upper, lbg=self._least, ubg=self._most)
        statistics = solver.stats()
        energies = np.asarray(found["x"]).ravel()[2 * self._free.size :] * self._wh
        count = self._quantity.size
        curtailed = np.zeros(count)
        curtailed[self._curtailable] = energies[count:-2]
        return Optimum(
            status=statistics["return_status"],
            welfare_nano=-float(found["f"]) * self._wh * MICRO,
            accepted_wh=energies[:count],
            curtailed_wh=curtailed,
            supplier_import_wh=float(energies[-2]),
            supplier_export_wh=float(energies[-1]),
            iterations=int(statistics["iter_count"]),
        )

    def _build(self, book: OrderBook, rules: MarketRules) -> None:
        arrays, count = self._arrays, self._quantity.size
        self._free = np.setdiff1d(np.arange(arrays.node_count), arrays.slack_nodes)
        real, imaginary = (casadi.SX.sym(name, self._free.size) for name in ("real", "imaginary"))
        accepted = casadi.SX.sym("accepted", count)
        curtailed = casadi.SX.sym("curtailed", self._curtailable.size)
        supplied = casadi.SX.sym("supplied", 2)
        voltage = _at_nodes(arrays, self._free, real, imaginary)

        to_network = casadi.DM(self._at[:, :] @ sparse.diags(self._side * self._moves)) @ accepted
        to_network -= (
            casadi.DM(self._at[:, self._curtailable] @ sparse.diags(self._side[self._curtailable])) @ curtailed
        )
        active, reactive = _power(voltage, arrays.admittance, voltage, arrays.base_mva * 1e6 / BASE_VA)
        balance = casadi.dot(casadi.DM(self._side), accepted) + supplied[0] - supplied[1]
        if rules.losses == "market":
            balance -= casadi.sum1(active)
        flows = [active - to_network - self._base.real, reactive - self._base.imag]
        rows: list[tuple[casadi.SX, float | np.ndarray, float | np.ndarray]] = [
            (flow[self._free.tolist()], 0.0, 0.0) for flow in flows
        ]
        rows.append((balance, 0.0, 0.0))
        left = accepted[self._curtailable.tolist()] + curtailed
        rows.append((left, -np.inf, self._quantity[self._curtailable]))
        rows += _limits(arrays, self._limits, voltage)
        constraints = casadi.vertcat(*(row for row, _, _ in rows))
        self._least, self._most = (
            np.concatenate([np.broadcast_to(row[side], row[0].numel()) for row in rows]) for side in (1, 2)
        )
        supplier = rules.supplier
        bids = (supplier.sells_at_micro_per_kwh, supplier.buys_at_micro_per_kwh)
        worth = casadi.dot(casadi.DM(-self._side * book.limit_micro_per_kwh / MICRO), accepted)
        worth -= rules.curtailment_price_micro_per_kwh / MICRO * casadi.sum1(curtailed)
        worth += casadi.dot(casadi.DM([-(bids[0] or 0) / MICRO, (bids[1] or 0) / MICRO]), supplied)
        unlimited = 2.0 * self._quantity.sum() + 1.0
        self._lower = np.concatenate([np.full(2 * self._free.size, -2.0), np.zeros(count + curtailed.numel() + 2)])
        self._upper = np.concatenate(
            [
                np.full(2 * self._free.size, 2.0),
                self._quantity,
                self._quantity[self._curtailable],
                [0.0 if price is None else unlimited for price in bids],
            ]
        )
        variables = casadi.vertcat(real, imaginary, accepted, curtailed, supplied)
        programme = {"x": variables, "f": -worth, "g": constraints}
        self._from_afar = casadi.nlpsol("market", "ipopt", programme, OPTIONS)
        derivatives = {name: self._from_afar.get_function(f"nlp_{name}") for name in ("grad_f", "jac_g", "hess_l")}
        derivatives["hess_lag"] = derivatives.pop("hess_l")
        self._from_near = casadi.nlpsol("market", "ipopt", programme, OPTIONS | NEAR | derivatives)


Voltage = tuple[casadi.SX, casadi.SX]


def _at_nodes(arrays, free: np.ndarray, real: casadi.SX, imaginary: casadi.SX) -> Voltage:
    """[n_node] voltages, those of the external grid given."""
    place = sparse.csr_matrix((np.ones(free.size), (free, np.arange(free.size))), shape=(arrays.node_count, free.size))
    held = np.zeros(arrays.node_count, dtype=complex)
    held[arrays.slack_nodes] = arrays.no_load_voltage[arrays.slack_nodes]
    return casadi.DM(place) @ real + held.real, casadi.DM(place) @ imaginary + held.imag


def _current(admittance: sparse.csr_matrix, voltage: Voltage) -> Voltage:
    conductance, susceptance = (casadi.DM(sparse.csc_matrix(part)) for part in (admittance.real, admittance.imag))
    return (
        conductance @ voltage[0] - susceptance @ voltage[1],
        conductance @ voltage[1] + susceptance @ voltage[0],
    )


def _power(at: Voltage, admittance: sparse.csr_matrix, voltage: Voltage, base: float) -> Voltage:
    current = _current(admittance, voltage)
    return (
        base * (at[0] * current[0] + at[1] * current[1]),
        base * (at[1] * current[0] - at[0] * current[1]),
    )


def _limits(arrays, limits, voltage: Voltage) -> list[tuple[casadi.SX, float, float]]:
    """Squares of voltages under 1 kV, and squares of the currents at both ends of every branch over their limits."""
    buses = np.unique(arrays.bus_node[arrays.bus_vn_kv < 1.0])
    low_voltage = np.setdiff1d(buses, arrays.slack_nodes).tolist()
    squared = voltage[0][low_voltage] ** 2 + voltage[1][low_voltage] ** 2
    rows = [(squared, limits.v_min_pu**2, limits.v_max_pu**2)]
    for branches in (arrays.lines, arrays.trafos):
        for admittance, percent in (
            (branches.from_admittance, branches.from_percent),
            (branches.to_admittance, branches.to_percent),
        ):
            used = np.flatnonzero(percent > 0.0)
            scaled = sparse.diags(percent[used] / limits.max_loading_percent) @ admittance[used]
            loading = _current(scaled, voltage)
            rows.append((loading[0] ** 2 + loading[1] ** 2, -np.inf, 1.0))
    return rows
