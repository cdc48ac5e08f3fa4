"""A SimBench year as `commonwatt grid year` tells it: the profiles are SimBench's, the hours power-grid-model's."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from app.cli import main
from grid.batch import BLOCK_STATES
from grid.feeder import NetworkError
from grid.network import load_network, open_network
from grid.simbench_rows import simbench_network
from grid.simbench_year import STEPS_A_YEAR, simbench_year

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
SMALL = "simbench:1-LV-rural1--2-sw"
BAND = {"v_min_pu": 0.99, "v_max_pu": 1.04}
OPTIONS = ("--v-min", "0.99", "--v-max", "1.04")


def run(*words: str):
    return CliRunner().invoke(main, ["grid", "year", *words])


@pytest.mark.parametrize("spec", [SMALL, "simbench:1-LV-semiurb4--1-sw"])
def test_injections_are_those_that_simbench_computes(spec) -> None:
    import simbench

    rows = [0, 47, BLOCK_STATES + 1, 19_000, STEPS_A_YEAR - 1]
    net = simbench_network(spec.partition(":")[2], rows)
    values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    grid, year = open_network(spec), simbench_year(spec)
    for at, row in enumerate(rows):
        watts, vars_ = year.injections(grid.buses, slice(row, row + 1), solar_factor=1.0)
        sunny, _ = year.injections(grid.buses, slice(row, row + 1), solar_factor=3.0)
        for bus, watt, var, more in zip(grid.buses, watts[0], vars_[0], sunny[0], strict=True):
            load, solar, stored = (
                1e6 * values[table, "p_mw"].iloc[at][net[table].bus == bus].sum()
                for table in ("load", "sgen", "storage")
            )
            assert watt == pytest.approx(solar - load - stored, abs=1e-6)
            assert more == pytest.approx(3 * solar - load - stored, abs=1e-6)
            assert var == pytest.approx(-1e6 * values["load", "q_mvar"].iloc[at][net.load.bus == bus].sum(), abs=1e-6)


def test_hours_are_those_in_which_power_grid_model_sees_a_limit_passed(monkeypatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from pgm_network import PgmNetwork

    grid, year = open_network(SMALL, **BAND), simbench_year(SMALL)
    told = json.loads(run("--network", SMALL, "--solar", "1", "--solar", "2", *OPTIONS, "--json").stdout)
    other = PgmNetwork(load_network(SMALL), grid.buses)
    assert [check["solar_factor"] for check in told] == [1.0, 2.0]
    for check in told:
        watts, vars_ = year.injections(grid.buses, slice(None), solar_factor=check["solar_factor"])
        volts, loading = other.excess(grid.limits, watts, vars_)
        close = (np.abs(volts) < 1e-5) | (np.abs(loading) < 1e-2)  # its transformers are another model
        passed = (volts > 0) | (loading > 0)
        assert abs(4 * check["hours_passed"] - passed.sum()) <= close.sum() < 60
        assert check["hours_passed"] > 500
        step = int(
            (np.datetime64(check["worst"]["start"]) - np.datetime64("2016-01-01T00:00")) / np.timedelta64(15, "m")
        )
        assert check["worst"]["kind"] == "trafo_loading"
        assert check["worst"]["value"] - 100.0 == pytest.approx(loading.max(), abs=0.05)
        assert step == loading.argmax()
        often = check["most_often"]
        assert 0 < often["hours"] <= check["hours_by_kind"][often["kind"]] <= check["hours_passed"]
    assert set(told[1]["hours_by_kind"]) >= {"voltage_high", "trafo_loading"}


def test_a_year_is_told_as_a_table_with_more_solar_further_down() -> None:
    told = run("--network", SMALL, "--solar", "13", "--solar", "0", *OPTIONS[2:])
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["x", "0"], ["x", "13"]]
    assert lines[1].endswith("all limits are kept")
    assert lines[2].endswith("h cannot be carried at all")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--network", "pandapower:cigre_lv"), "has no profiles of its own"),
        (("--network", SMALL, "--solar", "nan"), "--solar nan must lie between 0 and 1000"),
        (("--network", SMALL, "--solar", "-1"), "--solar -1 must lie between 0 and 1000"),
        (("--network", SMALL, "--v-min", "1.2"), "voltage limits must be"),
    ],
)
def test_what_has_no_year_is_refused_in_one_line(words, said) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_only_simbench_networks_have_a_year() -> None:
    with pytest.raises(NetworkError, match="has no profiles"):
        simbench_year("transformer:100")
