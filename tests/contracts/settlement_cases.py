"""Short ways to write a community, its auction and its meters down in a test."""

from dataclasses import dataclass, field

from contracts.allocation import ClearedInterval, PointTerms
from contracts.settlement import IntervalSettlement, settle_interval
from contracts.tariff import Tariff
from contracts.transfers import TransferKind
from matching.orders import Firmness, Order, Side, Trade
from meters.interval import DeliveryInterval, IntervalEnergy

NOON = DeliveryInterval.at(1_464_782_400)
R, F, PRICE = 180_000, 60_000, 120_000
TARIFF = Tariff(version="test")


def point(name: str, **changes: object) -> PointTerms:
    """Metering point M-name of participant name, who would trade at any price between F and R."""
    terms: dict[str, object] = {
        "metering_point": f"M-{name}",
        "participant": name,
        "supplier_price_micro_per_kwh": R,
        "feed_in_price_micro_per_kwh": F,
        "buy_at_most_micro_per_kwh": R,
        "sell_at_least_micro_per_kwh": F,
    }
    return PointTerms(**{**terms, **changes})


def energy(name: str, import_wh: int = 0, export_wh: int = 0) -> IntervalEnergy:
    return IntervalEnergy(metering_point=f"M-{name}", interval=NOON, import_wh=import_wh, export_wh=export_wh)


@dataclass
class Book:
    """Orders with their outcome, collected one by one."""

    orders: list[Order] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)

    def _add(
        self,
        side: Side,
        name: str,
        quantity_wh: int,
        *,
        accepted_wh: int | None = None,
        curtailed_wh: int = 0,
        price: int = PRICE,
        limit: int | None = None,
        firmness: str = "firm",
    ) -> "Book":
        accepted_wh = quantity_wh - curtailed_wh if accepted_wh is None else accepted_wh
        order = Order(
            order_id=f"{side}-{name}-{len(self.orders)}",
            participant=name,
            metering_point=f"M-{name}",
            side=side,
            quantity_wh=quantity_wh,
            limit_micro_per_kwh=(R if side is Side.BUY else F) if limit is None else limit,
            firmness=Firmness(firmness),
        )
        self.orders.append(order)
        self.trades.append(
            Trade(
                order_id=order.order_id,
                accepted_wh=accepted_wh,
                curtailed_wh=curtailed_wh,
                price_micro_per_kwh=price if accepted_wh else None,
                amount_nano=accepted_wh * price,
            )
        )
        return self

    def buy(self, name: str, quantity_wh: int, **outcome) -> "Book":
        return self._add(Side.BUY, name, quantity_wh, **outcome)

    def sell(self, name: str, quantity_wh: int, **outcome) -> "Book":
        return self._add(Side.SELL, name, quantity_wh, **outcome)

    def cleared(self, price: int | None = PRICE, **reference_curtailed_wh: int) -> ClearedInterval:
        return ClearedInterval(
            interval=NOON,
            orders=self.orders,
            trades=self.trades,
            clearing_price_micro_per_kwh=price,
            reference_curtailed_wh={f"M-{name}": wh for name, wh in reference_curtailed_wh.items()},
        )


def settle(
    cleared: ClearedInterval,
    energies: list[IntervalEnergy],
    points: list[PointTerms],
    tariff: Tariff = TARIFF,
    run: str = "D1",
) -> IntervalSettlement:
    return settle_interval(cleared, energies, points, tariff=tariff, run=run, tie_seed="seed")


def shared(result: IntervalSettlement) -> dict[str, tuple[int, int]]:
    """Participant -> (bought, sold) in Wh."""
    return {each.participant: (each.bought_wh, each.sold_wh) for each in result.allocations}


def moved(result: IntervalSettlement, kind: TransferKind) -> list[tuple[str, str, int]]:
    """(debit, credit, amount) of one kind, in the order of ids."""
    return [(each.debit, each.credit, each.amount_nano) for each in result.transfers if each.kind is kind]
