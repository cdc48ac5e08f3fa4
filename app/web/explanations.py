"""A round in plain words: why the price is what it is, and what the network had to do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.feeder_room import TABLE_OF_KIND
from app.web.formats import Formats
from app.web.island_explanations import island_sentences
from app.web.read_models.prices import OwnPart, PriceStory

KIND_TEXT = {
    "voltage_high": "Highest voltage",
    "voltage_low": "Lowest voltage",
    "line_loading": "Line loading",
    "trafo_loading": "Transformer loading",
}
PHASES_TOLD = 5
RULE_TEXT = {
    "mid_market_rate": (
        "The price is the middle between what suppliers charge and what they pay for feed-in. "
        "What was short was shared in proportion."
    ),
    "fixed_price": "Your community has agreed on this price. What was short was shared in proportion.",
    "dynamic_key": "Your community has agreed on this price. Everybody got the same share of what they wanted.",
    "static_key": "Your community has agreed on this price, and on the share of the sun that each home may use.",
    "pay_as_bid": (
        "The best offers met the highest wishes, and each pair trades at the middle between its two limits. "
        "This is the average."
    ),
    "mcafee": (
        "The price was set by homes that did not trade themselves: naming a limit that is not the true one gains "
        "nothing. What buyers paid beyond what sellers got goes back to all homes."
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
    both = (
        f"Homes offered {fmt.energy(story.supply_wh)} and wanted {fmt.energy(story.demand_wh)}. "
        f"At {fmt.price(price)} both sides agreed on {fmt.energy(story.round.traded_wh)}."
    )
    return [both, _rule_sentence(story), *(_own_sentence(part, price, fmt) for part in story.own)]


def _rule_sentence(story: PriceStory) -> str:
    """How this price came about, by the way in which the round was cleared."""
    if story.round.mechanism in RULE_TEXT:
        return RULE_TEXT[story.round.mechanism]
    if story.demand_wh > story.supply_wh:
        return "Energy was short, so the price moved towards what buyers would pay."
    return "There was more than enough, so the price moved towards what sellers ask for."


def _no_trade(story: PriceStory, fmt: Formats) -> str:
    if not story.supply_wh:
        return "Nobody had energy to offer, so everybody was served by their own supplier."
    if not story.demand_wh:
        return f"{fmt.energy(story.supply_wh)} were offered, but nobody needed energy from neighbours."
    if story.round.status == "red":
        return "The network could not carry more, so nothing flexible was shared in this interval."
    return "No offer was low enough for a wish, so everybody was served by their own supplier."


def held_back_sentence(part: OwnPart, feed_in_price: int, fmt: Formats) -> str | None:
    """What the network kept the reader from feeding in, None where it kept nothing; the price is the community's."""
    if not part.curtailed_wh:
        return None
    return (
        f"The network had no room for {fmt.energy(part.curtailed_wh)} of your solar, worth "
        f"{fmt.small_money(part.curtailed_wh * feed_in_price)} as feed-in. What homes lose by that against a day "
        "without the market is made up from the congestion account."
    )


def _own_sentence(part: OwnPart, price: int, fmt: Formats) -> str:
    gain = part.limit_micro_per_kwh - price if part.side == "buy" else price - part.limit_micro_per_kwh
    if part.accepted_wh and part.price_micro_per_kwh is not None:
        if part.side == "buy":
            gain = part.limit_micro_per_kwh - part.price_micro_per_kwh
            return f"You were ready to pay up to {fmt.price(part.limit_micro_per_kwh)} and pay {fmt.price(gain)} less."
        gain = part.price_micro_per_kwh - part.limit_micro_per_kwh
        return f"You asked for at least {fmt.price(part.limit_micro_per_kwh)} and get {fmt.price(gain)} more."
    if gain < 0:
        wish = "pay at most" if part.side == "buy" else "sell for at least"
        return f"Your limit ({wish} {fmt.price(part.limit_micro_per_kwh)}) was not met, so your supplier stepped in."
    return "Your order met the price exactly at the edge, or the network had no room, so your supplier stepped in."


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
    unit = "of nominal" if voltage else "%"
    decimals = 3 if voltage else 1
    name = str(found[0]["name"]) if found else str(row.get("name", element))
    limit_text = f"{fmt.number(limit, decimals)} {unit}"
    return BindingLimit(
        kind=kind,
        element=found[0]["id"] if found else None,
        name=name,
        kind_text=KIND_TEXT.get(kind, kind),
        limit_text=limit_text,
        value_text=f"{fmt.number(value, decimals)} {unit}",
        shadow_text=_worth(float(row["shadow_price"]), fmt, voltage=voltage),
        sentence=_limit_sentence(kind, limit_text),
    )


def phase_sentences(document: Mapping[str, Any], fmt: Formats) -> list[str]:
    """The limits that single phases pass in a clearing document, worst first; empty where nobody looked."""
    return [_phase_sentence(row, fmt) for row in document.get("phases", {}).get("violations", [])[:PHASES_TOLD]]


def _phase_sentence(row: Mapping[str, Any], fmt: Formats) -> str:
    voltage = str(row["kind"]).startswith("voltage")
    unit, decimals = ("of nominal", 3) if voltage else ("%", 1)
    value, limit = (fmt.number(float(row[name]), decimals) for name in ("value", "limit"))
    what = KIND_TEXT[str(row["kind"])]
    return f"{what} of phase {row['phase']} at {row['name']}: {value} {unit}, the limit is {limit} {unit}."


def _worth(shadow_price: float, fmt: Formats, *, voltage: bool) -> str:
    """A shadow price, which is nano-units of welfare per p.u. or percent, in money per hundredth of the whole."""
    per_hundredth = shadow_price / 100 if voltage else shadow_price
    return f"{fmt.small_money(round(per_hundredth))} per {'0.01 of nominal' if voltage else '%'}"


def _limit_sentence(kind: str, limit_text: str) -> str:
    if kind == "voltage_high":
        return f"the voltage reached its upper limit ({limit_text}), so less solar power could flow into the street."
    if kind == "voltage_low":
        return f"the voltage reached its lower limit ({limit_text}), so flexible devices had to wait."
    return f"it was full ({limit_text}), so not everything that was wished for could flow."
