"""Each way a network can be wrong is refused with the element and the remedy; a sound one passes."""

import numpy as np
import pandapower
import pytest

from grid.feeder import NetworkError
from grid.network import GridNetwork
from grid.soundness import COMPLETENESS_RULES, VALUE_RULES, require_sound


def set_to(table: str, column: str, index: int, value: object):
    def change(net) -> None:
        kinds = {str: object, bool: bool}
        net[table][column] = net[table][column].astype(kinds.get(type(value), float))
        net[table].loc[index, column] = value

    return change


def drop_column(table: str, column: str):
    return lambda net: net[table].drop(columns=column, inplace=True)


def drop_rows(table: str):
    return lambda net: net[table].drop(net[table].index, inplace=True)


FAULTS = {
    "an island": (
        set_to("line", "in_service", 3, False),
        r"one bus has no connection .* \(bus 5 \(end\)\): close a switch",
    ),
    "no external grid": (drop_rows("ext_grid"), "no external grid in service: add one"),
    "external grid off": (set_to("ext_grid", "in_service", 0, False), "no external grid in service: add one"),
    "no line limit": (set_to("line", "max_i_ka", 1, np.nan), r"line 1 \(cable 1\) has no current limit: set max_i_ka"),
    "line limit of zero": (
        set_to("line", "max_i_ka", 1, 0.0),
        r"line 1 \(cable 1\) has no current limit: set max_i_ka",
    ),
    "no column of limits": (drop_column("line", "max_i_ka"), "no column max_i_ka: add the rated current"),
    "no rating": (set_to("trafo", "sn_mva", 0, 0.0), "trafo 0 has no rating: set sn_mva"),
    "missing rating": (set_to("trafo", "sn_mva", 0, np.nan), "trafo 0 has no number in sn_mva: fill it in"),
    "no length": (set_to("line", "length_km", 2, np.nan), r"line 2 \(cable 2\) has no number in length_km"),
    "length of zero": (set_to("line", "length_km", 0, 0.0), r"line 0 \(cable 0\) has no impedance: give its length"),
    "no short-circuit voltage": (set_to("trafo", "vk_percent", 0, 0.0), "trafo 0 needs 0 <= vkr_percent <= vk_percent"),
    "no parallel system": (set_to("line", "parallel", 0, 0.0), r"line 0 \(cable 0\) needs parallel >= 1"),
    "ampere for kA": (
        set_to("line", "max_i_ka", 3, 270.0),
        r"line 3 .* max_i_ka 270, not plausible in kA: if it is in A",
    ),
    "metres for km": (
        set_to("line", "length_km", 3, 400.0),
        r"line 3 .* length_km 400, not plausible in km: .* divide",
    ),
    "kVA for MVA": (
        set_to("trafo", "sn_mva", 0, 250.0),
        "trafo 0 has sn_mva 250, not plausible in MVA: .* divide by 1000",
    ),
    "kV for p.u.": (set_to("ext_grid", "vm_pu", 0, 20.0), "ext_grid 0 has vm_pu 20, not plausible in p.u."),
    "V for kV": (set_to("bus", "vn_kv", 5, 400.0), r"line 3 \(cable 3\) joins buses of 0.4 and 400 kV: correct vn_kv"),
    "no nominal voltage": (set_to("bus", "vn_kv", 5, 0.0), r"bus 5 \(end\) has vn_kv 0: it must be above 0"),
    "winding of other voltage": (set_to("trafo", "vn_hv_kv", 0, 110.0), "trafo 0 has vn_hv_kv 110 at a bus of 20 kV"),
    "shared name": (
        set_to("bus", "name", 4, "oak street"),
        "buses 3, 4 share the name 'oak street': rename all but one",
    ),
    "lost end": (set_to("line", "to_bus", 3, 77), r"line 3 \(cable 3\) has to_bus 77.*, which is not in the bus table"),
    "text for a number": (
        set_to("line", "r_ohm_per_km", 3, "low"),
        r"line 3 \(cable 3\) has no number in r_ohm_per_km",
    ),
    "no column": (drop_column("line", "c_nf_per_km"), "the table line has no column c_nf_per_km: add it"),
    "a generator": (
        lambda net: pandapower.create_gen(net, 3, p_mw=0.01),
        "gen 0 is a voltage-controlled generator: model",
    ),
    "a ward": (
        lambda net: pandapower.create_ward(net, 3, 0, 0, 0, 0),
        "ward 0 is a ward equivalent: model it as a shunt",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_and_its_message_says_what_to_do(village_net, fault) -> None:
    plant, message = FAULTS[fault]
    plant(village_net)
    with pytest.raises(NetworkError, match=message):
        require_sound(village_net)
    with pytest.raises(NetworkError):
        GridNetwork(village_net)


def test_a_sound_network_passes_every_rule(village_net, two_bus_net) -> None:
    for net in (village_net, two_bus_net):
        assert [error for rule in (*COMPLETENESS_RULES, *VALUE_RULES) for error in rule(net)] == []


def test_all_errors_are_told_at_once(village_net) -> None:
    set_to("line", "max_i_ka", 0, 270.0)(village_net)
    set_to("line", "max_i_ka", 3, 270.0)(village_net)
    with pytest.raises(NetworkError, match=r"\(and 1 more\)") as refusal:
        require_sound(village_net)
    assert [error.split(" has")[0] for error in refusal.value.errors] == ["line 0 (cable 0)", "line 3 (cable 3)"]


def test_what_is_out_of_service_may_be_wrong(village_net) -> None:
    set_to("line", "length_km", 4, 0.0)(village_net)
    set_to("line", "max_i_ka", 4, np.nan)(village_net)
    pandapower.create_gen(village_net, 3, p_mw=0.01, in_service=False)
    require_sound(village_net)


def test_lines_without_a_limit_in_the_sense_of_pandapower_pass(village_net) -> None:
    set_to("line", "max_i_ka", 0, 99999.0)(village_net)
    assert GridNetwork(village_net).solve(np.full(6, -1e3), np.zeros(6)).line_loading_percent[0] < 0.01


def test_a_network_that_cannot_even_hold_its_no_load_voltage_is_refused(village_net) -> None:
    pandapower.create_shunt(village_net, 5, q_mvar=5.0, p_mw=5.0)
    set_to("line", "c_nf_per_km", 3, 1e12)(village_net)
    with pytest.raises(NetworkError, match="no power-flow solution even without loads: check"):
        GridNetwork(village_net)
