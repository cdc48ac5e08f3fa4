"""`commonwatt demo --islanded`: homes cut off from the grid, from meters over rounds and chain to bills that verify."""

import json
import subprocess

import pandapower
import pytest
from demonstrations import COMMONWATT, HOUSEHOLDS, ROOT, first_start_s, rows, run_to_end, small_day, world_of
from pandapower.topology import unsupplied_buses

from app.demo.make_world import busbar_of
from app.demo.neighbourhood import DEFAULT_NETWORK, SLOT_S, UNIT_ID, Neighbourhood, with_unit
from app.demo.state import DemoState
from grid.network import load_network

pytestmark = pytest.mark.timeout(600)

SLOTS = 4


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> DemoState:
    """The homes of the other demonstrations, and a battery at their transformer."""
    folder = tmp_path_factory.mktemp("island") / "state"
    folder.mkdir()
    world = with_unit(Neighbourhood.load(world_of(tmp_path_factory, HOUSEHOLDS)), busbar_of(DEFAULT_NETWORK))
    world.save(DemoState(folder).world)
    return DemoState(folder)


@pytest.fixture(scope="module")
def day(state: DemoState) -> subprocess.CompletedProcess[str]:
    options = small_day("--intervals", str(SLOTS), "--islanded", "--no-serve", "--json")
    return run_to_end("--state", str(state.folder), *options)


@pytest.fixture
def figures(day: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert day.returncode == 0, day.stderr
    return json.loads(day.stdout)


def in_database(state: DemoState, query: str, *values: object) -> list[tuple[object, ...]]:
    return rows(state.folder / "community.sqlite", query, *values)


def test_energy_and_money_are_conserved_and_the_chain_says_the_same(
    figures: dict[str, object], state: DemoState
) -> None:
    assert (figures["households"], figures["readings"]) == (HOUSEHOLDS + 1, SLOTS * (HOUSEHOLDS + 1))
    assert figures["energy_conserved"]
    assert figures["money_conserved"]
    assert figures["chain_matches_ledger"]
    assert figures["ac_violations"] == 0
    assert figures["island"]["shed_wh"] == figures["island"]["dark_intervals"] == 0
    (sums,) = in_database(state, "SELECT sum(sold_wh), sum(bought_wh), sum(residual_import_wh) FROM allocation")
    assert sums == (figures["export_wh"], figures["import_wh"], 0)
    assert sums[0] - sums[1] == figures["island"]["loss_wh"] > 0
    paid = "SELECT coalesce(sum(amount_nano), 0) FROM transfer WHERE {} = 'system:congestion'"
    ((into,),), ((out,),) = (in_database(state, paid.format(side)) for side in ("credit", "debit"))
    assert into == out, "the congestion account ends at zero"


def test_an_independent_power_flow_of_what_was_metered_loses_as_much_and_keeps_all_limits(
    figures: dict[str, object], state: DemoState
) -> None:
    """pandapower on the network cut off by hand; the unit, which is its slack, gives what its meter says."""
    world, net = Neighbourhood.load(state.world), load_network(DEFAULT_NETWORK)
    net.load.in_service = net.sgen.in_service = net.storage.in_service = net.trafo.in_service = False
    net.ext_grid = net.ext_grid.iloc[0:0]
    pandapower.create_ext_grid(net, world.homes[-1].bus)
    net.bus.loc[list(unsupplied_buses(net)), "in_service"] = False
    loads = {home.home_id: pandapower.create_load(net, home.bus, p_mw=0.0) for home in world.homes[:-1]}
    lost_wh = 0.0
    for start_s in range(first_start_s(), first_start_s() + SLOTS * SLOT_S, SLOT_S):
        net_wh = dict(
            in_database(
                state,
                "SELECT substr(metering_point_id, 4), import_wh - export_wh FROM interval_energy WHERE start_s = ?",
                start_s,
            )
        )
        for column, home in enumerate(world.homes[:-1]):
            net.load.loc[loads[home.home_id], "p_mw"] = net_wh[home.home_id] * 4 / 1e6
            net.load.loc[loads[home.home_id], "q_mvar"] = world.load_var[world.slot(start_s), column] / 1e6
        pandapower.runpp(net)
        lost_wh += float(net.res_line.pl_mw.sum()) * 1e6 / 4
        unit_wh = -float(net.res_ext_grid.p_mw.iloc[0]) * 1e6 / 4
        assert abs(unit_wh - net_wh[UNIT_ID]) <= 0.5 * len(world.homes) + 1
        assert net.res_bus.vm_pu.min() >= 0.9
        assert net.res_bus.vm_pu.max() <= 1.1
        assert net.res_line.loading_percent.max() <= 100
    assert abs(lost_wh - figures["island"]["loss_wh"]) <= SLOTS * (0.5 * len(world.homes) + 1)


def test_a_members_statement_leaves_nothing_to_a_supplier_pays_for_losses_and_verifies(
    figures: dict[str, object], state: DemoState
) -> None:
    file = state.folder / "statement.json"
    for member in (figures["members"][0], UNIT_ID):
        common = ["--state", str(state.folder)]
        made = [str(COMMONWATT), "statement", "--member", member, "--month", "2016-05", "--out", str(file), *common]
        subprocess.run(made, cwd=ROOT, check=True, capture_output=True, timeout=120)
        document = json.loads(file.read_text())
        lines = {line["item"]: line["amount_nano"] for line in document["bill"]["lines"]}
        assert document["totals"]["residual_import_wh"] == document["totals"]["residual_export_wh"] == 0
        assert lines["losses"] != 0
        verify = [str(COMMONWATT), "verify", str(file), *common]
        checked = subprocess.run(verify, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
        assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr
    document["batches"][0]["rounds"][0]["island"]["balancing_price_micro_per_kwh"] += 1
    file.write_text(json.dumps(document))
    checked = subprocess.run(verify, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 1


def test_only_the_double_auction_is_played_on_an_island() -> None:
    refused = run_to_end("--islanded", "--mechanism", "mid_market_rate", "--no-serve")
    assert refused.returncode == 2
    assert "mid_market_rate knows no shedding; choose k_double_auction on an island" in refused.stderr
