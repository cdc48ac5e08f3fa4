"""Which values of a complete network cannot be meant: rules `(net) -> errors` about impedances, units and voltages.

Ranges are wide: what they refuse is a factor of 1000 or a fraction for a percentage, not an unusual network.
"""

from typing import TYPE_CHECKING

import numpy as np

from grid.tables import in_service, label

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet
    from pandas import Series

HIGHEST_LINE_CURRENT_KA = 10.0
NO_LIMIT_KA = 99999.0
LONGEST_LOW_VOLTAGE_LINE_KM = 20.0
LARGEST_LOW_VOLTAGE_TRAFO_MVA = 10.0
HIGHEST_NOMINAL_VOLTAGE_KV = 1200.0
TRANSMISSION_FROM_KV, TRANSMISSION_OHM_PER_KM_MAX = 200.0, 0.12
SMALLEST_SHORT_CIRCUIT_VOLTAGE_PERCENT = 0.3
LARGEST_FRACTION = 1.5
NOMINAL_VOLTAGE_RATIO = 2.0


def impedances_are_positive(net: "pandapowerNet") -> list[str]:
    """No short circuits by mistake, and no division by zero: pandapower starts from reactances alone."""
    lines = in_service(net, "line")
    impedance_ohm = np.hypot(lines.r_ohm_per_km, lines.x_ohm_per_km) * lines.length_km
    errors = [
        f"{label(net, 'line', index)} has no impedance: give its length and ohm per km, or use a closed bus switch"
        for index in lines.index[~(impedance_ohm > 0)]
    ]
    errors += [
        f"{label(net, 'line', index)} has no reactance: set x_ohm_per_km, about 0.08 for cables, 0.3 overhead"
        for index in lines.index[(impedance_ohm > 0) & (lines.x_ohm_per_km == 0)]
    ]
    between = in_service(net, "impedance") if "impedance" in net else lines.iloc[:0]
    errors += [
        f"{label(net, 'impedance', index)} has no reactance: set xft_pu and xtf_pu, or use a closed bus switch"
        for index, row in between.iterrows()
        if row.xft_pu == 0 or row.xtf_pu == 0
    ]
    trafos = in_service(net, "trafo")
    for table, rows in (("line", lines), ("trafo", trafos)):
        wrong = rows[(rows.parallel < 1) | (rows.df <= 0)]
        errors += [f"{label(net, table, index)} needs parallel >= 1 and df > 0" for index in wrong.index]
    wrong = trafos[~(trafos.vk_percent > 0) | (trafos.vkr_percent > trafos.vk_percent) | (trafos.vkr_percent < 0)]
    return errors + [
        f"{label(net, 'trafo', index)} needs 0 <= vkr_percent <= vk_percent and vk_percent > 0: copy its nameplate"
        for index in wrong.index
    ]


def voltages_are_in_kv(net: "pandapowerNet") -> list[str]:
    """No nominal voltage in V: above any grid's, or above 200 kV at lines with the resistance of street cables."""
    lines, vn_kv = in_service(net, "line"), net.bus.vn_kv
    beyond = set(vn_kv.index[vn_kv > HIGHEST_NOMINAL_VOLTAGE_KV])
    cables = lines[lines.r_ohm_per_km > TRANSMISSION_OHM_PER_KM_MAX]
    at_cables = {int(bus) for column in ("from_bus", "to_bus") for bus in cables[column]}
    beyond |= {bus for bus in at_cables if vn_kv.at[bus] >= TRANSMISSION_FROM_KV}
    remedy = "kV: if it is in V, divide by 1000"
    return _unit_errors(net, "bus", vn_kv.loc[sorted(beyond)], remedy)


def units_are_plausible(net: "pandapowerNet") -> list[str]:
    """A current in A, a length in m or a rating in kVA is far outside of what the column's unit can hold."""
    lines, trafos, held = (in_service(net, table) for table in ("line", "trafo", "ext_grid"))
    line_kv = net.bus.vn_kv.loc[lines.from_bus.astype(int)].to_numpy()
    ampere = (lines.max_i_ka > HIGHEST_LINE_CURRENT_KA) & (lines.max_i_ka < NO_LIMIT_KA)
    metres = (line_kv < 1.0) & (lines.length_km > LONGEST_LOW_VOLTAGE_LINE_KM)
    kva = (trafos.vn_lv_kv < 1.0) & (trafos.sn_mva > LARGEST_LOW_VOLTAGE_TRAFO_MVA)
    odd = (held.vm_pu < 0.5) | (held.vm_pu > 1.5)
    return [
        *_unit_errors(net, "line", lines.max_i_ka[ampere], "kA: if it is in A, divide by 1000"),
        *_unit_errors(net, "line", lines.length_km[metres], "km: if it is in m, divide by 1000"),
        *_unit_errors(net, "trafo", trafos.sn_mva[kva], "MVA: if it is in kVA, divide by 1000"),
        *_unit_errors(net, "ext_grid", held.vm_pu[odd], "p.u.: if it is in kV, divide by the bus's vn_kv"),
    ]


def percentages_are_no_fractions(net: "pandapowerNet") -> list[str]:
    """Loading limits and short-circuit voltages are in percent: 80, not 0.8."""
    errors = []
    for table in ("line", "trafo"):
        rows = in_service(net, table)
        if "max_loading_percent" in rows:
            limit = rows.max_loading_percent.astype(float)
            small = limit[(limit > 0) & (limit <= LARGEST_FRACTION)]
            errors += _unit_errors(net, table, small, "percent: if it is a fraction, multiply by 100")
    vk_percent = in_service(net, "trafo").vk_percent
    small = vk_percent[(vk_percent > 0) & (vk_percent < SMALLEST_SHORT_CIRCUIT_VOLTAGE_PERCENT)]
    return errors + _unit_errors(net, "trafo", small, "percent: if it is a fraction, multiply by 100")


def taps_are_within_range(net: "pandapowerNet") -> list[str]:
    """A tap position is one that the transformer has."""
    rows = in_service(net, "trafo")
    if not {"tap_pos", "tap_min", "tap_max"} <= set(rows.columns):
        return []
    outside = rows[(rows.tap_pos < rows.tap_min) | (rows.tap_pos > rows.tap_max)]
    return [
        f"{label(net, 'trafo', index)} has tap_pos {row.tap_pos:g} outside of its taps {row.tap_min:g} to "
        f"{row.tap_max:g}: correct it"
        for index, row in outside.iterrows()
    ]


def voltages_fit_together(net: "pandapowerNet") -> list[str]:
    """Lines join buses of one nominal voltage; a transformer's windings fit the buses they are at."""
    lines, trafos, vn_kv = in_service(net, "line"), in_service(net, "trafo"), net.bus.vn_kv
    errors = [
        f"{label(net, 'bus', bus)} has vn_kv {value:g}: it must be above 0" for bus, value in vn_kv[vn_kv <= 0].items()
    ]
    if errors:
        return errors
    ends = zip(lines.index, lines.from_bus.map(vn_kv), lines.to_bus.map(vn_kv), strict=True)
    errors = [
        f"{label(net, 'line', index)} joins buses of {start:g} and {end:g} kV: correct vn_kv or use a transformer"
        for index, start, end in ends
        if start != end
    ]
    for bus_column, rated_column in (("hv_bus", "vn_hv_kv"), ("lv_bus", "vn_lv_kv")):
        ratio = trafos[rated_column] / trafos[bus_column].map(vn_kv)
        wrong = trafos.index[~((ratio < NOMINAL_VOLTAGE_RATIO) & (ratio > 1 / NOMINAL_VOLTAGE_RATIO))]
        errors += [
            f"{label(net, 'trafo', index)} has {rated_column} {trafos[rated_column].at[index]:g} at a bus of "
            f"{vn_kv.at[trafos[bus_column].at[index]]:g} kV: correct one of them (both are in kV)"
            for index in wrong
        ]
    return errors


def _unit_errors(net: "pandapowerNet", table: str, values: "Series[float]", remedy: str) -> list[str]:
    """One error a value; the values' name is that of their column."""
    return [
        f"{label(net, table, index)} has {values.name} {value:g}, not plausible in {remedy}"
        for index, value in values.items()
    ]
