"""What the agent intends with battery, car and heat pump, when, and why."""

from dataclasses import dataclass

from flask import render_template
from flask_babel import gettext as _

from app.agents.windows import DeviceClass, content_mwh
from app.storage.database import reading
from app.storage.store.members import metering_points, preference_of
from app.storage.store.windows import windows_of
from app.web.charts.axis import Tick
from app.web.charts.energy_bars import EnergyBar, EnergyBars, energy_bars
from app.web.context import engine, page
from app.web.formats import Formats
from app.web.read_models.windows import DAYS_AHEAD_S
from app.web.views.household_access import household, participant_id
from app.window_plans import WindowPlan, window_plans

TICKS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One interval of a plan: Wh at the meter, + drawn, the price expected then, and why it is that interval."""

    start_s: int
    energy_wh: int
    price_micro_per_kwh: int
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """A device's plan as it is shown; None instead of a chart where nothing is left to do."""

    plan: WindowPlan
    name: str
    content_wh: int
    steps: tuple[Step, ...]
    chart: EnergyBars | None
    ticks: tuple[Tick, ...]
    label: str


@household.get("/plan")
def plan() -> str:
    """The plans of the member's devices from now on."""
    now_s = page().now_s
    with reading(engine()) as connection:
        placed = windows_of(connection, participant_id(), start_s=now_s, end_s=now_s + DAYS_AHEAD_S)
        plans = window_plans(connection, [each for each in placed if each.cancelled_s is None], now_s=now_s)
        points = metering_points(connection, participant_id=participant_id())
        preference = preference_of(connection, participant_id())
    return render_template(
        "household/plan.html",
        plans=[_shown(each) for each in plans],
        has_battery=any(point.battery_wh for point in points),
        autonomy=preference.autonomy,
        paused=preference.trading_paused,
    )


def _shown(found: WindowPlan) -> DevicePlan:
    window, fmt, interval_s = found.placed.window, page().fmt, page().interval_s
    starts = sorted(found.planned_wh)
    first_s = starts[0] if starts else window.latest_s
    span_s = max(window.latest_s - first_s, interval_s)
    steps = tuple(
        Step(
            start_s=start_s,
            energy_wh=found.planned_wh[start_s],
            price_micro_per_kwh=found.expected_micro_per_kwh[start_s],
            reason=reason(found, start_s),
            at=100 * (start_s + interval_s / 2 - first_s) / span_s,
        )
        for start_s in starts
    )
    return DevicePlan(
        plan=found,
        name=device_name(window.device),
        content_wh=content_mwh(window, found.traded) // 1000,
        steps=steps,
        chart=_bars(steps, first_s, first_s + span_s, interval_s) if steps else None,
        ticks=_ticks(first_s, first_s + span_s, interval_s, fmt),
        label=_label(steps, fmt),
    )


def device_name(device: DeviceClass) -> str:
    """What people call it."""
    names = {DeviceClass.BATTERY: _("Battery"), DeviceClass.CAR: _("Car"), DeviceClass.HEAT_PUMP: _("Heat pump")}
    return str(names[device])


def reason(found: WindowPlan, start_s: int) -> str:
    """Why the plan uses this interval: how its expected price stands among those of the whole plan."""
    prices, own = found.expected_micro_per_kwh.values(), found.expected_micro_per_kwh[start_s]
    if found.planned_wh[start_s] < 0:
        count, text = sum(each > own for each in prices), _("%(count)s of %(all)s intervals are expected to be dearer")
    else:
        count, text = sum(each < own for each in prices), _("%(count)s of %(all)s intervals are expected to be cheaper")
    return str(text) % {"count": count, "all": len(prices)}


def _bars(steps: tuple[Step, ...], start_s: int, end_s: int, interval_s: int) -> EnergyBars:
    bars = [
        EnergyBar(
            start_s=step.start_s,
            from_neighbours_wh=max(step.energy_wh, 0),
            from_supplier_wh=0,
            to_neighbours_wh=max(-step.energy_wh, 0),
            to_grid_wh=0,
        )
        for step in steps
    ]
    return energy_bars(bars, start_s=start_s, end_s=end_s, interval_s=interval_s)


def _ticks(start_s: int, end_s: int, interval_s: int, fmt: Formats) -> tuple[Tick, ...]:
    """Local hours along the plan."""
    count = max(1, (end_s - start_s) // interval_s)
    step_s = interval_s * -(-count // TICKS_MAX)
    return tuple(
        Tick(at=100 * (at_s - start_s) / (end_s - start_s), label=fmt.time(at_s), value=at_s)
        for at_s in range(start_s, end_s, step_s)
    )


def _label(steps: tuple[Step, ...], fmt: Formats) -> str:
    drawn_wh = sum(max(step.energy_wh, 0) for step in steps)
    given_wh = sum(max(-step.energy_wh, 0) for step in steps)
    text = _(
        "Planned: %(drawn)s to draw and %(given)s to give.", drawn=fmt.energy(drawn_wh), given=fmt.energy(given_wh)
    )
    return str(text)
