"""Every fault of a network that is refused, what is said about it, and the nearest thing that is right."""

import numpy as np
import pandapower


def set_to(table: str, column: str, index: int, value: object):
    def change(net) -> None:
        kinds = {str: object, bool: bool, int: int}
        net[table][column] = net[table][column].astype(kinds.get(type(value), float))
        net[table].loc[index, column] = value

    return change


def drop_column(table: str, column: str):
    return lambda net: net[table].drop(columns=column, inplace=True)


def drop_rows(table: str):
    return lambda net: net[table].drop(net[table].index, inplace=True)


def add_bus(net) -> None:
    bus = pandapower.create_bus(net, vn_kv=0.4, name="new")
    pandapower.create_line(net, 5, bus, length_km=0.05, std_type="NAYY 4x50 SE", name="new cable")


def second_grid(vm_pu: float, at: int = 0):
    return lambda net: pandapower.create_ext_grid(net, at, vm_pu=vm_pu)


def members(**at: int):
    def change(net) -> None:
        net.bus["members"] = ""
        for name, bus in at.items():
            for place in bus if isinstance(bus, tuple) else (bus,):
                net.bus.loc[place, "members"] += f" {name}"

    return change


def limit_column(table: str, percent: float):
    def change(net) -> None:
        net[table]["max_loading_percent"] = percent

    return change


def both(*changes):
    return lambda net: [change(net) for change in changes]


def in_volts(net) -> None:
    """A whole network in V: everything fits together, and nothing is right."""
    net.bus["vn_kv"] *= 1000
    net.trafo[["vn_hv_kv", "vn_lv_kv"]] *= 1000


def between(xft_pu: float):
    return lambda net: pandapower.create_impedance(net, 4, 5, rft_pu=0.01, xft_pu=xft_pu, sn_mva=0.1)


FAULTS = {
    "an island": (
        set_to("line", "in_service", 3, False),
        r"one bus has no connection .* \(bus 5 \(end\)\): close a switch",
        both(set_to("line", "in_service", 3, False), set_to("line", "in_service", 4, True)),
    ),
    "an island of two": (
        lambda net: pandapower.create_line(net, *(pandapower.create_bus(net, 0.4) for _ in "ab"), 0.1, "NAYY 4x50 SE"),
        r"2 buses have no connection to an external grid \(bus 7, bus 8\): close a switch",
        add_bus,
    ),
    "no external grid": (drop_rows("ext_grid"), "no external grid in service: add one", second_grid(1.02)),
    "external grid off": (
        set_to("ext_grid", "in_service", 0, False),
        "no external grid in service: add one",
        both(set_to("ext_grid", "in_service", 0, False), second_grid(1.0)),
    ),
    "two external grids that disagree": (
        second_grid(1.0, at=3),
        r"external grids 0 \(1.02 p.u.\), 1 \(1 p.u.\) are connected but hold different voltages: keep one",
        second_grid(1.02, at=0),
    ),
    "no line limit": (
        set_to("line", "max_i_ka", 1, np.nan),
        r"line 1 \(cable 1\) has no current limit: set max_i_ka",
        set_to("line", "max_i_ka", 1, 0.27),
    ),
    "line limit of zero": (
        set_to("line", "max_i_ka", 1, 0.0),
        r"line 1 \(cable 1\) has no current limit: set max_i_ka",
        set_to("line", "max_i_ka", 1, 0.001),
    ),
    "no column of limits": (
        drop_column("line", "max_i_ka"),
        "no column max_i_ka: add the rated current",
        drop_column("line", "type"),
    ),
    "no rating": (
        set_to("trafo", "sn_mva", 0, 0.0),
        "trafo 0 has no rating: set sn_mva",
        set_to("trafo", "sn_mva", 0, 0.05),
    ),
    "missing rating": (
        set_to("trafo", "sn_mva", 0, np.nan),
        "trafo 0 has no number in sn_mva: fill it in",
        set_to("trafo", "sn_mva", 0, 0.63),
    ),
    "no length": (
        set_to("line", "length_km", 2, np.nan),
        r"line 2 \(cable 2\) has no number in length_km",
        set_to("line", "length_km", 2, 0.2),
    ),
    "length of zero": (
        set_to("line", "length_km", 0, 0.0),
        r"line 0 \(cable 0\) has no impedance: give its length",
        set_to("line", "length_km", 0, 0.001),
    ),
    "no impedance between buses": (between(0.0), "impedance 0 has no reactance: set xft_pu", between(0.01)),
    "no reactance": (
        set_to("line", "x_ohm_per_km", 0, 0.0),
        r"line 0 \(cable 0\) has no reactance: set x_ohm_per_km, about 0.08 for cables",
        set_to("line", "r_ohm_per_km", 0, 0.0),
    ),
    "no short-circuit voltage": (
        set_to("trafo", "vk_percent", 0, 0.0),
        "trafo 0 needs 0 <= vkr_percent <= vk_percent",
        set_to("trafo", "vk_percent", 0, 6.0),
    ),
    "no parallel system": (
        set_to("line", "parallel", 0, 0.0),
        r"line 0 \(cable 0\) needs parallel >= 1",
        set_to("line", "parallel", 0, 2.0),
    ),
    "ampere for kA": (
        set_to("line", "max_i_ka", 3, 270.0),
        r"line 3 .* max_i_ka 270, not plausible in kA: if it is in A",
        set_to("line", "max_i_ka", 3, 2.7),
    ),
    "metres for km": (
        set_to("line", "length_km", 3, 400.0),
        r"line 3 .* length_km 400, not plausible in km: .* divide",
        set_to("line", "length_km", 3, 4.0),
    ),
    "kVA for MVA": (
        set_to("trafo", "sn_mva", 0, 250.0),
        "trafo 0 has sn_mva 250, not plausible in MVA: .* divide by 1000",
        set_to("trafo", "sn_mva", 0, 2.5),
    ),
    "kV for p.u.": (
        set_to("ext_grid", "vm_pu", 0, 20.0),
        "ext_grid 0 has vm_pu 20, not plausible in p.u.",
        set_to("ext_grid", "vm_pu", 0, 1.1),
    ),
    "V for kV at one bus": (
        set_to("bus", "vn_kv", 5, 400.0),
        r"bus 5 \(end\) has vn_kv 400, not plausible in kV: if it is in V, divide by 1000",
        set_to("bus", "vn_kv", 5, 0.4),
    ),
    "V for kV everywhere": (
        in_volts,
        r"bus 0 \(above\) has vn_kv 20000, not plausible in kV: if it is in V, divide by 1000 \(and 5 more\)",
        both(set_to("bus", "vn_kv", 0, 110.0), set_to("trafo", "vn_hv_kv", 0, 110.0)),
    ),
    "other voltage at the end": (
        set_to("bus", "vn_kv", 5, 0.23),
        r"line 3 \(cable 3\) joins buses of 0.4 and 0.23 kV: correct vn_kv",
        both(set_to("line", "in_service", 3, False), set_to("bus", "in_service", 5, False)),
    ),
    "no nominal voltage": (
        set_to("bus", "vn_kv", 5, 0.0),
        r"bus 5 \(end\) has vn_kv 0: it must be above 0",
        set_to("bus", "vn_kv", 5, 0.4),
    ),
    "winding of other voltage": (
        set_to("trafo", "vn_hv_kv", 0, 110.0),
        "trafo 0 has vn_hv_kv 110 at a bus of 20 kV",
        set_to("trafo", "vn_hv_kv", 0, 21.0),
    ),
    "loading limit as a fraction": (
        limit_column("line", 0.8),
        r"line 0 \(cable 0\) has max_loading_percent 0.8, not plausible in percent: if it is a fraction, multiply",
        limit_column("line", 80.0),
    ),
    "loading limit of a transformer as a fraction": (
        limit_column("trafo", 1.0),
        "trafo 0 has max_loading_percent 1, not plausible in percent",
        limit_column("trafo", np.nan),
    ),
    "short-circuit voltage as a fraction": (
        both(set_to("trafo", "vk_percent", 0, 0.06), set_to("trafo", "vkr_percent", 0, 0.014)),
        "trafo 0 has vk_percent 0.06, not plausible in percent: if it is a fraction, multiply by 100",
        both(set_to("trafo", "vk_percent", 0, 6.0), set_to("trafo", "vkr_percent", 0, 1.4)),
    ),
    "a tap that is not there": (
        set_to("trafo", "tap_pos", 0, 7.0),
        "trafo 0 has tap_pos 7 outside of its taps -2 to 2: correct it",
        set_to("trafo", "tap_pos", 0, 2.0),
    ),
    "shared name": (
        set_to("bus", "name", 4, "oak street"),
        "buses 3, 4 share the name 'oak street': rename all but one",
        set_to("bus", "name", 4, "Oak Street"),
    ),
    "lost end": (
        set_to("line", "to_bus", 3, 77),
        r"line 3 \(cable 3\) has to_bus 77.*, which is not in the bus table",
        set_to("line", "to_bus", 3, 5),
    ),
    "text for a number": (
        set_to("line", "r_ohm_per_km", 3, "low"),
        r"line 3 \(cable 3\) has no number in r_ohm_per_km",
        set_to("line", "r_ohm_per_km", 3, 0.5),
    ),
    "no column": (
        drop_column("line", "c_nf_per_km"),
        "the table line has no column c_nf_per_km: add it",
        drop_column("line", "type"),
    ),
    "a line at a bus that is off": (
        set_to("bus", "in_service", 5, False),
        r"line 3 \(cable 3\) is in service but its bus 5 \(end\) is not: set both in or both out of service",
        both(set_to("bus", "in_service", 5, False), set_to("line", "in_service", 3, False)),
    ),
    "an external grid at a bus that is off": (
        set_to("bus", "in_service", 0, False),
        r"trafo 0 is in service but its bus 0 \(above\) is not: .* \(and 1 more\)",
        second_grid(1.02),
    ),
    "a switch of no known kind": (
        set_to("switch", "et", 0, "x"),
        "switch 0 has et 'x': it must be b",
        set_to("switch", "et", 0, "b"),
    ),
    "a switch at a lost line": (
        set_to("switch", "element", 1, 77),
        r"switch 1 has bus 4 and line 77.*, one of which does not exist",
        set_to("switch", "closed", 1, True),
    ),
    "a switch at no end of its line": (
        set_to("switch", "bus", 1, 5),
        "switch 1 is at bus 5.*, which is no end of line 2.*: correct it",
        set_to("switch", "bus", 1, 3),
    ),
    "a switch between voltages": (
        set_to("switch", "element", 0, 0),
        "switch 0 joins buses of different nominal voltage: correct vn_kv",
        lambda net: pandapower.create_switch(net, 1, 3, et="b", closed=False),
    ),
    "a member at two buses": (
        members(MP1=(3, 5)),
        "member 'MP1' is at bus 3 and at bus 5: keep one of them",
        members(MP1=3, MP2=3, MP3=5),
    ),
    "a member at a bus that is off": (
        members(MP1=6),
        r"member 'MP1' is at bus 6 \(abandoned\), which is out of service: move it",
        members(MP1=5),
    ),
    "a generator": (
        lambda net: pandapower.create_gen(net, 3, p_mw=0.01),
        "gen 0 is a voltage-controlled generator: model",
        lambda net: pandapower.create_sgen(net, 3, p_mw=0.01),
    ),
    "a ward": (
        lambda net: pandapower.create_ward(net, 3, 0, 0, 0, 0),
        "ward 0 is a ward equivalent: model it as a shunt",
        lambda net: pandapower.create_shunt(net, 3, q_mvar=0.0, p_mw=0.0),
    ),
}
