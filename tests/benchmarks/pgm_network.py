"""A pandapower network in power-grid-model, the calculation core of Dutch grid operators: many states, and limits.

Its transformers are pi sections and pandapower's tees, which is 1e-6 p.u. of voltage here. Limits are those of
currents, as pandapower has them; power-grid-model's own loading of transformers is one of power.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandapower
import power_grid_model
from pandapower.auxiliary import pandapowerNet
from power_grid_model_io.converters import PandaPowerConverter

from grid.extraction import without_injections
from grid.measurement import LOW_VOLTAGE_BELOW_KV, Limits

BLOCK_STATES = 2048
STIFF_VA = 1e15  # a source that drops no voltage
OUTPUT = {"node": ["u_pu"], "line": ["i_from", "i_to"], "transformer": ["i_from", "i_to"]}


class PgmNetwork:
    """One network with one load a bus, in the order of `buses`."""

    def __init__(self, net: pandapowerNet, buses: Sequence[int]) -> None:
        self._net, self._buses = net, np.asarray(buses)
        given = without_injections(net)
        pandapower.create_loads(given, buses, p_mw=0.0, q_mvar=0.0)
        given.trafo = given.trafo.drop(columns="vector_group", errors="ignore")  # the converter wants all or none
        given.ext_grid[["s_sc_max_mva", "rx_max"]] = 1e9, 0.1
        data, self._origin = PandaPowerConverter().load_input_data(given)
        data["source"]["sk"] = STIFF_VA
        loads = [key for key in data["sym_load"]["id"].tolist() if self._reference(key)["name"] == "const_power"]
        self._load_ids = np.array(sorted(loads, key=lambda key: self._reference(key)["index"]))
        self._place = {table: self._places(data[table]["id"], table) for table in OUTPUT}
        self.model = power_grid_model.PowerGridModel(data, system_frequency=net.f_hz)

    def update(self, watts: np.ndarray, vars_: np.ndarray) -> dict[str, np.ndarray]:
        """A batch [n_state, n_bus] of injections as the model takes it."""
        loads = power_grid_model.initialize_array("update", "sym_load", watts.shape)
        loads["id"], loads["p_specified"], loads["q_specified"] = self._load_ids, -watts, -vars_
        return {"sym_load": loads}

    def excess(self, limits: Limits, watts: np.ndarray, vars_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[n_state] by how much the worst voltage passes its limits in p.u., and the worst loading in percent."""
        volts, loading = [np.zeros(0)], [np.zeros(0)]
        for voltages, loadings in self._states(watts, vars_):
            volts.append(np.maximum(voltages - limits.v_max_pu, limits.v_min_pu - voltages).max(axis=1))
            loading.append(loadings.max(axis=1) - limits.max_loading_percent)
        return np.concatenate(volts), np.concatenate(loading)

    def _states(self, watts: np.ndarray, vars_: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Voltages of the buses under 1 kV, and loadings of all lines and transformers, block by block."""
        low = self._net.bus.vn_kv.loc[self._buses].to_numpy() < LOW_VOLTAGE_BELOW_KV
        line, trafo = self._net.line, self._net.trafo
        line_a = 1e3 * (line.max_i_ka * line.df * line.parallel).to_numpy()
        rated_va = 1e6 * (trafo.sn_mva * trafo.df * trafo.parallel).to_numpy() / np.sqrt(3.0)
        ends_a = (
            ("line", "i_from", line_a),
            ("line", "i_to", line_a),
            ("transformer", "i_from", rated_va / (1e3 * trafo.vn_hv_kv.to_numpy())),
            ("transformer", "i_to", rated_va / (1e3 * trafo.vn_lv_kv.to_numpy())),
        )
        for start in range(0, len(watts), BLOCK_STATES):
            block = slice(start, start + BLOCK_STATES)
            found = self.model.calculate_power_flow(
                update_data=self.update(watts[block], vars_[block]), output_component_types=OUTPUT
            )
            loadings = [100.0 * found[table][end][:, self._place[table]] / rated for table, end, rated in ends_a]
            yield found["node"]["u_pu"][:, self._place["node"]][:, low], np.concatenate(loadings, axis=1)

    def _places(self, keys: np.ndarray, table: str) -> np.ndarray:
        """Where the elements of a pandapower table are among the model's."""
        at = {self._reference(key)["index"]: place for place, key in enumerate(keys.tolist())}
        wanted = {"node": self._buses, "line": self._net.line.index, "transformer": self._net.trafo.index}[table]
        return np.array([at[index] for index in wanted])

    def _reference(self, key: int) -> dict:
        return self._origin[key]["id_reference"]
