"""Whatever the book, the prices and the meters: what was settled by the rules verifies, for every member."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from chain_community import open_community
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from settlement_cases import NOON, TARIFF, settle
from settlement_worlds import World, worlds
from signed_meters import GATEWAY_KEY
from strangers import verdict

from contracts.batches import BatchContents, PreparedBatch, TradedOrder, prepare_batch
from contracts.evidence import NO_EVIDENCE, DeviceHead, RoundEvidence
from contracts.ledger import CONTRACT, SettlementLedger
from contracts.published import artifact
from contracts.rpc import read_only_dispatch
from contracts.rpc_client import dispatched_rpc
from contracts.settlement import IntervalSettlement
from contracts.statement import (
    ChainIdentity,
    Checkpoint,
    SettledEntry,
    StatementInputs,
    build_statement,
    load_statement,
    member_entry,
)
from contracts.statement_form import Month
from contracts.verify import verify_statement
from meters.interval import IntervalEnergy
from meters.signing import GENESIS_HASH, ReadingBatch, RegisterReading, SigningDomain, address_of, sign_batch

MONTH = Month.of("2016-06", "UTC")


@dataclass
class Anchoring:
    """A ledger that takes one interval after the other as batches of their own."""

    ledger: SettlementLedger
    chain: object
    evidence: list[bytes] = field(default_factory=lambda: [NO_EVIDENCE])

    @property
    def domain(self) -> SigningDomain:
        return SigningDomain(chain_id=self.chain.chain_id, verifying_contract=self.ledger.address)

    def sign(self, energy: IntervalEnergy) -> ReadingBatch:
        device, start_s = f"D-{energy.metering_point}", energy.interval.start_s
        rows = [(0, start_s, 0, 0, 0), (1, start_s, 900, energy.import_wh * 1000, energy.export_wh * 1000 + 999)]
        readings = tuple(
            RegisterReading(
                device=device, epoch=0, seq=seq, start_s=at, duration_s=length, import_mwh=imported, export_mwh=exported
            )
            for seq, at, length, imported, exported in rows
        )
        return sign_batch(GATEWAY_KEY, self.domain, readings, GENESIS_HASH)

    def anchor(self, world: World, settled: IntervalSettlement, signed: dict[str, ReadingBatch]) -> PreparedBatch:
        members = [terms.participant for terms in world.points]
        trades = {trade.order_id: trade for trade in world.cleared.trades}
        batch = prepare_batch(
            BatchContents(
                transfers=settled.transfers,
                allocations=settled.allocations,
                orders=[
                    TradedOrder(interval=NOON, order=order, trade=trades[order.order_id])
                    for order in world.cleared.orders
                ],
                rounds=[
                    RoundEvidence(
                        interval=NOON,
                        clearing_price_micro_per_kwh=world.cleared.clearing_price_micro_per_kwh,
                        clearing_digest="",
                        tariff_digest=TARIFF.digest(),
                    )
                ],
                heads=[
                    DeviceHead(
                        device=batch.device,
                        metering_point=f"M-{name}",
                        participant=name,
                        epoch=0,
                        seq=1,
                        head=batch.head,
                        signer=address_of(GATEWAY_KEY),
                    )
                    for name, batch in signed.items()
                ],
            ),
            sequence=len(self.evidence),
            first_start_s=NOON.start_s,
            end_s=NOON.start_s + 900,
            lanes={name: int(name[1:]) for name in members},
            salts={name: keccak(text=name) for name in members},
            previous_evidence_hash=self.evidence[-1],
            shorter_than_a_day=True,
        )
        self.evidence.append(batch.evidence_hash)
        return batch


@pytest.fixture(scope="module")
def anchoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anchoring]:
    chain, outbox, ledger = open_community(tmp_path_factory.mktemp("anchoring"))
    yield Anchoring(ledger=ledger, chain=chain)
    outbox.close()
    chain.close()


@given(world=worlds())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_settlement_verifies_for_every_member(anchoring: Anchoring, world: World) -> None:
    settled = settle(world.cleared, world.energies, world.points)
    signed = {energy.metering_point.removeprefix("M-"): anchoring.sign(energy) for energy in world.energies}
    batch = anchoring.anchor(world, settled, signed)
    block = anchoring.ledger.settle(batch.ledger_batch())["blockNumber"]
    ask = dispatched_rpc(lambda request: read_only_dispatch(anchoring.chain, request))
    head = anchoring.chain.evm.head
    for terms in world.points[:3]:
        inputs = StatementInputs(
            participant=terms.participant,
            month=MONTH,
            chain=ChainIdentity(
                chain_id=anchoring.chain.chain_id,
                ledger=anchoring.ledger.address,
                ledger_code_hash=bytes.fromhex(artifact(CONTRACT)["runtime_hash"][2:]),
                genesis_hash=bytes.fromhex(str(ask("eth_getBlockByNumber", ["0x0", False])["hash"])[2:]),
            ),
            checkpoint=Checkpoint(block_number=head.block_number, block_hash=head.hash),
            tariffs=(TARIFF,),
            batches=(
                SettledEntry(
                    entry=member_entry(batch, terms.participant, vat_class_at=lambda _, known=terms.vat_class: known),
                    block_number=block,
                ),
            ),
            readings=(signed[terms.participant],) if terms.participant in signed else (),
        )
        document = load_statement(json.dumps(build_statement(inputs)))
        assert [proof for proof in verify_statement(document, ask) if not proof.holds] == []
        assert verdict(document, ask) == "", "the script for strangers"
