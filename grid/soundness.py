"""What makes a network usable: rules `(net) -> errors`, each error naming the element and the remedy.

`require_sound` raises them all at once. Rules about values run only on complete tables.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from grid.feeder import NetworkError
from grid.plausibility import (
    impedances_are_positive,
    percentages_are_no_fractions,
    taps_are_within_range,
    units_are_plausible,
    voltages_are_in_kv,
    voltages_fit_together,
)
from grid.tables import in_service, label

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

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
    "line": (
        "from_bus",
        "to_bus",
        "length_km",
        "r_ohm_per_km",
        "x_ohm_per_km",
        "c_nf_per_km",
        "g_us_per_km",
        "df",
        "parallel",
    ),
    "trafo": (
        *("hv_bus", "lv_bus", "sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent", "pfe_kw", "i0_percent"),
        *("df", "parallel"),
    ),
    "ext_grid": ("bus", "vm_pu"),
}
ENDS: Mapping[str, tuple[str, ...]] = {
    "line": ("from_bus", "to_bus"),
    "trafo": ("hv_bus", "lv_bus"),
    "ext_grid": ("bus",),
}
# Kind of switch: the table it switches, and the columns of that table it may be at.
SWITCHED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "b": ("bus", ()),
    "l": ("line", ENDS["line"]),
    "t": ("trafo", ENDS["trafo"]),
}

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
        rows = in_service(net, table)
        for column in columns:
            if column not in rows:
                errors.append(f"the table {table} has no column {column}: add it")
                continue
            missing = [index for index, value in rows[column].items() if not _is_number(value)]
            errors += [f"{label(net, table, index)} has no number in {column}: fill it in" for index in missing]
    return errors


def ends_exist(net: "pandapowerNet") -> list[str]:
    """Both ends of every line and transformer, and every external grid, are at buses of the table."""
    errors = []
    for table, columns in ENDS.items():
        rows = in_service(net, table)
        for column in (name for name in columns if name in rows):
            lost = rows[~rows[column].isin(net.bus.index)]
            errors += [
                f"{label(net, table, index)} has {column} {value}, which is not in the bus table: correct it"
                for index, value in lost[column].items()
            ]
    return errors


def external_grid_exists(net: "pandapowerNet") -> list[str]:
    """Something holds the voltage."""
    if len(in_service(net, "ext_grid")):
        return []
    return ["the network has no external grid in service: add one at the bus where the grid above connects"]


def pieces_are_in_service_together(net: "pandapowerNet") -> list[str]:
    """Nothing in service hangs at a bus that is out of service, where it would silently be left out."""
    errors = []
    for table, columns in ENDS.items():
        rows = in_service(net, table)
        for column in (name for name in columns if name in rows):
            buses = rows[column][rows[column].isin(net.bus.index)]
            dead = buses[~buses.map(net.bus.in_service).astype(bool)]
            errors += [
                f"{label(net, table, index)} is in service but its {label(net, 'bus', bus)} is not: set both in or "
                "both out of service"
                for index, bus in dead.items()
            ]
    return errors


def switches_fit_their_elements(net: "pandapowerNet") -> list[str]:
    """Every switch is between two buses (b), or at an end of a line (l) or of a transformer (t)."""
    errors = []
    for index, switch in net.switch.iterrows():
        what = label(net, "switch", index)
        if switch.et not in SWITCHED:
            errors.append(f"{what} has et {switch.et!r}: it must be b (two buses), l (line) or t (transformer)")
            continue
        table, columns = SWITCHED[switch.et]
        if switch.bus not in net.bus.index or switch.element not in net[table].index:
            errors.append(f"{what} has bus {switch.bus} and {table} {switch.element}, one of which does not exist")
        elif columns and switch.bus not in {net[table].at[switch.element, column] for column in columns}:
            errors.append(f"{what} is at bus {switch.bus}, which is no end of {table} {switch.element}: correct it")
        elif not columns and net.bus.vn_kv.at[switch.bus] != net.bus.vn_kv.at[switch.element]:
            errors.append(f"{what} joins buses of different nominal voltage: correct vn_kv or use a transformer")
    return errors


def external_grids_agree(net: "pandapowerNet") -> list[str]:
    """Several external grids that are connected with each other hold one voltage; otherwise they feed each other."""
    grids = in_service(net, "ext_grid")
    if len(grids) < 2:
        return []
    from pandapower.topology import connected_components, create_nxgraph

    errors = []
    for part in connected_components(create_nxgraph(net)):
        there = grids[grids.bus.isin(part)]
        angles = there.va_degree.fillna(0.0) if "va_degree" in there else there.vm_pu * 0.0
        if there.vm_pu.nunique() > 1 or angles.nunique() > 1:
            held = ", ".join(f"{index} ({vm:g} p.u.)" for index, vm in there.vm_pu.items())
            errors.append(f"external grids {held} are connected but hold different voltages: keep one, or one voltage")
    return errors


def members_have_one_place(net: "pandapowerNet") -> list[str]:
    """A metering point of the column `members` is at one bus, in service."""
    if "members" not in net.bus:
        return []
    place: dict[str, int] = {}
    errors = []
    for bus, text in net.bus.members.items():
        for member in text.split() if isinstance(text, str) else ():
            first = place.setdefault(member, bus)
            if first != bus:
                errors.append(f"member {member!r} is at bus {first} and at bus {bus}: keep one of them")
            if not net.bus.in_service.at[bus]:
                errors.append(f"member {member!r} is at {label(net, 'bus', bus)}, which is out of service: move it")
    return errors


def buses_are_supplied(net: "pandapowerNet") -> list[str]:
    """No islands: every bus in service is connected to an external grid."""
    from pandapower.topology import unsupplied_buses

    unsupplied = sorted(int(bus) for bus in unsupplied_buses(net) if net.bus.in_service.at[bus])
    if not unsupplied:
        return []
    shown = ", ".join(label(net, "bus", bus) for bus in unsupplied[:3])
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
    rows = in_service(net, "line")
    if len(rows) and "max_i_ka" not in rows:
        return ["the table line has no column max_i_ka: add the rated current of each line in kA"]
    errors = [
        f"{label(net, 'line', index)} has no current limit: set max_i_ka to its rated current in kA"
        for index, value in (rows.max_i_ka.items() if len(rows) else ())
        if not _is_number(value) or value <= 0
    ]
    rated = in_service(net, "trafo").sn_mva
    return errors + [
        f"{label(net, 'trafo', index)} has no rating: set sn_mva to its rated power in MVA"
        for index, value in rated.items()
        if value <= 0
    ]


COMPLETENESS_RULES: tuple[Rule, ...] = (
    elements_are_supported,
    tables_are_complete,
    ends_exist,
    switches_fit_their_elements,
    pieces_are_in_service_together,
    external_grid_exists,
    bus_names_are_unique,
    members_have_one_place,
    limits_are_given,
)
VALUE_RULES: tuple[Rule, ...] = (
    impedances_are_positive,
    voltages_are_in_kv,
    units_are_plausible,
    percentages_are_no_fractions,
    taps_are_within_range,
    voltages_fit_together,
    external_grids_agree,
    buses_are_supplied,
)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and bool(np.isfinite(value))
