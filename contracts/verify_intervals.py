"""One member's interval, recomputed: from metered energy, own orders, price and tariff to every transfer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.bills import BillItem, item_for
from contracts.fields import FieldError
from contracts.figures import MemberInterval, OrderOutcome, OwnTransfer, PointEnergy
from contracts.island import IslandTerms
from contracts.proofs import require
from contracts.tariff import Tariff, VatClass
from contracts.transfers import TransferKind
from contracts.verify_readings import ProvedReadings
from matching.mechanisms.interface import Properties
from matching.orders import Firmness, Side

_ANCHORED_ONLY = frozenset(
    {
        BillItem.CURTAILMENT,
        BillItem.CONGESTION_REBATE,
        BillItem.LOSSES,
        BillItem.DEVIATION,
        BillItem.CARRIED,
        BillItem.PAYMENT,
    }
)
_HAS_ENERGY = frozenset({TransferKind.ENERGY, TransferKind.PLATFORM_FEE, TransferKind.GRID_FEE, TransferKind.LEVIES})


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalTerms:
    """What an interval was settled with, as its round anchored it; `mechanism` is what the community's promises."""

    clearing_price_micro_per_kwh: int | None
    tariff: Tariff
    vat: VatClass
    mechanism: Properties
    island: IslandTerms | None = None

    @property
    def orders_have_one_price(self) -> bool:
        """Whether what is firm or curtailable has the clearing price; on an island it has that of its bus."""
        return self.mechanism.uniform_price and self.island is None

    @property
    def above_price_micro_per_kwh(self) -> int:
        """By how much a settled price may lie above an order's: averages are settled at two neighbouring prices."""
        return 1 if self.mechanism.average_prices else 0


def check_interval(versions: Sequence[MemberInterval], terms: IntervalTerms, readings: ProvedReadings) -> str:
    """Check all that batches anchored for one interval, in their order; the last one's energy counts.

    Returns what was proved. Raises FieldError at the first line that does not hold. Amounts that follow from other
    members' figures (congestion, deviation) are proved only by the batch that anchored them.
    """
    last = versions[-1]
    for version in versions:
        for i, order in enumerate(version.orders):
            _check_order(f"{version.path}.orders[{i}]", order, terms)
        for i, transfer in enumerate(version.transfers):
            _check_transfer(f"{version.path}.transfers[{i}]", transfer)
    points = [(f"{v.path}.points[{i}]", point) for v in versions for i, point in enumerate(v.points)]
    latest = {point.metering_point: (path, point) for path, point in points}
    between = False
    for path, point in latest.values():
        between |= _check_energy(path, point, last, readings)
        left_wh = point.residual_import_wh + point.residual_export_wh
        require(terms.island is None or left_wh == 0, path, "leaves energy to a supplier, and an island has none")
    owed = _net(versions)
    for path, point in latest.values():
        orders = [each for v in versions for each in v.orders if each.metering_point == point.metering_point]
        _check_money(path, point, _by_id(orders), owed.pop(point.metering_point, {}), terms)
    for subject, left in owed.items():
        unknown = [f"{kind} {part}" for (kind, part) in left if item_for(kind, part) not in _ANCHORED_ONLY]
        require(not unknown, f"{last.path}.transfers", f"{', '.join(unknown)} of {subject}, where nothing was shared")
    source = "the straight line between signed registers" if between else "signed registers"
    return f"energy from {source}; price, charges and VAT recomputed"


def moves_money_only(versions: Sequence[MemberInterval]) -> bool:
    """Whether nothing was metered or ordered and nothing is due: what is carried from rounding or was paid stands here.

    Such an interval may have no round: the first one of a month takes the rounding of the month before.
    """
    try:
        items = {item_for(transfer.kind, transfer.part) for each in versions for transfer in each.transfers}
    except ValueError:  # no line of a bill is for one of them
        return False
    return not any(each.points or each.orders for each in versions) and items <= _ANCHORED_ONLY


def _by_id(orders: Sequence[OrderOutcome]) -> list[OrderOutcome]:
    return list({each.order_id: each for each in orders}.values())


def _check_order(path: str, order: OrderOutcome, terms: IntervalTerms) -> None:
    price = order.price_micro_per_kwh
    require(order.side in set(Side), f"{path}.side", f"is {order.side!r}")
    require(order.firmness in set(Firmness), f"{path}.firmness", f"is {order.firmness!r}")
    require(order.accepted_wh + order.curtailed_wh <= order.quantity_wh, f"{path}.accepted_wh", "exceeds the quantity")
    require(
        (price is None) == (order.accepted_wh == 0), f"{path}.price_micro_per_kwh", "does not fit what was accepted"
    )
    above_nano = order.amount_nano - order.accepted_wh * (price or 0)
    most_nano = max(0, order.accepted_wh - 1) * terms.above_price_micro_per_kwh
    require(0 <= above_nano <= most_nano, f"{path}.amount_nano", "is not energy times price")
    if price is None:
        return
    limit = order.limit_micro_per_kwh
    if terms.island is not None:
        limit = terms.island.limit_micro_per_kwh(Side(order.side), Firmness(order.firmness), limit)
    better_nano = order.accepted_wh * limit - order.amount_nano
    require(
        (better_nano if order.side == Side.BUY else -better_nano) >= 0,
        f"{path}.price_micro_per_kwh",
        "is beyond the own limit",
    )
    uniform = order.firmness == Firmness.FLEXIBLE or price == terms.clearing_price_micro_per_kwh
    uniform |= not terms.orders_have_one_price
    require(uniform, f"{path}.price_micro_per_kwh", "is not the clearing price")


def _check_transfer(path: str, transfer: OwnTransfer) -> None:
    try:
        item_for(transfer.kind, transfer.part)
    except ValueError as error:
        raise FieldError(f"{path}.part", str(error)) from error
    if transfer.kind in _HAS_ENERGY:
        expected_nano = transfer.energy_wh * transfer.price_micro_per_kwh
        require(abs(transfer.paid_nano) == abs(expected_nano), f"{path}.paid_nano", "is not energy times price")
    else:
        require(transfer.energy_wh == 0, f"{path}.energy_wh", "has no place here")
    if transfer.kind is TransferKind.ENERGY:
        price = transfer.part.partition("@")[2]
        require(price == str(transfer.price_micro_per_kwh), f"{path}.part", "names another price")


def _check_energy(path: str, point: PointEnergy, interval: MemberInterval, readings: ProvedReadings) -> bool:
    """Metered energy is proved and split without loss; returns whether it lies between two readings."""
    end_s = interval.start_s + interval.minutes * 60
    proved = readings.energy(point.metering_point, interval.start_s, end_s)
    require(proved is not None, path, "signed readings do not cover this interval")
    assert proved is not None
    require(point.import_wh == proved.import_wh, f"{path}.import_wh", f"signed readings say {proved.import_wh}")
    require(point.export_wh == proved.export_wh, f"{path}.export_wh", f"signed readings say {proved.export_wh}")
    for total, shared, rest in (
        ("import_wh", "bought_wh", "residual_import_wh"),
        ("export_wh", "sold_wh", "residual_export_wh"),
    ):
        adds_up = getattr(point, shared) + getattr(point, rest) == getattr(point, total)
        require(adds_up, f"{path}.{shared}", f"does not add up with {rest} to {total}")
    return proved.between_readings


def _net(versions: Sequence[MemberInterval]) -> dict[str, dict[tuple[TransferKind, str], int]]:
    """What the member paid in all runs together, by subject, kind and part."""
    owed: dict[str, dict[tuple[TransferKind, str], int]] = defaultdict(lambda: defaultdict(int))
    for version in versions:
        for transfer in version.transfers:
            owed[transfer.subject][transfer.kind, transfer.part] += transfer.paid_nano
    return {subject: dict(parts) for subject, parts in owed.items()}


def _check_money(
    path: str,
    point: PointEnergy,
    orders: Sequence[OrderOutcome],
    owed: Mapping[tuple[TransferKind, str], int],
    terms: IntervalTerms,
) -> None:
    """Every transfer of a point follows from its energy, prices, tariff and VAT class, and none is missing."""
    held_back = [order for order in orders if terms.island is None or order.side == Side.SELL]
    curtailed_wh = sum(order.curtailed_wh for order in held_back)
    require(point.curtailed_wh == curtailed_wh, f"{path}.curtailed_wh", f"the orders say {curtailed_wh}")
    bought_nano = _check_side(path, point, Side.BUY, orders, owed, terms)
    sold_nano = _check_side(path, point, Side.SELL, orders, owed, terms)
    tariff, bought_wh = terms.tariff, point.bought_wh
    charges_nano = bought_wh * tariff.shared_charges_micro_per_kwh
    expected = {
        (TransferKind.PLATFORM_FEE, "buy"): bought_wh * tariff.platform_fee_micro_per_kwh,
        (TransferKind.GRID_FEE, "buy"): bought_wh * tariff.shared_grid_fee_micro_per_kwh,
        (TransferKind.LEVIES, "buy"): bought_wh * tariff.shared_levies_micro_per_kwh,
        (TransferKind.VAT, "buy"): (bought_nano + charges_nano) * terms.vat.buying_permille // 1000,
        (TransferKind.VAT, "sell"): -(sold_nano * terms.vat.selling_permille // 1000),
    }
    for key, expected_nano in expected.items():
        found_nano = owed.get(key, 0)
        require(found_nano == expected_nano, f"{path} {key[0]}", f"{found_nano} nano where {expected_nano} are due")


def _check_side(
    path: str,
    point: PointEnergy,
    side: Side,
    orders: Sequence[OrderOutcome],
    owed: Mapping[tuple[TransferKind, str], int],
    terms: IntervalTerms,
) -> int:
    """Money for the energy shared on one side: >= 0 for positive prices, whoever pays it."""
    name, shared_wh = ("bought_wh", point.bought_wh) if side is Side.BUY else ("sold_wh", point.sold_wh)
    own = [order for order in orders if order.side == side]
    rest = _rest(side, point.metering_point, shared_wh, own, terms)
    paid_wh = total_nano = 0
    for (kind, part), nano in owed.items():
        if kind is not TransferKind.ENERGY or not part.startswith(f"{side}@") or nano == 0:
            continue
        price = int(part.partition("@")[2])
        amount_nano = nano if side is Side.BUY else -nano
        energy_wh = amount_nano // price
        require(energy_wh > 0 and energy_wh * price == amount_nano, f"{path}.{name}", f"{nano} nano at {price}")
        _check_price(f"{path}.{name}", price, energy_wh, own, terms, rest)
        paid_wh += energy_wh
        total_nano += amount_nano
    free = rest[0] == 0 or any(order.price_micro_per_kwh == 0 for order in own)
    complete = paid_wh == shared_wh or (free and paid_wh < shared_wh)
    require(complete, f"{path}.{name}", f"transfers pay for {paid_wh} Wh")
    return total_nano


def _rest(
    side: Side, point: str, shared_wh: int, own: Sequence[OrderOutcome], terms: IntervalTerms
) -> tuple[int | None, int]:
    """Price of energy that is shared without a contract, and how much of it there may be.

    On an island that is what the meter shows beyond all contracts of the point, elsewhere a place in the pool.
    """
    price = terms.clearing_price_micro_per_kwh
    if terms.island is not None:
        beyond_wh = max(0, shared_wh - sum(order.accepted_wh for order in own))
        return terms.island.rest_price_micro_per_kwh(side, point, price), beyond_wh
    pooled = terms.mechanism.pools_leftovers or terms.mechanism.uniform_price
    return price, shared_wh if pooled else 0


def _check_price(
    path: str,
    price: int,
    energy_wh: int,
    own: Sequence[OrderOutcome],
    terms: IntervalTerms,
    rest: tuple[int | None, int],
) -> None:
    rest_price, rest_wh = rest
    own_wh = sum(
        order.accepted_wh
        for order in own
        if order.price_micro_per_kwh is not None
        and 0 <= price - order.price_micro_per_kwh <= terms.above_price_micro_per_kwh
        and (order.firmness == Firmness.FLEXIBLE or not terms.orders_have_one_price)
    )
    most_wh = own_wh + (rest_wh if price == rest_price else 0)
    require(energy_wh <= most_wh, path, f"{energy_wh} Wh at {price}, neither clearing price nor own order")
