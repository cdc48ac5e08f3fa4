"""A feeder from two short tables: what a correct pair becomes, and how each mistake is told."""

import pandapower
import pytest

from grid.feeder import NetworkError
from grid.network import GridNetwork, load_network, open_network

TRANSFORMER = "sn_kva\n250\n"
CABLES = """name,from_node,to_node,type,length_m,members
main,station,corner,NAYY 4x150 SE,180,
north,corner,house 1,NAYY 4x50 SE,25.5,MP1 MP2
south,corner,house 2,NAYY 4x50 SE,40,MP3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Writes the tables, with changes, and answers their folder."""
    monkeypatch.setenv("COMMONWATT_CACHE", str(tmp_path / "cache"))

    def write(transformer: str = TRANSFORMER, cables: str = CABLES) -> str:
        village = tmp_path / "village"
        village.mkdir(exist_ok=True)
        (village / "transformer.csv").write_text(transformer, encoding="utf-8")
        (village / "cables.csv").write_text(cables, encoding="utf-8")
        return str(village)

    return write


def test_two_tables_become_a_network_with_its_members(folder) -> None:
    net = load_network(folder())
    assert list(net.bus.name) == ["station", "corner", "house 1", "house 2", "grid above"]
    assert list(net.bus.members) == ["", "", "MP1 MP2", "MP3", ""]
    assert list(net.line.length_km) == [0.18, 0.0255, 0.04]
    assert list(net.line.max_i_ka) == [0.27, 0.142, 0.142]
    trafo = net.trafo.iloc[0]
    assert (trafo.hv_bus, trafo.lv_bus, trafo.sn_mva, trafo.vn_hv_kv, trafo.vn_lv_kv) == (4, 0, 0.25, 20.0, 0.4)
    standard = pandapower.create_empty_network().std_types["trafo"]["0.25 MVA 20/0.4 kV"]
    for name in ("vk_percent", "vkr_percent", "pfe_kw", "i0_percent"):
        assert trafo[name] == pytest.approx(standard[name])
    grid = GridNetwork(net)
    assert grid.bus_index("house 1") == 2
    assert grid.member_buses() == open_network(folder()).member_buses() == {"MP1": 2, "MP2": 2, "MP3": 3}


def test_a_full_nameplate_replaces_every_default(folder) -> None:
    header = "name,sn_kva,vn_hv_kv,vn_lv_kv,vk_percent,vkr_percent,pfe_kw,i0_percent,vm_hv_pu,lv_node"
    net = load_network(folder(f"{header}\nT1,160,10,0.41,4,1.4,0.3,0.2,1.02,corner\n"))
    trafo = net.trafo.iloc[0]
    assert (trafo["name"], trafo.sn_mva, trafo.vn_hv_kv, trafo.vn_lv_kv, trafo.vk_percent) == ("T1", 0.16, 10, 0.41, 4)
    assert (trafo.vkr_percent, trafo.pfe_kw, trafo.i0_percent) == (1.4, 0.3, 0.2)
    assert net.ext_grid.vm_pu.iloc[0] == 1.02
    assert net.bus.name.at[trafo.lv_bus] == "corner"


def test_tables_as_spreadsheets_write_them_are_read(folder) -> None:
    assert len(load_network(folder("\ufeffsn_kva \r\n 250\r\n", CABLES.replace("\n", "\r\n") + "\r\n")).line) == 3


CABLE_FAULTS = {
    "unknown type": (
        ("NAYY 4x150 SE", "NAYY 4x155"),
        "cables.csv line 2: type 'NAYY 4x155' is no standard type: use for example NAYY 4x150 SE",
    ),
    "no number": (("25.5", "long"), "cables.csv line 3: length_m 'long' is no number"),
    "length of zero": (("25.5", "0"), "cables.csv line 3: length_m 0 must be above 0"),
    "not a length": (("25.5", "nan"), "cables.csv line 3: length_m nan must be above 0"),
    "empty": (("25.5", ""), "cables.csv line 3: length_m is empty: fill it in"),
    "ring of one": (("corner,house 2", "corner,corner"), "cables.csv line 4: from_node and to_node are the same"),
    "twice": (("south", "north"), "cables.csv line 4: cable 'north' is already in line 3"),
    "member twice": (("MP3", "MP2"), "cables.csv line 4: member 'MP2' is already in line 3"),
    "two roots": (
        ("corner,house 2", "elsewhere,house 2"),
        r"exactly one node .* \(found: station, elsewhere\): connect",
    ),
    "no root": (("station,corner", "house 1,corner"), r"exactly one node .* \(found: none\): connect"),
    "missing column": (("length_m", "length"), "cables.csv line 1: the header misses length_m: its columns"),
    "unknown column": (("members", "homes"), "cables.csv line 1: the header has homes: its columns"),
    "semicolons": ((",", ";"), "cables.csv line 1: the header misses name, .*separated by commas"),
    "too few values": ((",MP3", ""), "cables.csv line 4: 5 values, the header has 6"),
}


@pytest.mark.parametrize("fault", CABLE_FAULTS)
def test_a_mistake_in_the_cables_names_file_line_and_remedy(folder, fault) -> None:
    change, message = CABLE_FAULTS[fault]
    with pytest.raises(NetworkError, match=message):
        load_network(folder(cables=CABLES.replace(*change)))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("sn_kva\n", "transformer.csv has 0 rows: give exactly one transformer"),
        ("sn_kva\n250\n400\n", "transformer.csv has 2 rows: give exactly one transformer"),
        ("sn_kva,name\n,T\n", "transformer.csv line 2: sn_kva is empty: give the rated power"),
        ("sn_kva\nbig\n", "transformer.csv line 2: sn_kva 'big' is no number"),
        ("sn_kva\n-250\n", "transformer.csv line 2: sn_kva -250 must be above 0"),
        ("name\nT\n", "transformer.csv line 1: the header misses sn_kva"),
        ("sn_kva,lv_node\n250,attic\n", "transformer.csv line 2: lv_node 'attic' is no from_node"),
        ("sn_kva,vkr_percent\n250,7\n", "trafo 0 .* needs 0 <= vkr_percent <= vk_percent"),
        ("sn_kva\n250000\n", r"trafo 0 .* sn_mva 250, not plausible in MVA"),
    ],
)
def test_a_mistake_in_the_transformer_names_file_line_and_remedy(folder, table, message) -> None:
    with pytest.raises(NetworkError, match=message):
        load_network(folder(transformer=table))


def test_a_folder_without_its_tables_or_with_pictures_in_them_is_refused(folder, tmp_path) -> None:
    village = tmp_path / "village"
    folder()
    (village / "cables.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(NetworkError, match=r"cables.csv cannot be read as UTF-8"):
        load_network(str(village))
    (village / "cables.csv").unlink()
    with pytest.raises(NetworkError, match=r"cables.csv does not exist: a network folder needs"):
        load_network(str(village))


def test_a_table_without_cables_is_refused(folder) -> None:
    with pytest.raises(NetworkError, match=r"cables.csv has no rows: give at least one cable"):
        load_network(folder(cables=CABLES.splitlines()[0]))
