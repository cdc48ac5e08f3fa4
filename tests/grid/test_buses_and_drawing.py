"""How people name buses, and where they are drawn."""

import json

import pytest

from grid.feeder import NetworkError, bus_index, drawing
from grid.network import GridNetwork


@pytest.mark.parametrize(("text", "bus"), [("3", 3), (" 0 ", 0), ("oak street", 3), (" end ", 5)])
def test_a_bus_is_found_by_index_or_name(village_net, text, bus) -> None:
    assert bus_index(village_net, text) == bus
    assert GridNetwork(village_net).bus_index(text) == bus


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("99", "no bus 99: its buses run from 0 to 6"),
        ("birch street", "no bus named 'birch street': give a name or an index"),
        ("", "no bus named ''"),
        ("-1", "no bus named '-1'"),
        ("twin", r"2 buses are named 'twin': give the index, one of \[3, 4\]"),
    ],
)
def test_a_bus_that_is_not_there_or_not_unique_is_refused(village_net, text, message) -> None:
    village_net.bus.loc[[3, 4], "name"] = "twin"
    with pytest.raises(NetworkError, match=message):
        bus_index(village_net, text)


def test_a_bus_out_of_service_takes_no_injection(village_net) -> None:
    with pytest.raises(NetworkError, match="no bus named 'abandoned'"):
        GridNetwork(village_net).bus_index("abandoned")


def test_all_digits_are_an_index_even_where_a_name_is_a_number(village_net) -> None:
    village_net.bus.loc[3, "name"] = "5"
    assert bus_index(village_net, "5") == 5


def test_a_drawing_holds_what_is_in_service_within_the_canvas(village_net) -> None:
    picture_of = drawing(village_net)
    assert [bus["name"] for bus in picture_of["buses"]] == [
        "above",
        "busbar",
        "coupled",
        "oak street",
        "elm street",
        "end",
    ]
    assert [line["id"] for line in picture_of["lines"]] == [0, 1, 2, 3]
    assert picture_of["trafos"] == [{"id": 0, "name": "trafo 0", "hv": 0, "lv": 1}]
    assert all(0 <= bus[axis] <= 1000 for bus in picture_of["buses"] for axis in ("x", "y"))
    assert json.loads(json.dumps(picture_of)) == picture_of


def test_a_network_without_positions_becomes_a_tree_without_overlaps(village_net) -> None:
    places = {bus["id"]: (bus["x"], bus["y"]) for bus in drawing(village_net)["buses"]}
    assert len(set(places.values())) == len(places)
    assert places[0][0] < places[1][0] < places[2][0] < places[4][0], "x grows away from the external grid"


def test_positions_of_the_network_are_kept_with_north_at_the_top(village_net) -> None:
    village_net.bus["geo"] = [json.dumps({"coordinates": [bus % 3, bus // 3]}) for bus in village_net.bus.index]
    places = {bus["id"]: (bus["x"], bus["y"]) for bus in drawing(village_net)["buses"]}
    assert places[3][1] < places[1][1], "the bus further north is drawn higher"
    assert places[3][0] < places[4][0] < places[5][0]
    assert places[0][0] == places[1][0], "the bus above the transformer is drawn over its lower winding"
    assert places[0][1] < places[1][1]


def test_positions_that_are_not_all_there_are_not_used(village_net) -> None:
    tree = drawing(village_net)
    village_net.bus["geo"] = [None, *(json.dumps({"coordinates": [bus, 0]}) for bus in village_net.bus.index[1:])]
    assert drawing(village_net) == tree
