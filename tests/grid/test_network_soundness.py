"""Each way a network can be wrong is refused with the element and the remedy; a sound one passes."""

import copy

import numpy as np
import pandapower
import pytest
from network_faults import FAULTS, second_grid, set_to

from grid.feeder import NetworkError
from grid.network import GridNetwork
from grid.soundness import COMPLETENESS_RULES, VALUE_RULES, require_sound


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_and_its_message_says_what_to_do(village_net, fault) -> None:
    plant, message, _ = FAULTS[fault]
    plant(village_net)
    with pytest.raises(NetworkError, match=message):
        require_sound(village_net)
    with pytest.raises(NetworkError):
        GridNetwork(village_net)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_nearest_thing_that_is_right_passes_and_has_a_state(village_net, fault) -> None:
    *_, allowed = FAULTS[fault]
    allowed(village_net)
    grid = GridNetwork(village_net)
    assert np.isfinite(grid.solve(np.full(len(grid.buses), -100.0), np.zeros(len(grid.buses))).vm_pu).all()


def test_every_rule_refuses_one_of_the_faults(village_net) -> None:
    refusing = set()
    for plant, *_ in FAULTS.values():
        net = copy.deepcopy(village_net)
        plant(net)
        for rules in (COMPLETENESS_RULES, VALUE_RULES):
            found = {rule for rule in rules if rule(net)}
            refusing |= found
            if found:
                break
    assert refusing == {*COMPLETENESS_RULES, *VALUE_RULES}


def test_a_sound_network_passes_every_rule(village_net, two_bus_net) -> None:
    for net in (village_net, two_bus_net):
        assert [error for rule in (*COMPLETENESS_RULES, *VALUE_RULES) for error in rule(net)] == []


def test_external_grids_that_work_against_each_other_across_a_transformer_are_refused(village_net) -> None:
    second_grid(1.02, at=3)(village_net)
    with pytest.raises(NetworkError, match="external grids do not work against each other"):
        GridNetwork(village_net)


def test_what_only_pandapower_can_refuse_is_told_in_one_line(village_net) -> None:
    village_net.switch["bus"] = village_net.switch.bus.astype(float)
    with pytest.raises(NetworkError, match=r"pandapower cannot solve the network .*Error: "):
        GridNetwork(village_net)


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
