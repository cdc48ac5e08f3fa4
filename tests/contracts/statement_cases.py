"""A small community whose two batches are on an embedded chain, and the statements of its members.

Three homes behind one gateway in June 2016: anna buys, ben has solar that is curtailed once, cem has a battery that is
sold at a locational price and once delivers less. One reading of anna's is missing and lies on the line between its
neighbours, ben's meter is replaced, cem's gateway gets another key within the first batch, the tariff changes, and
the second batch corrects an interval of the first and takes back what an invoice rounded.
"""

import json
from pathlib import Path

from chain_community import open_chain, open_outbox
from eth_utils.crypto import keccak
from signed_meters import COUNT, FIRST, Meter

from contracts.allocation import ClearedInterval, PointTerms
from contracts.batches import BatchContents, PreparedBatch, TradedOrder, prepare_batch
from contracts.corrections import congestion_rebate, difference_transfers
from contracts.embedded import EmbeddedChain
from contracts.evidence import NO_EVIDENCE, RoundEvidence
from contracts.ledger import SettlementLedger
from contracts.outbox import Outbox
from contracts.rpc import read_only_dispatch
from contracts.settlement import IntervalSettlement, settle_interval
from contracts.statement import (
    ChainIdentity,
    Checkpoint,
    SettledEntry,
    StatementInputs,
    build_statement,
    member_entry,
)
from contracts.statement_form import Month
from contracts.tariff import Tariff
from contracts.transfers import (
    CONGESTION,
    ROUNDING,
    Postings,
    Transfer,
    TransferKind,
    member_account,
    net_positions,
)
from contracts.verify import ChainAnswerError, Rpc
from matching.orders import Firmness, Order, Side, Trade
from meters.interval import DeliveryInterval, IntervalEnergy
from meters.signing import SigningDomain

MEMBERS = ("anna", "ben", "cem")
LANES = {"anna": 0, "ben": 6, "cem": 12}
BATCH_INTERVALS = 5
CARRIED_NANO = 2_345_678
OLD = Tariff(version="2016-1")
NEW = Tariff(version="2016-2", grid_fee_micro_per_kwh=80_001, levies_locality_discount_percent=30)
MONTH = Month.of("2016-06", "Europe/Vienna")

# What each meter counts per interval in mWh: (import, export).
FLOWS = {
    "anna": [(812_345, 0), (923_456, 0), (701_111, 0), (702_222, 0), (650_999, 0), (400_400, 0), (390_001, 0)] * 2,
    "ben": [(0, 900_777), (0, 1_200_333), (0, 1_000_001), (12_500, 600_600), (0, 500_500), (30_030, 200_200)] * 2,
    "cem": [(50_050, 250_250), (60_060, 0), (0, 300_300), (70_070, 120_120), (80_080, 0)] * 2,
}


def prices(i: int) -> int:
    return 110_000 + 1_300 * i


def orders_of(i: int) -> list[tuple[Order, Trade]]:
    """The book of interval i with its outcome."""
    rows = [
        ("anna", Side.BUY, Firmness.FIRM, 800, 150_000, 700 + 10 * i, 0, prices(i)),
        ("ben", Side.SELL, Firmness.CURTAILABLE, 1_500, 70_000, 450 + 10 * i, 400 if i == 2 else 0, prices(i)),
        ("cem", Side.SELL, Firmness.FLEXIBLE, 250, 90_000, 250, 0, prices(i) + 5_000),
        ("cem", Side.BUY, Firmness.FIRM, 40, 60_000, 0, 0, None),
    ]
    pairs = []
    for k, (name, side, firmness, quantity, limit, accepted, curtailed, price) in enumerate(rows):
        order = Order(
            order_id=f"{i}-{k}",
            participant=name,
            metering_point=f"AT{name}",
            side=side,
            quantity_wh=quantity,
            limit_micro_per_kwh=limit,
            firmness=firmness,
        )
        trade = Trade(
            order_id=order.order_id,
            accepted_wh=accepted,
            curtailed_wh=curtailed,
            price_micro_per_kwh=price,
            amount_nano=accepted * (price or 0),
        )
        pairs.append((order, trade))
    return pairs


class ProvenCommunity:
    """The community, its batches on the chain, and a way to ask for statements."""

    def __init__(self, directory: Path) -> None:
        self.chain: EmbeddedChain = open_chain(directory)
        from contracts.chain import connect

        self.outbox: Outbox = open_outbox(directory, connect(self.chain))
        self.ledger = SettlementLedger.deploy(self.outbox, currency="EUR")
        self.ledger.register_members(0, [None] * 15)
        self.domain = SigningDomain(chain_id=self.chain.chain_id, verifying_contract=self.ledger.address)
        self.meters = {name: Meter(device=f"D-{name}", participant=name) for name in MEMBERS}
        for name, meter in self.meters.items():
            meter.record(self.domain, FLOWS[name])
        self.batches: list[PreparedBatch] = []
        self.blocks: list[int] = []
        self.settlements: list[IntervalSettlement] = []
        self._settle()

    def close(self) -> None:
        self.outbox.close()
        self.chain.close()

    def _settle(self) -> None:
        energies = {name: meter.energies() for name, meter in self.meters.items()}
        late = FIRST.shifted(1).start_s
        for i in range(COUNT):
            start_s = FIRST.shifted(i).start_s
            known = [by_start[start_s] for name, by_start in energies.items() if (name, start_s) != ("cem", late)]
            self.settlements.append(self._settled(i, known, "D1"))
        corrected = self._settled(1, [by_start[late] for by_start in energies.values()], "SF")
        first, second = self.settlements[:BATCH_INTERVALS], self.settlements[BATCH_INTERVALS:]
        self._anchor(first, [])
        differences = difference_transfers(self.settlements[1].transfers, corrected.transfers, "SF")
        self.settlements[1] = corrected
        self._anchor(second, [*differences, *carried()], corrected)

    def _settled(self, i: int, energies: list[IntervalEnergy], run: str) -> IntervalSettlement:
        pairs = orders_of(i)
        cleared = ClearedInterval(
            interval=FIRST.shifted(i),
            orders=[order for order, _ in pairs],
            trades=[trade for _, trade in pairs],
            clearing_price_micro_per_kwh=prices(i),
        )
        return settle_interval(cleared, energies, terms(), tariff=tariff_of(i), run=run, tie_seed="seed")

    def _anchor(
        self, settled: list[IntervalSettlement], extra: list, corrected: IntervalSettlement | None = None
    ) -> None:
        last = settled[-1].interval
        transfers = [transfer for each in settled for transfer in each.transfers]
        transfers += congestion_rebate(
            net_positions([*transfers, *extra]).get(CONGESTION, 0), terms(), interval=last, run="D1", tie_seed="seed"
        )
        results = settled if corrected is None else [*settled, corrected]
        numbers = [(each.interval.start_s - FIRST.start_s) // 900 for each in results]
        batch = prepare_batch(
            BatchContents(
                transfers=[*transfers, *extra],
                allocations=[allocation for each in results for allocation in each.allocations],
                orders=[
                    TradedOrder(interval=FIRST.shifted(i), order=order, trade=trade)
                    for i in numbers
                    for order, trade in orders_of(i)
                ],
                rounds=[round_of(each.interval) for each in settled],
                heads=[head for meter in self.meters.values() for head in meter.anchored(last.start_s + 900)],
            ),
            sequence=len(self.batches) + 1,
            first_start_s=settled[0].interval.start_s,
            end_s=last.start_s + 900,
            lanes=LANES,
            salts={name: keccak(text=f"{name} {len(self.batches)}") for name in MEMBERS},
            previous_evidence_hash=self.batches[-1].evidence_hash if self.batches else NO_EVIDENCE,
            shorter_than_a_day=True,
        )
        self.batches.append(batch)
        self.blocks.append(self.ledger.settle(batch.ledger_batch())["blockNumber"])

    def rpc(self, method: str, params: list[object]) -> object:
        """JSON-RPC as another process would get it, reading only."""
        answer = read_only_dispatch(self.chain, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        if "error" in answer:
            raise ChainAnswerError(answer["error"]["message"])
        return answer["result"]

    def checkpoint(self) -> Checkpoint:
        head = self.chain.evm.head
        return Checkpoint(block_number=head.block_number, block_hash=head.hash)

    def inputs(self, participant: str) -> StatementInputs:
        genesis = bytes.fromhex(str(self.rpc("eth_getBlockByNumber", ["0x0", False])["hash"])[2:])
        code = bytes.fromhex(str(self.rpc("eth_getCode", [self.ledger.address, "latest"]))[2:])
        return StatementInputs(
            participant=participant,
            month=MONTH,
            chain=ChainIdentity(
                chain_id=self.chain.chain_id,
                ledger=self.ledger.address,
                ledger_code_hash=keccak(code),
                genesis_hash=genesis,
            ),
            checkpoint=self.checkpoint(),
            tariffs=(OLD, NEW),
            batches=tuple(
                SettledEntry(
                    entry=member_entry(batch, participant, vat_class_at=lambda _: vat_class(participant)),
                    block_number=block,
                )
                for batch, block in zip(self.batches, self.blocks, strict=True)
            ),
            readings=tuple(self.meters[participant].batches),
        )

    def statement(self, participant: str) -> dict[str, object]:
        return build_statement(self.inputs(participant))


def carried() -> list[Transfer]:
    """Rounding of an invoice, taken back in an interval for which there was no round."""
    book = Postings(FIRST.shifted(-4), "SF")
    for name in MEMBERS:
        account = member_account(name)
        book.post(TransferKind.ROUNDING, account, "opening", debit=account, credit=ROUNDING, amount_nano=CARRIED_NANO)
    return list(book.transfers)


def answering_once(rpc: Rpc) -> Rpc:
    """A chain that is asked each question once, however often it is put."""
    answers: dict[str, object] = {}

    def ask(method: str, params: list[object]) -> object:
        key = json.dumps([method, params])
        if key not in answers:
            try:
                answers[key] = rpc(method, params)
            except ChainAnswerError as error:
                answers[key] = error
        answer = answers[key]
        if isinstance(answer, ChainAnswerError):
            raise answer
        return answer

    return ask


def vat_class(participant: str) -> str:
    return "business" if participant == "cem" else "private"


def tariff_of(i: int) -> Tariff:
    return OLD if i < BATCH_INTERVALS + 2 else NEW


def round_of(interval: DeliveryInterval) -> RoundEvidence:
    i = (interval.start_s - FIRST.start_s) // 900
    return RoundEvidence(
        interval=interval,
        clearing_price_micro_per_kwh=prices(i),
        clearing_digest=keccak(text=f"clearing {i}").hex(),
        tariff_digest=tariff_of(i).digest(),
    )


def terms() -> list[PointTerms]:
    return [
        PointTerms(
            metering_point=f"AT{name}",
            participant=name,
            supplier_price_micro_per_kwh=180_000,
            feed_in_price_micro_per_kwh=60_000,
            vat_class=vat_class(name),
            buy_at_most_micro_per_kwh=150_000,
            sell_at_least_micro_per_kwh=70_000,
        )
        for name in MEMBERS
    ]
