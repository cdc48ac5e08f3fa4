"""The network of one round on a map, as the power flow judged it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import abort, render_template, url_for
from flask_babel import gettext as _

from app.access import Access, access
from app.feeder_room import TABLE_OF_KIND, feeder_rooms
from app.local_time import day_of
from app.storage.database import reading
from app.storage.store.rounds import MarketRound, find_round
from app.web.charts.network_map import NetworkMap, network_map
from app.web.context import engine, page, require_interval
from app.web.explanations import KIND_TEXT, binding_limits
from app.web.formats import Formats
from app.web.read_models.operations import latest_round_with_state, worst_round_of_day
from app.web.views.household_access import LATEST_S
from app.web.views.operator import network_drawing, operator

Named = tuple[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """The fullest and the furthest from nominal, each with its name; None where there is none."""

    line: Named | None
    trafo: Named | None
    high: Named | None
    low: Named | None


@operator.get("/network", defaults={"start_s": None})
@operator.get(f"/network/<int(max={LATEST_S}):start_s>")
@access(Access.GRID)
def network(start_s: int | None) -> str:
    """The map of a round, by default of the newest one."""
    present = page()
    with reading(engine()) as connection:
        if start_s is None:
            start_s = latest_round_with_state(connection)
        found = None if start_s is None else find_round(connection, require_interval(start_s))
        if start_s is not None and found is None:
            abort(404, _("There is no market round for that interval."))
        near, worst_s = {}, None
        if found is not None:
            step_s = present.interval_s
            near = {step: find_round(connection, found.start_s + step * step_s) for step in (-1, 1)}
            day = day_of(found.start_s, present.zone, step_s)
            worst_s = worst_round_of_day(connection, start_s=day.start_s, end_s=day.end_s)
        drawing = network_drawing()
        feeders = () if start_s is None else feeder_rooms(connection, drawing, start_s=start_s)
    state = {} if found is None else found.network_state()
    chart = _map(drawing, state, found, present.fmt)
    lines, trafos = (
        named(drawing, "lines", state, "line_loading_percent"),
        named(drawing, "trafos", state, "trafo_loading_percent"),
    )
    voltages = named(drawing, "buses", state, "vm_pu")
    extremes = Extremes(
        line=lines[0] if lines else None,
        trafo=trafos[0] if trafos else None,
        high=voltages[0] if voltages else None,
        low=voltages[-1] if voltages else None,
    )
    return render_template(
        "operator/network.html",
        round=found,
        chart=chart,
        extremes=extremes,
        loadings=sorted([*lines, *trafos], key=lambda item: -item[1]),
        voltages=voltages,
        feeders=feeders,
        kind_text=KIND_TEXT,
        worst_start_s=worst_s,
        map_label=map_label(extremes, present.fmt),
        previous_url=_url(near.get(-1)),
        next_url=_url(near.get(1)),
    )


def _url(found: MarketRound | None) -> str | None:
    if found is None or found.network_json is None:
        return None
    return url_for("operator.network", start_s=found.start_s)


def _map(drawing: dict[str, Any], state: dict[str, Any], found: MarketRound | None, fmt: Formats) -> NetworkMap | None:
    if not drawing:
        return None
    binding = [] if found is None else binding_limits(found.clearing_document(), drawing, fmt)
    tables = {"lines": "line", "trafos": "trafo", "buses": "bus"}
    limiting = {(tables[TABLE_OF_KIND[limit.kind]], limit.element) for limit in binding if limit.element is not None}
    return network_map(drawing, state, limiting=frozenset(limiting))


def named(
    drawing: Mapping[str, Sequence[Mapping[str, Any]]], table: str, state: Mapping[str, Mapping[str, float]], key: str
) -> list[Named]:
    """(name, value) of a table's elements that have a value, highest first."""
    values = state.get(key, {})
    found = [
        (str(item["name"]), float(values[str(item["id"])]))
        for item in drawing.get(table, [])
        # The market keeps voltages where homes are connected, below 1 kV.
        if values.get(str(item["id"])) is not None and item.get("vn_kv", 0.4) < 1
    ]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def map_label(extremes: Extremes, fmt: Formats) -> str:
    """The map in words."""
    if extremes.line is None:
        return _("Map of the network, without loading.")
    return _(
        "Map of the network. The fullest line is %(line)s with %(share)s.",
        line=extremes.line[0],
        share=fmt.percent(extremes.line[1], 1),
    )
