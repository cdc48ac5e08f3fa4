"""A round of an island in sentences: what was shed, spilled and lost, and what it means to the reader."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.web.formats import Formats
from app.web.read_models.prices import OwnPart, PriceStory


def island_sentences(story: PriceStory, island: Mapping[str, Any], fmt: Formats) -> list[str]:
    """What happened to everybody, why the price is what it is, and the reader's own part."""
    return [*_everybodys(story, island, fmt), *(_own_sentence(part, fmt) for part in story.own)]


def _everybodys(story: PriceStory, island: Mapping[str, Any], fmt: Formats) -> Iterator[str]:
    offered, wanted = fmt.energy(story.supply_wh), fmt.energy(story.demand_wh)
    flows, lost = fmt.energy(story.round.traded_wh or 0), fmt.energy(island["loss_wh"])
    if island["is_dark"]:
        yield f"The island is dark: {wanted} were wanted, and of the {offered} on offer nothing could be brought there."
        return
    yield (
        f"Nobody on the island has a supplier: homes offered {offered} and wanted {wanted}, {flows} of it flows, and "
        f"{lost} are lost on the way."
    )
    if island["shed_wh"]:
        yield (
            f"{fmt.energy(island['shed_wh'])} cannot be served. Where energy is short the price is what a kWh of it is "
            f"worth to the community, {fmt.price(island['lost_load_micro_per_kwh'])}."
        )
    elif story.round.clearing_price_micro_per_kwh is not None:
        yield "Everybody who must be served is, and the price is what the dearest energy costs that this takes."
    if island["spilled_wh"]:
        yield f"{fmt.energy(island['spilled_wh'])} have no use now, or no way, and must not flow."


def _own_sentence(part: OwnPart, fmt: Formats) -> str:
    rest = fmt.energy(part.accepted_wh)
    if part.curtailed_wh and part.side == "buy":
        return f"Of your {fmt.energy(part.quantity_wh)} only {rest} can be served: please use no more in this interval."
    if part.curtailed_wh:
        return f"Of your {fmt.energy(part.quantity_wh)} only {rest} may be fed in."
    if part.accepted_wh and part.price_micro_per_kwh is not None:
        verb = "pay" if part.side == "buy" else "get"
        return f"You {verb} {fmt.price(part.price_micro_per_kwh)} for {rest}."
    return "Your order was not taken at this price, and nothing of it flows."
