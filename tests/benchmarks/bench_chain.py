"""What settling on chain costs and takes: gas a trade beside the usual ways, 10 000 trades to a batch, a year again."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import contract_tests
from anvil_node import AnvilNode
from chain_community import MEMBERS, OPERATOR, deploy, open_chain, open_community, open_outbox, random_batch
from settlement_cases import NOON, PRICE, TARIFF, point
from statement_cases import round_of
from web3 import Web3

from contracts.allocation import ClearedInterval, PointTerms
from contracts.batches import BatchContents, TradedOrder, prepare_batch
from contracts.chain import connect
from contracts.embedded import EmbeddedChain
from contracts.evidence import NO_EVIDENCE
from contracts.ledger import SettlementLedger
from contracts.settlement import settle_interval
from matching.orders import Firmness, Order, Side, Trade
from meters.interval import IntervalEnergy
from meters.signing import keccak

SIZES = ((100, 50), (1_000, 200), (10_000, 1_000))
TRANSFERS_SAMPLED = 100  # each costs the same to a few gas
LOOP_CHUNK = 500  # trades a transaction: more do not fit into a block
INTERVALS, HOMES = 10, 1_000
YEAR_DAYS, YEAR_MEMBERS = 365, 120


def trade_by_trade() -> tuple[list[dict[str, Any]], str]:
    """ABI and code of the token, compiled as the ledger is."""
    compiler, source = (
        contract_tests.ROOT / "contracts" / "compile",
        Path(__file__).parent / "contracts" / "TradeByTrade.sol",
    )
    settings = {
        "evmVersion": "cancun", "viaIR": True, "optimizer": {"enabled": True, "runs": 1_000_000},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
    }  # fmt: skip
    request = {"language": "Solidity", "sources": {"T.sol": {"content": source.read_text()}}, "settings": settings}
    finished = subprocess.run(
        [str(compiler / "solc"), "--standard-json"],
        cwd=compiler / "node_modules",
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    contract = json.loads(finished.stdout)["contracts"]["T.sol"]["TradeByTrade"]
    return contract["abi"], contract["evm"]["bytecode"]["object"]


def mined(chain: EmbeddedChain, w3: Web3, to: str | None, data: str) -> Any:
    fields = {
        "type": 2, "chainId": w3.eth.chain_id, "nonce": w3.eth.get_transaction_count(OPERATOR.address),
        "gas": 30_000_000, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "value": 0, "data": data,
    }  # fmt: skip
    raw = OPERATOR.sign_transaction(fields if to is None else {**fields, "to": to}).raw_transaction
    receipt = w3.eth.get_transaction_receipt(chain.submit(bytes(raw)))
    assert receipt["status"] == 1
    return receipt


def gas_elsewhere(folder: Path, trades: int, homes: int) -> tuple[float, float]:
    """Gas a trade of `transferFrom` in a transaction each, and of a loop inside the token."""
    abi, code = trade_by_trade()
    chain = open_chain(folder)
    w3 = connect(chain)
    draw = random.Random(trades)  # noqa: S311 (test data)
    members = [Web3.to_checksum_address(keccak(f"home {number}".encode())[:20]) for number in range(homes)]
    deployment = w3.eth.contract(abi=abi, bytecode=code).constructor()
    address = mined(chain, w3, None, deployment.data_in_transaction)["contractAddress"]
    token = w3.eth.contract(address=address, abi=abi)
    for first in range(0, homes, 200):
        mined(chain, w3, address, token.encode_abi("join", args=[members[first : first + 200]]))
    pairs = [draw.sample(members, 2) for _ in range(trades)]
    single = [
        mined(chain, w3, token.address, token.encode_abi("transferFrom", args=[*pair, 10**15 + number]))["gasUsed"]
        for number, pair in enumerate(pairs[:TRANSFERS_SAMPLED])
    ]
    looped = 0
    for first in range(0, trades, LOOP_CHUNK):
        chunk = pairs[first : first + LOOP_CHUNK]
        amounts = [10**12 + draw.randrange(10**12) for _ in chunk]
        arguments = [[one for one, _ in chunk], [other for _, other in chunk], amounts]
        looped += mined(chain, w3, token.address, token.encode_abi("settle", args=arguments))["gasUsed"]
    chain.close()
    return sum(single) / len(single), looped / trades


def gas_here(folder: Path, trades: int, homes: int) -> float:
    """Gas a trade of one batch of the complete ledger, after a first one has paid for the fee accounts' storage."""
    chain = open_chain(folder)
    outbox = open_outbox(folder, connect(chain))
    ledger = deploy(outbox, homes)
    ledger.settle(random_batch(1, members=homes))
    used = ledger.settle(random_batch(2, members=homes))["gasUsed"]
    outbox.close()
    chain.close()
    return used / trades


def gas_table(folder: Path) -> dict[str, float]:
    measures: dict[str, float] = {}
    sys.stdout.write(f"{'trades':>7} {'homes':>6} {'transferFrom':>13} {'loop':>8} {'ledger':>8}\n")
    for trades, homes in SIZES:
        place = folder / f"{trades}"
        (place / "elsewhere").mkdir(parents=True)
        (place / "here").mkdir()
        single, loop = gas_elsewhere(place / "elsewhere", trades, homes)
        here = gas_here(place / "here", trades, homes)
        sys.stdout.write(f"{trades:>7} {homes:>6} {single:>13.0f} {loop:>8.0f} {here:>8.1f}\n")
        measures[f"gas a trade, {trades} trades of {homes} homes"] = round(here, 1)
        measures[f"transferFrom over ledger, {trades} trades"] = round(single / here)
        measures[f"loop over ledger, {trades} trades"] = round(loop / here)
    return measures


def market(homes: Sequence[str], slot: int) -> tuple[ClearedInterval, list[IntervalEnergy]]:
    """An interval in which every home has one order, wholly traded, and metered something near it."""
    draw = random.Random(slot)  # noqa: S311 (test data)
    interval = NOON.shifted(slot)
    orders, trades, energies = [], [], []
    for number, name in enumerate(homes):
        side = Side.BUY if number % 2 else Side.SELL
        quantity_wh, metered_wh = 500, draw.randint(400, 600)
        order = Order(
            order_id=f"{name}-{slot}", participant=name, metering_point=f"M-{name}", side=side,
            quantity_wh=quantity_wh, limit_micro_per_kwh=PRICE, firmness=Firmness.FIRM,
        )  # fmt: skip
        orders.append(order)
        trades.append(
            Trade(
                order_id=order.order_id, accepted_wh=quantity_wh, curtailed_wh=0, price_micro_per_kwh=PRICE,
                amount_nano=quantity_wh * PRICE,
            )
        )  # fmt: skip
        imported = metered_wh if side is Side.BUY else 0
        energies.append(
            IntervalEnergy(
                metering_point=f"M-{name}", interval=interval, import_wh=imported, export_wh=metered_wh - imported
            )
        )
    return ClearedInterval(
        interval=interval, orders=orders, trades=trades, clearing_price_micro_per_kwh=PRICE
    ), energies


def settle_ten_thousand(ledger: SettlementLedger, sequence: int) -> tuple[float, float, float]:
    """Seconds for transfers from energy, for the batch with its trees, and until it is mined."""
    homes = [f"home{number}" for number in range(HOMES)]
    points: list[PointTerms] = [point(name) for name in homes]
    slots = [market(homes, INTERVALS * sequence + slot) for slot in range(INTERVALS)]
    started = time.perf_counter()
    settled = [
        settle_interval(cleared, energies, points, tariff=TARIFF, run="D1", tie_seed="seed")
        for cleared, energies in slots
    ]
    after_transfers = time.perf_counter()
    contents = BatchContents(
        transfers=[each for one in settled for each in one.transfers],
        allocations=[each for one in settled for each in one.allocations],
        orders=[
            TradedOrder(interval=cleared.interval, order=order, trade=trade)
            for cleared, _ in slots
            for order, trade in zip(cleared.orders, cleared.trades, strict=True)
        ],
        rounds=[round_of(cleared.interval) for cleared, _ in slots],
        heads=[],
    )
    batch = prepare_batch(
        contents,
        sequence=sequence,
        first_start_s=NOON.start_s,
        end_s=NOON.start_s + 86_400,
        lanes={name: lane for lane, name in enumerate(homes)},
        salts={name: keccak(name.encode()) for name in homes},
        previous_evidence_hash=NO_EVIDENCE,
    )
    after_batch = time.perf_counter()
    ledger.settle(batch.ledger_batch())
    return after_transfers - started, after_batch - after_transfers, time.perf_counter() - after_batch


def ten_thousand_trades(folder: Path) -> dict[str, float]:
    """On the embedded chain and, turn by turn beside it, on anvil, which is asked over HTTP as any served chain is."""
    chain, node = open_chain(folder), AnvilNode(folder)
    places = {"embedded": folder / "embedded", "anvil": folder / "anvil"}
    for place in places.values():
        place.mkdir()
    outboxes = {
        "embedded": open_outbox(places["embedded"], connect(chain)),
        "anvil": open_outbox(places["anvil"], node.start()),
    }
    ledgers = {name: deploy(outbox, HOMES) for name, outbox in outboxes.items()}
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in ledgers}
    for sequence in (1, 2, 3, 4):
        for name, ledger in ledgers.items():
            runs[name].append(settle_ten_thousand(ledger, sequence))
    for outbox in outboxes.values():
        outbox.close()
    node.stop()
    chain.close()
    best = {name: min(each, key=sum) for name, each in runs.items()}
    parts = dict(zip(("transfers", "batch and its trees", "mined"), best["embedded"], strict=True))
    return (
        {"10 000 trades to a mined batch, s": round(sum(best["embedded"]), 2)}
        | {f"  of that {name}, s": round(seconds, 2) for name, seconds in parts.items()}
        | {"  mined by anvil over HTTP instead, s": round(best["anvil"][2], 2)}
    )


def a_year(folder: Path) -> dict[str, float]:
    chain, outbox, ledger = open_community(folder)
    ledger.register_members(MEMBERS, [None] * (YEAR_MEMBERS - MEMBERS))
    for sequence in range(1, YEAR_DAYS + 1):
        ledger.settle(random_batch(sequence, members=YEAR_MEMBERS))
    outbox.close()
    chain.close()
    wall, work = time.perf_counter(), time.process_time()
    chain = open_chain(folder)
    measures = {
        "a year of daily batches reopened, s": round(time.perf_counter() - wall, 2),
        "  of that this process worked, s": round(time.process_time() - work, 2),
        "its file, kB": round((folder / chain.path.name).stat().st_size / 1000),
    }
    chain.close()
    return measures


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measures = gas_table(folder)
        for part, measure in (("trades", ten_thousand_trades), ("year", a_year)):
            (folder / part).mkdir()
            measures |= measure(folder / part)
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
