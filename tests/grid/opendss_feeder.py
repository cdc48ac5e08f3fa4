"""A pandapower network in OpenDSS, the distribution simulator of EPRI: a second opinion on voltages and currents.

Written from both manuals, sharing nothing with what it judges. Lines are pi sections with R1, X1, C1 and, where the
network has them, R0, X0, C0; transformers have %R, XHL, %noloadloss and %imag, and their tap as turns of that winding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import opendssdirect
from pandapower.auxiliary import pandapowerNet

PHASES = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinglePhaseLoad:
    """A load between one phase and neutral."""

    bus: int
    phase: int
    load_w: float
    load_var: float


class OpenDssFeeder:
    """One network; `solve` gives it loads and reads the state."""

    def __init__(self, net: pandapowerNet) -> None:
        assert net.switch.closed.all(), "only closed switches are translated"
        assert len(net.ext_grid) == 1
        self.net = net
        self._joined = _joined(net)

    def solve(
        self,
        injection_w: Mapping[int, float] | None = None,
        injection_var: Mapping[int, float] | None = None,
        single_phase: Iterable[SinglePhaseLoad] = (),
    ) -> None:
        """Solve with balanced three-phase injections per bus, and single-phase loads."""
        self._say("Clear", f"Set DefaultBaseFrequency={self.net.f_hz:g}")
        self._source()
        for index, line in self.net.line[self.net.line.in_service].iterrows():
            self._line(index, line)
        for index, trafo in self.net.trafo[self.net.trafo.in_service].iterrows():
            self._trafo(index, trafo)
        model = "Model=1 Vminpu=0.1 Vmaxpu=3"
        for bus, watt in (injection_w or {}).items():
            var = (injection_var or {}).get(bus, 0.0)
            power = f"kV={self.net.bus.vn_kv[bus]!r} kW={-watt / 1e3!r} kvar={-var / 1e3!r}"
            self._say(f"New Load.B{bus} Bus1={self._bus(bus)} Phases=3 {power} {model}")
        for number, load in enumerate(single_phase):
            kv = self.net.bus.vn_kv[load.bus] / np.sqrt(3)
            power = f"kV={kv!r} kW={load.load_w / 1e3!r} kvar={load.load_var / 1e3!r}"
            self._say(f"New Load.S{number} Bus1={self._bus(load.bus)}.{load.phase} Phases=1 {power} {model}")
        self._say("Set Tolerance=1e-10", "Set MaxIterations=200", "Solve Mode=Snapshot")
        assert opendssdirect.Solution.Converged()

    def vm_pu(self, bus: int) -> np.ndarray:
        """[3] voltage of each phase to neutral."""
        opendssdirect.Circuit.SetActiveBus(self._bus(bus))
        volts = np.array(opendssdirect.Bus.Voltages()).reshape(-1, 2)
        return np.hypot(*volts.T)[:3] / (1e3 * self.net.bus.vn_kv[bus] / np.sqrt(3))

    def line_current_a(self, line: int) -> np.ndarray:
        """[3] current of each phase, the larger of both ends."""
        opendssdirect.Circuit.SetActiveElement(f"Line.L{line}")
        amperes = np.array(opendssdirect.CktElement.CurrentsMagAng()).reshape(2, 3, 2)[:, :, 0]
        return amperes.max(axis=0)

    def trafo_loading_percent(self, trafo: int) -> float:
        """The highest current of any phase at either end, of what is rated there."""
        opendssdirect.Circuit.SetActiveElement(f"Transformer.T{trafo}")
        amperes = np.array(opendssdirect.CktElement.CurrentsMagAng()).reshape(2, -1, 2)[:, : len(PHASES), 0]
        row = self.net.trafo.loc[trafo]
        kva = row.sn_mva * 1e3 * row.df * row.parallel
        rated = kva / (np.sqrt(3) * np.array([row.vn_hv_kv, row.vn_lv_kv]))
        return float(100 * (amperes.max(axis=1) / rated).max())

    def _source(self) -> None:
        grid = self.net.ext_grid.iloc[0]
        kv = self.net.bus.vn_kv[grid.bus]
        stiff = "R1=1e-7 X1=1e-6 R0=1e-7 X0=1e-6"
        self._say(f"New Circuit.feeder Bus1={self._bus(grid.bus)} BasekV={kv!r} pu={grid.vm_pu!r} Phases=3 {stiff}")

    def _line(self, index: int, line: object) -> None:
        ends = f"Bus1={self._bus(line.from_bus)} Bus2={self._bus(line.to_bus)}"
        one = np.array([line.r_ohm_per_km / line.parallel, line.x_ohm_per_km / line.parallel])
        nano = line.c_nf_per_km * line.parallel
        zero, zero_nano = one, nano
        if "r0_ohm_per_km" in line:
            zero = np.array([line.r0_ohm_per_km / line.parallel, line.x0_ohm_per_km / line.parallel])
            zero_nano = line.c0_nf_per_km * line.parallel
        values = f"R1={one[0]!r} X1={one[1]!r} R0={zero[0]!r} X0={zero[1]!r} C1={nano!r} C0={zero_nano!r}"
        self._say(f"New Line.L{index} {ends} Phases=3 Units=km Length={line.length_km!r} {values}")

    def _trafo(self, index: int, trafo: object) -> None:
        """The tap changes the turns of its winding; the leakage impedance stays that of the nameplate."""
        tap = 1.0
        if isinstance(trafo.tap_side, str) and np.isfinite(trafo.tap_pos):
            tap += (trafo.tap_pos - trafo.tap_neutral) * trafo.tap_step_percent / 100
        taps = [tap, 1.0] if trafo.tap_side == "hv" else [1.0, tap]
        kva = trafo.sn_mva * 1e3 * trafo.parallel
        iron_percent = 100 * trafo.pfe_kw / (trafo.sn_mva * 1e3)
        magnetising_percent = np.sqrt(max(trafo.i0_percent**2 - iron_percent**2, 0.0))
        reactance_percent = np.sqrt(trafo.vk_percent**2 - trafo.vkr_percent**2)
        delta = str(trafo.get("vector_group", "")).startswith("D")
        self._say(
            f"New Transformer.T{index} Phases=3 Windings=2 Buses=[{self._bus(trafo.hv_bus)} {self._bus(trafo.lv_bus)}] "
            f"Conns=[{'Delta' if delta else 'Wye'} Wye] kVs=[{trafo.vn_hv_kv!r} {trafo.vn_lv_kv!r}] "
            f"kVAs=[{kva!r} {kva!r}] Taps=[{taps[0]!r} {taps[1]!r}] MinTap=0.5 MaxTap=1.5 XHL={reactance_percent!r} "
            f"%LoadLoss={trafo.vkr_percent!r} %NoLoadLoss={iron_percent!r} %Imag={magnetising_percent!r} "
            "ppm_antifloat=0"
        )

    def _bus(self, bus: int) -> str:
        return f"b{self._joined[int(bus)]}"

    @staticmethod
    def _say(*commands: str) -> None:
        for command in commands:
            opendssdirect.Text.Command(command.replace("np.float64(", "").replace(")", ""))


def _joined(net: pandapowerNet) -> dict[int, int]:
    """Buses joined by closed switches answer to the lowest of their numbers."""
    name = {int(bus): int(bus) for bus in net.bus.index}
    for switch in net.switch[net.switch.et == "b"].itertuples():
        low, high = sorted((name[switch.bus], name[switch.element]))
        name = {bus: low if known == high else known for bus, known in name.items()}
    return name
