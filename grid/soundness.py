"""What makes a network usable: rules `(net) -> errors`, each error naming the element and the remedy.

`require_sound` raises them all at once. Rules about values run only on complete tables.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from grid.feeder import NetworkError

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet
    from pandas import DataFrame

# Constant power at a bus: ignored, because the injections handed in are everything.
INJECTION_TABLES = ("load", "sgen", "storage", "motor", "asymmetric_load", "asymmetric_sgen")
UNSUPPORTED_TABLES: Mapping[str, str] = {
    "gen": "is a voltage-controlled generator: model it as an injection at its bus",
    "trafo3w": "is a three-winding transformer: model it as two-winding transformers",
    "ward": "is a ward equivalent: model it as a shunt and an injection",
    "xward": "is an extended ward equivalent: model it as an external grid or an injection",
    "dcline": "is a direct-current line: model its ends as injections",
    "svc": "is a static var compensator: model it as a shunt or an injection",
    "ssc": "is a static synchronous compensator: model it as an injection",
    "vsc": "is a converter station: model it as an injection",
    "tcsc": "is a controlled series compensator: model it as an impedance",
}
REQUIRED_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "bus": ("vn_kv",),
    "line": ("from_bus", "to_bus", "length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "df", "parallel"),
    "trafo": (
        *("hv_bus", "lv_bus", "sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent"),
        *("df", "parallel"),
    ),
    "ext_grid": ("bus", "vm_pu"),
}
HIGHEST_LINE_CURRENT_KA = 10.0
NO_LIMIT_KA = 99999.0
LONGEST_LOW_VOLTAGE_LINE_KM = 20.0
LARGEST_LOW_VOLTAGE_TRAFO_MVA = 10.0
NOMINAL_VOLTAGE_RATIO = 2.0

Rule = Callable[["pandapowerNet"], list[str]]


def require_sound(net: "pandapowerNet") -> None:
    """Raise NetworkError with every error of every rule."""
    for rules in (COMPLETENESS_RULES, VALUE_RULES):
        errors = [error for rule in rules for error in rule(net)]
        if errors:
            raise NetworkError(*errors)


def elements_are_supported(net: "pandapowerNet") -> list[str]:
    """Only what injects constant power, or is a linear branch or shunt, can be solved here."""
    errors = []
    for table, remedy in UNSUPPORTED_TABLES.items():
        if table in net and len(net[table]):
            in_use = net[table][net[table].in_service.astype(bool)]
            errors += [f"{table} {index} {remedy}" for index in in_use.index]
    return errors


def tables_are_complete(net: "pandapowerNet") -> list[str]:
    """Every number that enters the admittances is there."""
    errors = []
    for table, columns in REQUIRED_COLUMNS.items():
        rows = _in_service(net, table)
        for column in columns:
            if column not in rows:
                errors.append(f"the table {table} has no column {column}: add it")
                continue
            missing = [index for index, value in rows[column].items() if not _is_number(value)]
            errors += [f"{_label(net, table, index)} has no number in {column}: fill it in" for index in missing]
    return errors


def ends_exist(net: "pandapowerNet") -> list[str]:
    """Both ends of every line and transformer, and every external grid, are at buses of the table."""
    errors = []
    for table, columns in (("line", ("from_bus", "to_bus")), ("trafo", ("hv_bus", "lv_bus")), ("ext_grid", ("bus",))):
        rows = _in_service(net, table)
        for column in (name for name in columns if name in rows):
            lost = rows[~rows[column].isin(net.bus.index)]
            errors += [
                f"{_label(net, table, index)} has {column} {value}, which is not in the bus table: correct it"
                for index, value in lost[column].items()
            ]
    return errors


def external_grid_exists(net: "pandapowerNet") -> list[str]:
    """Something holds the voltage."""
    if len(_in_service(net, "ext_grid")):
        return []
    return ["the network has no external grid in service: add one at the bus where the grid above connects"]


def buses_are_supplied(net: "pandapowerNet") -> list[str]:
    """No islands: every bus in service is connected to an external grid."""
    from pandapower.topology import unsupplied_buses

    unsupplied = sorted(int(bus) for bus in unsupplied_buses(net) if net.bus.in_service.at[bus])
    if not unsupplied:
        return []
    shown = ", ".join(_label(net, "bus", bus) for bus in unsupplied[:3])
    count = f"{len(unsupplied)} buses have" if len(unsupplied) > 1 else "one bus has"
    more = ", ..." if len(unsupplied) > 3 else ""
    remedy = "close a switch, add the missing line, or set them out of service"
    return [f"{count} no connection to an external grid ({shown}{more}): {remedy}"]


def bus_names_are_unique(net: "pandapowerNet") -> list[str]:
    """A name means one bus."""
    names = net.bus.name[net.bus.name.map(lambda name: isinstance(name, str) and bool(name))]
    errors = []
    for name, buses in names[names.duplicated(keep=False)].groupby(names):
        errors.append(f"buses {', '.join(str(bus) for bus in buses.index)} share the name {name!r}: rename all but one")
    return errors


def limits_are_given(net: "pandapowerNet") -> list[str]:
    """Every line and transformer has a rating. 99999 kA or more is pandapower's "no limit"."""
    rows = _in_service(net, "line")
    if len(rows) and "max_i_ka" not in rows:
        return ["the table line has no column max_i_ka: add the rated current of each line in kA"]
    errors = [
        f"{_label(net, 'line', index)} has no current limit: set max_i_ka to its rated current in kA"
        for index, value in (rows.max_i_ka.items() if len(rows) else ())
        if not _is_number(value) or value <= 0
    ]
    rated = _in_service(net, "trafo").sn_mva
    return errors + [
        f"{_label(net, 'trafo', index)} has no rating: set sn_mva to its rated power in MVA"
        for index, value in rated.items()
        if value <= 0
    ]


def impedances_are_positive(net: "pandapowerNet") -> list[str]:
    """No short circuits by mistake, and no division by zero."""
    lines = _in_service(net, "line")
    impedance_ohm = np.hypot(lines.r_ohm_per_km, lines.x_ohm_per_km) * lines.length_km
    errors = [
        f"{_label(net, 'line', index)} has no impedance: give its length and ohm per km, or use a closed bus switch"
        for index in lines.index[~(impedance_ohm > 0)]
    ]
    trafos = _in_service(net, "trafo")
    for table, rows in (("line", lines), ("trafo", trafos)):
        wrong = rows[(rows.parallel < 1) | (rows.df <= 0)]
        errors += [f"{_label(net, table, index)} needs parallel >= 1 and df > 0" for index in wrong.index]
    wrong = trafos[~(trafos.vk_percent > 0) | (trafos.vkr_percent > trafos.vk_percent) | (trafos.vkr_percent < 0)]
    return errors + [
        f"{_label(net, 'trafo', index)} needs 0 <= vkr_percent <= vk_percent and vk_percent > 0: copy its nameplate"
        for index in wrong.index
    ]


def units_are_plausible(net: "pandapowerNet") -> list[str]:
    """A current in A, a length in m or a rating in kVA is far outside of what the column's unit can hold."""
    lines, trafos = _in_service(net, "line"), _in_service(net, "trafo")
    line_kv = net.bus.vn_kv.loc[lines.from_bus.astype(int)].to_numpy()
    ampere = lines[(lines.max_i_ka > HIGHEST_LINE_CURRENT_KA) & (lines.max_i_ka < NO_LIMIT_KA)]
    metres = lines[(line_kv < 1.0) & (lines.length_km > LONGEST_LOW_VOLTAGE_LINE_KM)]
    kva = trafos[(trafos.vn_lv_kv < 1.0) & (trafos.sn_mva > LARGEST_LOW_VOLTAGE_TRAFO_MVA)]
    held = _in_service(net, "ext_grid")
    odd = held[(held.vm_pu < 0.5) | (held.vm_pu > 1.5)]
    return [
        *_unit_errors(net, "line", ampere.max_i_ka.items(), "max_i_ka", "kA: if it is in A, divide by 1000"),
        *_unit_errors(net, "line", metres.length_km.items(), "length_km", "km: if it is in m, divide by 1000"),
        *_unit_errors(net, "trafo", kva.sn_mva.items(), "sn_mva", "MVA: if it is in kVA, divide by 1000"),
        *_unit_errors(net, "ext_grid", odd.vm_pu.items(), "vm_pu", "p.u.: if it is in kV, divide by the bus's vn_kv"),
    ]


def voltages_fit_together(net: "pandapowerNet") -> list[str]:
    """Lines join buses of one nominal voltage; a transformer's windings fit the buses they are at."""
    lines, trafos, vn_kv = _in_service(net, "line"), _in_service(net, "trafo"), net.bus.vn_kv
    errors = [
        f"{_label(net, 'bus', bus)} has vn_kv {value:g}: it must be above 0" for bus, value in vn_kv[vn_kv <= 0].items()
    ]
    if errors:
        return errors
    ends = zip(lines.index, lines.from_bus.map(vn_kv), lines.to_bus.map(vn_kv), strict=True)
    errors = [
        f"{_label(net, 'line', index)} joins buses of {start:g} and {end:g} kV: correct vn_kv or use a transformer"
        for index, start, end in ends
        if start != end
    ]
    for bus_column, rated_column in (("hv_bus", "vn_hv_kv"), ("lv_bus", "vn_lv_kv")):
        ratio = trafos[rated_column] / trafos[bus_column].map(vn_kv)
        wrong = trafos.index[~((ratio < NOMINAL_VOLTAGE_RATIO) & (ratio > 1 / NOMINAL_VOLTAGE_RATIO))]
        errors += [
            f"{_label(net, 'trafo', index)} has {rated_column} {trafos[rated_column].at[index]:g} at a bus of "
            f"{vn_kv.at[trafos[bus_column].at[index]]:g} kV: correct one of them (both are in kV)"
            for index in wrong
        ]
    return errors


COMPLETENESS_RULES: tuple[Rule, ...] = (
    elements_are_supported,
    tables_are_complete,
    ends_exist,
    external_grid_exists,
    bus_names_are_unique,
    limits_are_given,
)
VALUE_RULES: tuple[Rule, ...] = (
    impedances_are_positive,
    units_are_plausible,
    voltages_fit_together,
    buses_are_supplied,
)


def _in_service(net: "pandapowerNet", table: str) -> "DataFrame":
    rows = net[table]
    return rows[rows.in_service.astype(bool)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and bool(np.isfinite(value))


def _label(net: "pandapowerNet", table: str, index: int) -> str:
    name = net[table].name.get(index)
    return f"{table} {index} ({name})" if isinstance(name, str) and name else f"{table} {index}"


def _unit_errors(
    net: "pandapowerNet", table: str, values: Iterable[tuple[int, float]], column: str, remedy: str
) -> list[str]:
    return [f"{_label(net, table, index)} has {column} {value:g}, not plausible in {remedy}" for index, value in values]
