"""The kinds of network, how wrong ones are refused, and what is kept on disk."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandapower
import pytest

from grid.catalogue import LIBRARY, LOW_VOLTAGE_CODES, SIMBENCH, CatalogueEntry
from grid.feeder import NetworkError
from grid.library import library_network
from grid.network import GridNetwork, load_network, open_network
from grid.store import fetch


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("COMMONWATT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def village_file(village_net, tmp_path) -> Path:
    pandapower.to_json(village_net, str(tmp_path / "village.json"))
    return tmp_path / "village.json"


def test_taps_of_simbench_count(rural3) -> None:
    net = load_network("simbench:1-LV-rural3--2-sw")
    assert set(net.trafo.tap_changer_type) == {"Ratio"}
    assert net.trafo.tap_pos.iloc[0] == -1
    no_load = rural3.solve(np.zeros(129), np.zeros(129))
    assert no_load.vm_pu[1] / no_load.vm_pu[0] == pytest.approx(1 / (1 - 0.025), rel=1e-3)


def test_the_listed_codes_are_simbenchs_low_voltage_networks() -> None:
    import simbench

    assert set(LOW_VOLTAGE_CODES) == {
        code for code in simbench.collect_all_simbench_codes() if code.startswith("1-LV-")
    }


def measured(spec: str) -> CatalogueEntry:
    net = load_network(spec)
    vn_kv = sorted({round(float(vn_kv), 6) for vn_kv in net.bus.vn_kv}, reverse=True)
    return CatalogueEntry(
        spec=spec,
        bus_count=int(net.bus.in_service.sum()),
        vn_kv=tuple(vn_kv),
        trafo_kva=tuple(round(1000 * sn_mva) for sn_mva in net.trafo.sn_mva),
    )


@pytest.mark.parametrize("entry", LIBRARY, ids=lambda entry: entry.spec)
def test_what_is_listed_of_the_library_is_what_its_network_has(entry) -> None:
    assert measured(entry.spec) == entry


@pytest.mark.long
@pytest.mark.parametrize("entry", SIMBENCH, ids=lambda entry: entry.spec)
def test_what_is_listed_of_simbench_is_what_its_network_has(entry) -> None:
    assert measured(entry.spec) == entry


def test_a_network_with_random_cables_is_the_same_every_time(cache) -> None:
    before = random.getstate()
    one = library_network("kerber_vorstadtnetz_kabel_1")
    assert random.getstate() == before, "the caller's random numbers are left alone"
    other = library_network("kerber_vorstadtnetz_kabel_1")
    assert list(one.line.std_type) == list(other.line.std_type)
    assert len(set(one.line.std_type)) > 2


def test_a_pandapower_file_is_the_network_it_was_written_from(cache, village_net, village_file) -> None:
    injection = np.array([0.0, -5e3, 8e3, -30e3, 20e3, -12e3])
    opened = open_network(str(village_file))
    assert np.array_equal(
        opened.solve(injection, injection / 5).vm_pu, GridNetwork(village_net).solve(injection, injection / 5).vm_pu
    )
    assert opened.judge(injection, injection / 5).vm_pu == pytest.approx(opened.solve(injection, injection / 5).vm_pu)
    assert opened.safety_note is None


def test_taps_without_a_type_count_in_files_too(cache, village_net, village_file) -> None:
    typed = open_network(str(village_file)).solve(np.zeros(6), np.zeros(6)).vm_pu
    village_net.trafo["tap_changer_type"] = None
    pandapower.to_json(village_net, str(village_file))
    assert np.array_equal(open_network(str(village_file)).solve(np.zeros(6), np.zeros(6)).vm_pu, typed)


def test_a_transformer_alone_limits_the_sum_and_is_labelled_less_safe(cache) -> None:
    grid = open_network("transformer:400")
    community = grid.bus_index("community")
    assert community == 0
    assert "less safe" in str(grid.safety_note)
    allowed, refused = (grid.solve(np.array([load, 0.0]), np.zeros(2)) for load in (-370e3, -420e3))
    assert not allowed.violations
    assert [str(one.kind) for one in refused.violations] == ["trafo_loading"]


REFUSALS = {
    "simbench:1-LV-rural9--2-sw": "is not a SimBench network: did you mean 1-LV-rural",
    "nowhere.json": "network 'nowhere.json' does not exist: give simbench:CODE, pandapower:NAME, a pandapower FILE",
    "pandapower:": "pandapower: is not a network of the library: did you mean cigre_lv, cigre_mv",
    "transformer:": "transformer: is no rating: give kVA between 1 and 10000",
    "transformer:lots": "transformer:lots is no rating: give kVA",
    "transformer:nan": "transformer:nan is no rating: give kVA",
    "": "network '' does not exist",
}


@pytest.mark.parametrize("spec", REFUSALS)
def test_a_network_that_does_not_exist_is_refused(cache, spec) -> None:
    with pytest.raises(NetworkError, match=REFUSALS[spec]):
        open_network(spec)
    assert not list(cache.glob("networks/*")), "nothing of a refused network is kept"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read as a network: .*; write it with pandapower.to_json"),
        ("{", "cannot be read as a network"),
        ("[1, 2]", "cannot be read as a network"),
        ('{"bus": []}', "is JSON but no pandapower network"),
        (
            '{"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": {}}',
            "the network has no external grid in service",
        ),
        (
            '{"_module": "pandapower.auxiliary", "_class": "pandapowerNet", "_object": {"bus": 3}}',
            "is a damaged pandapower",
        ),
    ],
)
def test_a_file_that_holds_no_network_is_refused(cache, tmp_path, content, message) -> None:
    (tmp_path / "net.json").write_text(content, encoding="utf-8")
    with pytest.raises(NetworkError, match=message):
        load_network(str(tmp_path / "net.json"))


def test_a_file_cannot_run_code(cache, tmp_path, village_file) -> None:
    network = json.loads(village_file.read_text(encoding="utf-8"))
    trap = tmp_path / "sprung"
    network["_object"]["name"] = {"_module": "builtins", "_class": "eval", "_object": f"open({str(trap)!r}, 'w')"}
    village_file.write_text(json.dumps(network), encoding="utf-8")
    with pytest.raises(NetworkError, match="is a damaged pandapower network"):
        load_network(str(village_file))
    assert not trap.exists()


def test_an_unsound_file_is_refused_with_its_name(cache, village_net, tmp_path) -> None:
    village_net.line["max_i_ka"] = 270.0
    pandapower.to_json(village_net, str(tmp_path / "amperes.json"))
    with pytest.raises(NetworkError, match=r"amperes.json: line 0 .* if it is in A, divide by 1000 \(and 3 more\)"):
        open_network(str(tmp_path / "amperes.json"))


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(cache, village_net, village_file) -> None:
    first = fetch(str(village_file)).folder
    written = (first / "arrays.npz").stat().st_mtime_ns
    assert fetch(str(village_file)).folder == first
    assert (first / "arrays.npz").stat().st_mtime_ns == written
    village_net.ext_grid["vm_pu"] = 1.0
    pandapower.to_json(village_net, str(village_file))
    assert fetch(str(village_file)).folder != first


@pytest.mark.parametrize("damaged", ["arrays.npz", "drawing.json", "network.json"])
def test_a_damaged_entry_is_built_again(cache, village_file, damaged) -> None:
    stored = fetch(str(village_file))
    before = stored.arrays()
    (stored.folder / damaged).unlink()
    if damaged == "arrays.npz":
        (stored.folder / damaged).write_bytes(b"not a zip file")
    again = fetch(str(village_file)).arrays()
    assert np.array_equal(again.no_load_voltage, before.no_load_voltage)
    assert (again.admittance != before.admittance).nnz == 0
    assert again.lines.names == before.lines.names
    assert [path.name for path in stored.folder.parent.iterdir()] == [stored.folder.name], "nothing is left aside"


def test_a_cache_that_cannot_be_written_is_told_with_the_remedy(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("COMMONWATT_CACHE", str(tmp_path / "file"))
    with pytest.raises(NetworkError, match=r"cache cannot be written: .* set COMMONWATT_CACHE to a folder"):
        open_network("transformer:400")


def test_solving_a_stored_network_needs_neither_pandapower_nor_pandas(rural3) -> None:
    program = """
import sys, numpy
from grid.network import open_network
grid = open_network("simbench:1-LV-rural3--2-sw")
point = grid.solve(numpy.full(129, -1e3), numpy.zeros(129))
grid.linearise(point, point.violations)
grid.drawing(), grid.state_by_id(point)
print(repr(float(point.vm_pu.min())), sorted({"pandapower", "pandas", "simbench", "networkx"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    expected = rural3.solve(np.full(129, -1e3), np.zeros(129))
    assert re.fullmatch(r"(\S+) \[\]\n", ran.stdout)
    assert float(ran.stdout.split()[0]) == float(expected.vm_pu.min()), "bit for bit the same in another process"
