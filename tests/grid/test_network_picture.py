"""The picture of a network: what it shows, and that it shows it to everybody."""

import colorsys
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandapower
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from app.cli import main
from grid.feeder import drawing
from grid.measurement import Limits
from grid.network import GridNetwork
from grid.picture import PASSED, Panel, loading_colour, picture, voltage_colour
from grid.shapes import Dot, Stroke, Words, to_svg, write_png

LIMITS = Limits(v_min_pu=0.9, v_max_pu=1.1, max_loading_percent=100.0)
SVG = "{http://www.w3.org/2000/svg}"


def channels(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))


def lightness(colour: str) -> float:
    """What is left of a colour on a grey print."""
    return colorsys.rgb_to_yiq(*channels(colour))[0]


def test_loading_darkens_all_the_way_to_the_limit_and_stands_out_beyond() -> None:
    greys = [lightness(loading_colour(percent, LIMITS)) for percent in range(0, 101, 5)]
    assert greys == sorted(greys, reverse=True)
    assert greys[0] - greys[-1] > 0.6
    assert loading_colour(100.1, LIMITS) == loading_colour(250.0, LIMITS) == PASSED != loading_colour(100.0, LIMITS)


def test_low_and_high_voltage_differ_in_blue_and_not_in_red_against_green_alone() -> None:
    low, high = channels(voltage_colour(0.9, LIMITS)), channels(voltage_colour(1.1, LIMITS))
    assert low[2] - high[2] > 0.5, "who tells no red from green still has blue against yellow"
    assert voltage_colour(0.5, LIMITS) == voltage_colour(0.9, LIMITS)
    assert lightness(voltage_colour(1.0, LIMITS)) > 0.95


def state(grid: GridNetwork, load_w: float) -> dict[str, dict[str, float]]:
    return grid.state_by_id(grid.solve(np.array([0, 0, 0, -load_w, 0, 0.0]), np.zeros(6)))


def test_a_picture_is_well_formed_svg_with_the_values_in_its_titles(village_net, tmp_path) -> None:
    village_net.bus.loc[3, "name"] = "oak & <elm>"
    grid = GridNetwork(village_net)
    point = grid.solve(np.array([0, 0, 0, -40e3, 0, 0.0]), np.zeros(6))
    shown = Panel(heading="at noon", state=grid.state_by_id(point))
    drawn = picture(grid.drawing(), title="noon & more", limits=grid.limits, panels=(shown,))
    root = ET.fromstring(to_svg(drawn))  # noqa: S314 (written here)
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert f"oak & <elm>: {point.vm_pu[3]:.4f} p.u." in titles
    assert f"cable 0: {point.line_loading_percent[0]:.1f} %" in titles
    write_png(drawn, tmp_path / "noon.png")
    with Image.open(tmp_path / "noon.png") as image:
        assert image.size == (drawn.width, drawn.height)
        assert len(image.getcolors(10**6) or ()) > 20


def test_two_panels_stand_side_by_side_and_say_which_keeps_the_limits(village_net) -> None:
    grid = GridNetwork(village_net, v_min_pu=0.99)
    panels = (Panel(heading="Before", state=state(grid, 190e3)), Panel(heading="After", state=state(grid, 5e3)))
    drawn = picture(grid.drawing(), title="market", limits=grid.limits, panels=panels)
    words = [shape for shape in drawn.shapes if isinstance(shape, Words)]
    said = {shape.text.rpartition("; ")[2]: shape.at[0] < drawn.width / 2 for shape in words if "highest" in shape.text}
    assert said == {"3 limits passed": True, "all limits kept": False}
    dots = [shape for shape in drawn.shapes if isinstance(shape, Dot) and shape.title]
    left, right = dots[: len(dots) // 2], dots[len(dots) // 2 :]
    assert max(dot.centre[0] for dot in left) < drawn.width / 2 < min(dot.centre[0] for dot in right)
    assert sum(dot.rim_width > 1.5 for dot in left) == 2, "buses outside of the band have a thick rim"
    assert all(dot.rim_width < 1.5 for dot in right)
    assert next(shape.title for shape in drawn.shapes if isinstance(shape, Stroke) and shape.colour == PASSED) == (
        f"cable 0: {panels[0].state['line_loading_percent']['0']:.1f} %"
    )


def test_without_a_state_the_picture_claims_none(village_net) -> None:
    plan = Panel(heading="", state=None)
    svg = to_svg(picture(drawing(village_net), title="plan", limits=LIMITS, panels=(plan,)))
    assert "p.u." not in svg
    assert "%" not in svg


@pytest.fixture
def run(tmp_path, monkeypatch, village_net):
    """Runs `commonwatt ...` in a folder with village.json, two states and a book."""
    monkeypatch.setenv("COMMONWATT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    pandapower.to_json(village_net, "village.json")
    Path("noon.csv").write_text("bus,injection_w\nend,-9000\n", encoding="utf-8")
    Path("night.csv").write_text("bus,injection_w\nend,-200\n", encoding="utf-8")
    Path("orders.csv").write_text(
        "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n"
        "b,ben,mp-1,end,buy,1000,300000,firm\n"
        "s,sue,mp-2,oak street,sell,60000,100000,curtailable\n"
        "f,flo,mp-3,elm street,buy,2000,200000,flexible\n",
        encoding="utf-8",
    )
    return lambda *words: CliRunner().invoke(main, words)


PLOT = ("grid", "plot", "--network", "village.json")


def titles(name: str) -> list[str]:
    root = ET.fromstring(Path(name).read_text(encoding="utf-8"))  # noqa: S314 (written by the test)
    return [element.text or "" for element in root.iter(f"{SVG}title")]


def test_plot_draws_a_plan_a_state_or_two(run) -> None:
    assert run(*PLOT, "--out", "plan.png").exit_code == 0
    assert run(*PLOT, "--injections", "noon.csv", "--out", "noon.svg").exit_code == 0
    assert any(title.startswith("oak street: 1.04") for title in titles("noon.svg"))
    assert run(*PLOT, "--before", "noon.csv", "--after", "night.csv", "--out", "both.svg").exit_code == 0
    assert len(titles("both.svg")) > 2 * 10
    with Image.open("plan.png") as image:
        assert image.width == 1100


def test_plot_shows_a_cleared_book_before_and_after(run, village_net) -> None:
    cleared = run("clear", "orders.csv", "--network", "village.json", "--out", "result", "--max-loading", "60")
    assert cleared.exit_code == 0, cleared.output
    drawn = run("grid", "plot", "--result", "result", "--out", "market.svg")
    assert drawn.exit_code == 0, drawn.output
    rows = {row.split(",")[0]: row.split(",") for row in Path("result/trades.csv").read_text().splitlines()[1:]}
    accepted_wh, curtailed_wh = int(rows["f"][1]), int(rows["s"][2])
    assert curtailed_wh > 0
    grid = GridNetwork(village_net)
    for at, watts in (
        ("before", [0, 0, 0, 60e3, 0, -1e3]),
        ("after", [0, 0, 0, 60e3 - curtailed_wh, -accepted_wh, -1e3]),
    ):
        percent = grid.solve(4 * np.array(watts, dtype=float), np.zeros(6)).trafo_loading_percent[0]
        assert f"trafo 0: {percent:.1f} %" in titles("market.svg"), at


REFUSALS = {
    "another ending": (("--out", "noon.gif"), "--out noon.gif: the name must end in .svg or .png"),
    "half a pair": (("--before", "noon.csv", "--out", "a.svg"), "give --before and --after together"),
    "two states": (
        ("--injections", "noon.csv", "--before", "noon.csv", "--after", "noon.csv", "--out", "a.svg"),
        "give --injections, or --before with --after",
    ),
    "two questions": (
        ("--injections", "noon.csv", "--result", ".", "--out", "a.svg"),
        "--result brings its network, limits and states: leave out --network, --injections",
    ),
    "no state": (("--injections", "beyond.csv", "--out", "a.svg"), "exceed what the network can carry"),
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_plot_refuses_in_one_line_and_writes_nothing(run, fault) -> None:
    words, message = REFUSALS[fault]
    Path("beyond.csv").write_text("bus,injection_w\nend,-9e9\n", encoding="utf-8")
    refused: Result = run(*PLOT, *words)
    assert refused.exit_code == 2
    assert message in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not Path("a.svg").exists()


def cleared(run, *options: str) -> Path:
    done = run("clear", "orders.csv", "--out", "result", *options)
    assert done.exit_code == 0, done.output
    return Path("result")


def refused(run, *words: str) -> str:
    told: Result = run("grid", "plot", *words, "--out", "a.svg")
    assert (told.exit_code, len(told.stderr.splitlines()), Path("a.svg").exists()) == (2, 1, False), told.output
    return told.stderr


def test_an_island_is_drawn_as_it_was_cleared_without_the_grid_above(run, village_net) -> None:
    Path("orders.csv").write_text(
        "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n"
        "b,ben,mp-1,end,buy,1000,300000,firm\n"
        "s,sue,mp-2,oak street,sell,6000,100000,flexible\n"
        "u,unit,mp-4,elm street,sell,5000,90000,flexible\n"
    )
    cleared(run, "--network", "village.json", "--islanded", "--lost-load", "5000000", "--grid-forming", "elm street")
    assert run("grid", "plot", "--result", "result", "--out", "market.svg").exit_code == 0
    document = json.loads(Path("result/clearing.json").read_text())
    island = GridNetwork(village_net).islanded(document["island"]["grid_forming_bus"])
    rows = {row.split(",")[0]: int(row.split(",")[1]) for row in Path("result/trades.csv").read_text().splitlines()[1:]}
    by_name = {"end": -rows["b"], "oak street": rows["s"], "elm street": rows["u"]}
    after_w = np.zeros(len(island.buses))
    for name, watt_hours in by_name.items():
        after_w[island.buses.index(island.bus_index(name))] = 4.0 * watt_hours
    point = island.solve(after_w, np.zeros(after_w.size))
    drawn = titles("market.svg")
    for bus, vm_pu in zip(island.buses, point.vm_pu, strict=True):
        name = village_net.bus.name.at[bus]
        assert any(title.startswith(f"{name}: {vm_pu:.3f}") for title in drawn), (name, vm_pu, drawn)
    assert not any(title.startswith("trafo 0: ") and not title.startswith("trafo 0: 0.0") for title in drawn)


def test_what_is_no_cleared_network_is_refused(run) -> None:
    assert "clearing.json cannot be read" in refused(run, "--result", ".")
    result = cleared(run)
    assert "was cleared without a network" in refused(run, "--result", "result")
    cleared(run, "--network", "village.json")
    book = (result / "orders.csv").read_text()
    (result / "orders.csv").write_text(book.replace("f,flo", "g,flo"))
    assert "lists other orders than" in refused(run, "--result", "result")
    (result / "orders.csv").write_text(book)
    network = (result / "network.json").read_text()
    (result / "network.json").write_text(network.replace("oak street", "oak alley"))
    assert refused(run, "--result", "result")
    assert "give --network N to draw it, or --result DIR" in refused(run)
