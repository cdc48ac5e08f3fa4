"""`commonwatt grid` as a person and a program meet it."""

import json

import numpy as np
import pandapower
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from grid.network import GridNetwork


@pytest.fixture
def run(tmp_path, monkeypatch, village_net):
    """Runs `commonwatt grid ...` in a folder with village.json."""
    monkeypatch.setenv("COMMONWATT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    pandapower.to_json(village_net, "village.json")

    def grid(*words: str, injections: str | bytes | None = None) -> Result:
        if injections is not None:
            content = injections.encode() if isinstance(injections, str) else injections
            (tmp_path / "noon.csv").write_bytes(content)
            words = (*words, "--injections", "noon.csv")
        return CliRunner().invoke(main, ["grid", *words])

    return grid


CHECK = ("check", "--network", "village.json")


def test_every_bus_that_orders_may_name_is_listed(run, village_net) -> None:
    listed = json.loads(run("buses", "--network", "village.json", "--json").stdout)
    table = village_net.bus[village_net.bus.in_service]
    assert [(row["bus"], row["name"], row["vn_kv"]) for row in listed] == list(
        zip(table.index.tolist(), table["name"].tolist(), table.vn_kv.tolist(), strict=True)
    )
    by_transformer = GridNetwork(village_net).feeders(table.index.to_numpy())
    assert [row["feeder"] for row in listed] == [name.decode() for name in by_transformer]
    assert {"", "oak street"} <= {row["feeder"] for row in listed}
    told = run("buses", "--network", "village.json").stdout
    assert all(f"{row['bus']:>6}" in told and row["name"] in told for row in listed)
    assert run("buses", "--network", "nowhere.json").exit_code == 2


def test_check_reports_the_state_that_pandapower_finds(run, village_net) -> None:
    result = run(*CHECK, "--json", injections="bus,injection_w,injection_var\noak street,-30000,-5000\n5,20000,\n")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    pandapower.create_load(village_net, 3, p_mw=0.03, q_mvar=0.005)
    pandapower.create_sgen(village_net, 5, p_mw=0.02)
    pandapower.runpp(village_net, numba=False)
    assert report["min_vm_pu"] == pytest.approx(village_net.res_bus.vm_pu.min(), abs=1e-8)
    assert report["max_vm_pu"] == pytest.approx(village_net.res_bus.vm_pu.max(), abs=1e-8)
    assert report["max_line_loading_percent"] == pytest.approx(village_net.res_line.loading_percent.max(), abs=1e-5)
    assert report["max_trafo_loading_percent"] == pytest.approx(village_net.res_trafo.loading_percent.max(), abs=1e-5)
    assert (report["within_limits"], report["violations"], report["note"]) == (True, [], None)
    assert report["checked_by"] == f"pandapower {pandapower.__version__}"


def test_check_exits_1_and_names_what_is_violated(run, village_net) -> None:
    rows = "bus,injection_w\nend,-90000\nend,-90000\n"
    result = run(*CHECK, "--v-min", "0.98", injections=rows)
    assert result.exit_code == 1
    assert "Violated   voltage_low of 5 (end): " in result.stdout
    assert "Violated   line_loading of 3 (cable 3): " in result.stdout
    worst = json.loads(run(*CHECK, "--json", injections=rows).stdout)["violations"][0]
    state = GridNetwork(village_net).solve(np.array([0, 0, 0, 0, 0, -180e3]), np.zeros(6))
    assert worst["value"] == pytest.approx(state.violations[0].value, rel=1e-6)
    assert set(worst) == {"kind", "element", "name", "limit", "value"}


def test_check_says_when_nothing_is_violated(run) -> None:
    result = run(*CHECK, injections="bus,injection_w\nend,-9000\n")
    assert result.exit_code == 0
    assert result.stdout.endswith("All limits are kept.\n")


def test_check_labels_the_transformer_alone_as_less_safe(run) -> None:
    result = run("check", "--network", "transformer:100", injections="bus,injection_w\ncommunity,-9000\n")
    assert result.exit_code == 0
    assert "Note: transformer limit only: cables are unknown" in result.stdout


def test_injections_that_nothing_can_carry_exit_1(run) -> None:
    rows = "bus,injection_w\nend,-9e9\n"
    result = run(*CHECK, injections=rows)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the injections exceed what the network can carry" in result.stderr
    told = json.loads(run(*CHECK, "--json", injections=rows).stdout)
    assert told == {"network": "village.json", "within_limits": False, "converged": False}


BAD_ROWS = {
    "unknown bus": ("bus,injection_w\nend,5\nnowhere,5\n", "noon.csv line 3: the network has no bus named 'nowhere'"),
    "unknown index": ("bus,injection_w\n99,5\n", "noon.csv line 2: the network has no bus 99"),
    "not a number": ("bus,injection_w\nend,lots\n", "noon.csv line 2: injection_w 'lots' is no number"),
    "infinite": ("bus,injection_w\nend,inf\n", "noon.csv line 2: injection_w 'inf' is no number"),
    "empty": ("bus,injection_w\nend,\n", "noon.csv line 2: injection_w '' is no number"),
    "bad reactive": ("bus,injection_w,injection_var\nend,5,x\n", "noon.csv line 2: injection_var 'x' is no number"),
    "too many values": ("bus,injection_w\nend,5,6\n", "noon.csv line 2: 3 values, the header has 2"),
    "wrong header": ("bus,power\nend,5\n", "noon.csv line 1: the header must be bus,injection_w"),
    "no header": ("", "noon.csv line 1: the header must be bus,injection_w"),
    "not text": (b"\xff\xfe\x00", "noon.csv line 1: contains a zero byte"),
}


@pytest.mark.parametrize("fault", BAD_ROWS)
def test_bad_injections_exit_2_with_file_and_line(run, fault) -> None:
    content, message = BAD_ROWS[fault]
    result = run(*CHECK, injections=content)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("check", "--network", "gone.json"), "network 'gone.json' does not exist: give simbench:CODE"),
        ((*CHECK, "--v-min", "1.2"), "voltage limits must be 0 < lowest < highest < 2 p.u."),
        ((*CHECK, "--max-loading", "0"), "must be a number of percent above 0"),
        ((*CHECK, "--max-loading", "inf"), "must be a number of percent above 0"),
        ((*CHECK, "--max-loading", "0.8"), "is in percent: 0.8 looks like a fraction, give 80"),
    ],
)
def test_bad_networks_and_limits_exit_2_in_one_line(run, words, message) -> None:
    result = run(*words, injections="bus,injection_w\n")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_missing_file_of_injections_exits_2(run) -> None:
    result = run(*CHECK, "--injections", "gone.csv")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: gone.csv cannot be read: No such file or directory; give a CSV file\n",
    )


def test_list_names_every_kind_for_people_and_programs(run) -> None:
    told = run("list")
    assert told.exit_code == 0
    rows = [line.split() for line in told.stdout.splitlines()]
    assert ["simbench:1-LV-rural3--2-sw", "129", "20", "/", "0.4", "400"] in rows
    assert ["pandapower:cigre_lv", "44", "20", "/", "0.4", "500", "+", "150", "+", "300"] in rows
    assert "transformer:KVA" in told.stdout
    entries = json.loads(run("list", "--json").stdout)
    assert len(entries) == 36 + 20
    assert entries[-20] == {
        "spec": "pandapower:cigre_lv",
        "bus_count": 44,
        "vn_kv": [20.0, 0.4],
        "trafo_kva": [500, 150, 300],
    }


def test_check_without_injections_tells_everything_that_is_wrong_with_a_network(run, village_net) -> None:
    sound = run(*CHECK)
    assert (sound.exit_code, sound.stdout.splitlines()[-1]) == (0, "All limits are kept.")
    village_net.line["max_i_ka"] = 270.0
    pandapower.to_json(village_net, "amperes.json")
    wrong = run("check", "--network", "amperes.json")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    told = wrong.stderr.splitlines()
    assert [line.split(" has ")[0] for line in told] == [
        f"Error: amperes.json: line {at} (cable {at})" for at in (0, 1, 2, 3)
    ]


def test_a_network_of_the_library_is_checked_by_its_name(run) -> None:
    result = run("check", "--network", "pandapower:cigre_lv", injections="bus,injection_w\nBus R11,-15000\n")
    assert result.exit_code == 0, result.output
    unknown = run("check", "--network", "pandapower:cigre_vl", injections="bus,injection_w\n")
    assert unknown.stderr.startswith(
        "Error: pandapower:cigre_vl is not a network of the library: did you mean cigre_mv, cigre_lv"
    )
