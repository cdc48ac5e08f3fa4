"""A round of an island in sentences: what was shed, spilled and lost, and what it means to the reader."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask_babel import gettext as _

from app.web.formats import Formats
from app.web.read_models.prices import OwnPart, PriceStory


def island_sentences(story: PriceStory, island: Mapping[str, Any], fmt: Formats) -> list[str]:
    """What happened to everybody, why the price is what it is, and the reader's own part."""
    return [*_everybodys(story, island, fmt), *(_own_sentence(part, fmt) for part in story.own)]


def _everybodys(story: PriceStory, island: Mapping[str, Any], fmt: Formats) -> Iterator[str]:
    offered, wanted = fmt.energy(story.supply_wh), fmt.energy(story.demand_wh)
    flows, lost = fmt.energy(story.round.traded_wh or 0), fmt.energy(island["loss_wh"])
    if island["is_dark"]:
        yield _(
            "The island is dark: %(wanted)s were wanted, and of the %(offered)s on offer nothing "
            "could be brought there.",
            wanted=wanted,
            offered=offered,
        )
        return
    yield (
        _(
            "Nobody on the island has a supplier: homes offered %(offered)s and wanted %(wanted)s, "
            "%(flows)s of it flows, and %(lost)s are lost on the way.",
            offered=offered,
            wanted=wanted,
            flows=flows,
            lost=lost,
        )
    )
    if island["shed_wh"]:
        yield (
            _(
                "%(energy)s cannot be served. Where energy is short the price is what a kWh of it is "
                "worth to the community, %(price)s.",
                energy=fmt.energy(island["shed_wh"]),
                price=fmt.price(island["lost_load_micro_per_kwh"]),
            )
        )
    elif story.round.clearing_price_micro_per_kwh is not None:
        yield _("Everybody who must be served is, and the price is what the dearest energy costs that this takes.")
    if island["spilled_wh"]:
        yield _("%(energy)s have no use now, or no way, and must not flow.", energy=fmt.energy(island["spilled_wh"]))


def _own_sentence(part: OwnPart, fmt: Formats) -> str:
    rest = fmt.energy(part.accepted_wh)
    if part.curtailed_wh and part.side == "buy":
        return _(
            "Of your %(energy)s only %(rest)s can be served: please use no more in this interval.",
            energy=fmt.energy(part.quantity_wh),
            rest=rest,
        )
    if part.curtailed_wh:
        return _("Of your %(energy)s only %(rest)s may be fed in.", energy=fmt.energy(part.quantity_wh), rest=rest)
    if part.accepted_wh and part.price_micro_per_kwh is not None:
        price = fmt.price(part.price_micro_per_kwh)
        if part.side == "buy":
            return _("You pay %(price)s for %(energy)s.", price=price, energy=rest)
        return _("You get %(price)s for %(energy)s.", price=price, energy=rest)
    return _("Your order was not taken at this price, and nothing of it flows.")
