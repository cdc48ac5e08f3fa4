"""A round in plain words: why the price is what it is, and what the network had to do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.feeder_room import TABLE_OF_KIND
from app.web.formats import Formats
from app.web.island_explanations import island_sentences
from app.web.read_models.prices import OwnPart, PriceStory

KIND_TEXT = {
    "voltage_high": lazy_gettext("Highest voltage"),
    "voltage_low": lazy_gettext("Lowest voltage"),
    "line_loading": lazy_gettext("Line loading"),
    "trafo_loading": lazy_gettext("Transformer loading"),
}
PHASES_TOLD = 5
RULE_TEXT = {
    "mid_market_rate": (
        lazy_gettext(
            "The price is the middle between what suppliers charge and what they pay for feed-in. "
            "What was short was shared in proportion."
        )
    ),
    "fixed_price": lazy_gettext("Your community has agreed on this price. What was short was shared in proportion."),
    "dynamic_key": lazy_gettext(
        "Your community has agreed on this price. Everybody got the same share of what they wanted."
    ),
    "static_key": lazy_gettext(
        "Your community has agreed on this price, and on the share of the sun that each home may use."
    ),
    "pay_as_bid": (
        lazy_gettext(
            "The best offers met the highest wishes, and each pair trades at the middle between its "
            "two limits. This is the average."
        )
    ),
    "mcafee": (
        lazy_gettext(
            "The price was set by homes that did not trade themselves: naming a limit that is not the"
            " true one gains nothing. What buyers paid beyond what sellers got goes back to all "
            "homes."
        )
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingLimit:
    """A limit of the network that bound, with the element's name and its figures as text."""

    kind: str
    element: int | None
    name: str
    kind_text: str
    limit_text: str
    value_text: str
    shadow_text: str
    sentence: str


def price_sentences(story: PriceStory, fmt: Formats) -> list[str]:
    """Two or three sentences about a cleared round for one reader."""
    if story.round.island is not None:
        return island_sentences(story, story.round.island, fmt)
    price = story.round.clearing_price_micro_per_kwh
    if price is None or not story.round.traded_wh:
        return [_no_trade(story, fmt)]
    both = _(
        "Homes offered %(offered)s and wanted %(wanted)s. At %(price)s both sides agreed on %(agreed)s.",
        offered=fmt.energy(story.supply_wh),
        wanted=fmt.energy(story.demand_wh),
        price=fmt.price(price),
        agreed=fmt.energy(story.round.traded_wh),
    )
    return [both, _rule_sentence(story), *(_own_sentence(part, price, fmt) for part in story.own)]


def _rule_sentence(story: PriceStory) -> str:
    """How this price came about, by the way in which the round was cleared."""
    if story.round.mechanism in RULE_TEXT:
        return str(RULE_TEXT[story.round.mechanism])
    if story.demand_wh > story.supply_wh:
        return _("Energy was short, so the price moved towards what buyers would pay.")
    return _("There was more than enough, so the price moved towards what sellers ask for.")


def _no_trade(story: PriceStory, fmt: Formats) -> str:
    if not story.supply_wh:
        return _("Nobody had energy to offer, so everybody was served by their own supplier.")
    if not story.demand_wh:
        return _(
            "%(energy)s were offered, but nobody needed energy from neighbours.", energy=fmt.energy(story.supply_wh)
        )
    if story.round.status == "red":
        return _("The network could not carry more, so nothing flexible was shared in this interval.")
    return _("No offer was low enough for a wish, so everybody was served by their own supplier.")


def held_back_sentence(part: OwnPart, feed_in_price: int, fmt: Formats) -> str | None:
    """What the network kept the reader from feeding in, None where it kept nothing; the price is the community's."""
    if not part.curtailed_wh:
        return None
    return _(
        "The network had no room for %(energy)s of your solar, worth %(money)s as feed-in. What "
        "homes lose by that against a day without the market is made up from the congestion "
        "account.",
        energy=fmt.energy(part.curtailed_wh),
        money=fmt.small_money(part.curtailed_wh * feed_in_price),
    )


def _own_sentence(part: OwnPart, price: int, fmt: Formats) -> str:
    gain = part.limit_micro_per_kwh - price if part.side == "buy" else price - part.limit_micro_per_kwh
    if part.accepted_wh and part.price_micro_per_kwh is not None:
        if part.side == "buy":
            gain = part.limit_micro_per_kwh - part.price_micro_per_kwh
            return _(
                "You were ready to pay up to %(limit)s and pay %(gain)s less.",
                limit=fmt.price(part.limit_micro_per_kwh),
                gain=fmt.price(gain),
            )
        gain = part.price_micro_per_kwh - part.limit_micro_per_kwh
        return _(
            "You asked for at least %(limit)s and get %(gain)s more.",
            limit=fmt.price(part.limit_micro_per_kwh),
            gain=fmt.price(gain),
        )
    if gain < 0:
        limit = fmt.price(part.limit_micro_per_kwh)
        if part.side == "buy":
            return _("Your limit (pay at most %(limit)s) was not met, so your supplier stepped in.", limit=limit)
        return _("Your limit (sell for at least %(limit)s) was not met, so your supplier stepped in.", limit=limit)
    return _("Your order met the price exactly at the edge, or the network had no room, so your supplier stepped in.")


def binding_limits(
    document: Mapping[str, Any], drawing: Mapping[str, Sequence[Mapping[str, Any]]], fmt: Formats
) -> list[BindingLimit]:
    """The limits that bound in a clearing document, with the names of the drawing's elements."""
    return [_binding(row, drawing, fmt) for row in document.get("binding", [])]


def _binding(row: Mapping[str, Any], drawing: Mapping[str, Sequence[Mapping[str, Any]]], fmt: Formats) -> BindingLimit:
    kind, element = str(row["kind"]), row["element"]
    table = TABLE_OF_KIND.get(kind, "")
    found = [item for item in drawing.get(table, []) if element in {item["id"], item["name"]}]
    voltage = kind.startswith("voltage")
    # A lower limit is kept with both sides negated, so that <= is always the safe side.
    limit, value = abs(float(row["limit"])), abs(float(row["value"]))
    name = str(found[0]["name"]) if found else str(row.get("name", element))
    limit_text = _share(limit, fmt, voltage=voltage)
    return BindingLimit(
        kind=kind,
        element=found[0]["id"] if found else None,
        name=name,
        kind_text=str(KIND_TEXT.get(kind, kind)),
        limit_text=limit_text,
        value_text=_share(value, fmt, voltage=voltage),
        shadow_text=_worth(float(row["shadow_price"]), fmt, voltage=voltage),
        sentence=_limit_sentence(kind, limit_text),
    )


def phase_sentences(document: Mapping[str, Any], fmt: Formats) -> list[str]:
    """The limits that single phases pass in a clearing document, worst first; empty where nobody looked."""
    return [_phase_sentence(row, fmt) for row in document.get("phases", {}).get("violations", [])[:PHASES_TOLD]]


def _phase_sentence(row: Mapping[str, Any], fmt: Formats) -> str:
    voltage = str(row["kind"]).startswith("voltage")
    value, limit = (_share(float(row[name]), fmt, voltage=voltage) for name in ("value", "limit"))
    what = KIND_TEXT[str(row["kind"])]
    return _(
        "%(what)s of phase %(phase)s at %(name)s: %(value)s, the limit is %(limit)s.",
        what=what,
        phase=row["phase"],
        name=row["name"],
        value=value,
        limit=limit,
    )


def _worth(shadow_price: float, fmt: Formats, *, voltage: bool) -> str:
    """A shadow price, which is nano-units of welfare per p.u. or percent, in money per hundredth of the whole."""
    per_hundredth = shadow_price / 100 if voltage else shadow_price
    money = fmt.small_money(round(per_hundredth))
    if voltage:
        return _("%(money)s per %(step)s of nominal", money=money, step=fmt.number(0.01, 2))
    return _("%(money)s per %%", money=money)


def _share(value: float, fmt: Formats, *, voltage: bool) -> str:
    """A voltage per unit, or a loading in percent."""
    return _("%(share)s of nominal", share=fmt.number(value, 3)) if voltage else fmt.percent(value, 1)


def _limit_sentence(kind: str, limit_text: str) -> str:
    if kind == "voltage_high":
        return _(
            "the voltage reached its upper limit (%(limit)s), so less solar power could flow into the street.",
            limit=limit_text,
        )
    if kind == "voltage_low":
        return _("the voltage reached its lower limit (%(limit)s), so flexible devices had to wait.", limit=limit_text)
    return _("it was full (%(limit)s), so not everything that was wished for could flow.", limit=limit_text)
