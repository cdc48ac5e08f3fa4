"""Rounds on a network whose homes are on single phases: what balanced phases keep is looked at once more."""

import json
from dataclasses import replace
from typing import Any

import pytest
from configurations import ANNA, COMMUNITY, settings_from
from sqlalchemy import Engine

from app.agents.histories import Histories
from app.errors import InputError
from app.market_round import MarketDesk, open_gate, run_gate_closure
from app.storage.database import reading, writing
from app.storage.store.community import add_tariff
from app.storage.store.members import change_metering_point, metering_point
from app.storage.store.readings import save_substitutes
from app.storage.store.rounds import MarketRound, find_round
from app.web.explanations import phase_sentences
from contracts.tariff import Tariff
from grid.network import GridNetwork, load_network
from meters.interval import DeliveryInterval, IntervalEnergy
from tests.app.neighbourhood import DAY_S, NOON_S, StandingClock
from tests.app.test_web_household import BERLIN_FORMATS

SLOT_S = 900
FAR_BUS, NEAR_BUS = 300, 34
SUN_WH = 3_000


@pytest.fixture(scope="module")
def ieee() -> GridNetwork:
    return GridNetwork(load_network("pandapower:ieee_european_lv"), v_max_pu=1.06)


def cleared(engine: Engine, network: GridNetwork, *, anna: str | None, bela: str | None = None) -> MarketRound:
    """One round at noon in which anna, far from the transformer, feeds in 12 kW and bela, near it, draws a little."""
    interval, clock = DeliveryInterval.at(NOON_S), StandingClock(NOON_S - SLOT_S + 1)
    with writing(engine) as connection:
        add_tariff(connection, valid_from_s=0, tariff_json=json.dumps(Tariff(version="test").to_json()))
        for name, bus, phase in (("anna", FAR_BUS, anna), ("bela", NEAR_BUS, bela)):
            point = metering_point(connection, f"mp-{name}")
            assert point is not None
            change_metering_point(connection, replace(point, bus=bus, phase=phase))
        for day in range(1, 8):
            at = DeliveryInterval.at(NOON_S - day * DAY_S)
            energies = [
                IntervalEnergy(metering_point="mp-anna", interval=at, import_wh=0, export_wh=SUN_WH),
                IntervalEnergy(metering_point="mp-bela", interval=at, import_wh=200, export_wh=0),
            ]
            save_substitutes(connection, energies, received_s=at.start_s + SLOT_S)
    desk = MarketDesk(engine=engine, clock=clock, network=network, histories=Histories(engine, minutes=15))
    open_gate(desk, interval)
    run_gate_closure(desk, interval)
    with reading(engine) as connection:
        found = find_round(connection, interval.start_s)
    assert found is not None
    return found


def phases_of(found: MarketRound) -> dict[str, Any] | None:
    phases: dict[str, Any] | None = found.clearing_document().get("phases")
    return phases


def test_a_round_is_amber_where_one_phase_passes_what_balanced_phases_keep(
    community: Engine, ieee: GridNetwork
) -> None:
    found = cleared(community, ieee, anna="b")
    phases = phases_of(found)
    assert phases is not None
    assert found.status == "amber"
    assert found.clearing_document()["ac"]["max_vm_pu"] < 1.06, "balanced phases keep the limit"
    assert {row["phase"] for row in phases["violations"]} == {"b"}
    assert phases["violations"][0]["value"] > 1.06
    assert phases["checked_by"] == "pandapower.runpp_3ph"
    (first, *_) = phase_sentences(found.clearing_document(), BERLIN_FORMATS)
    assert first.startswith("Highest voltage of phase b at ")
    assert first.endswith("of nominal, the limit is 1.060 of nominal.")


@pytest.mark.needs("module:opendssdirect")
def test_opendss_sees_the_same_phase_as_high(community: Engine, ieee: GridNetwork) -> None:
    from tests.grid.opendss_feeder import OpenDssFeeder, SinglePhaseLoad

    phases = phases_of(cleared(community, ieee, anna="b"))
    assert phases is not None
    net = load_network("pandapower:ieee_european_lv")
    other = OpenDssFeeder(net)
    loads = [SinglePhaseLoad(bus=FAR_BUS, phase=2, load_w=-SUN_WH * 4.0, load_var=0.0)]
    loads += [
        SinglePhaseLoad(bus=NEAR_BUS, phase=phase, load_w=800.0 / 3, load_var=0.33 * 800 / 3) for phase in (1, 2, 3)
    ]
    other.solve(single_phase=loads)
    assert phases["violations"]
    for row in phases["violations"][:20]:
        assert other.vm_pu(row["element"])[1] == pytest.approx(row["value"], abs=1e-3)


def test_on_three_phases_the_same_energy_is_green(community: Engine, ieee: GridNetwork) -> None:
    found = cleared(community, ieee, anna="abc", bela="a")
    phases = phases_of(found)
    assert phases is not None
    assert (found.status, phases["violations"], phases["not_checked"]) == ("green", [], None)


def test_nobody_looks_where_nobodys_phase_is_known(community: Engine, ieee: GridNetwork) -> None:
    found = cleared(community, ieee, anna=None)
    assert (found.status, phases_of(found)) == ("green", None)


def test_a_network_without_the_data_is_told_and_stays_green(community: Engine) -> None:
    net = load_network("pandapower:ieee_european_lv")
    net.line = net.line.drop(columns="r0_ohm_per_km")
    found = cleared(community, GridNetwork(net, v_max_pu=1.06), anna="b")
    phases = phases_of(found)
    assert phases is not None
    assert found.status == "green"
    assert "the table line has no r0_ohm_per_km;" in phases["not_checked"]


@pytest.mark.parametrize(("written", "phase"), [("b", "b"), ("ABC", "abc")])
def test_a_member_is_on_the_phase_that_the_configuration_says(tmp_path, written: str, phase: str) -> None:
    member = ANNA.replace("[members.meter]", f'phase = "{written}"\n\n[members.meter]')
    assert settings_from(tmp_path, COMMUNITY + member).members[0].phase == phase


def test_a_phase_that_is_none_is_refused_by_name(tmp_path) -> None:
    member = ANNA.replace("[members.meter]", 'phase = "L1"\n\n[members.meter]')
    with pytest.raises(InputError, match=r"phase: is 'l1': use a, b or c, or abc for all three"):
        settings_from(tmp_path, COMMUNITY + member)
