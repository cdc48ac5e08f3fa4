"""A statement of a community with another mechanism is proved like any other, and a changed figure is found."""

import copy
import json
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import statement_cases
from signed_meters import COUNT
from statement_cases import MEMBERS, ProvenCommunity
from strangers import verdict

from contracts.allocation import ClearedInterval
from contracts.statement import load_statement
from contracts.verify import verify_statement
from matching.book import OrderBook
from matching.clearing import Clearing, MarketRules, clear
from matching.orders import Order, Trade

ORDERS_OF, ROUND_OF = statement_cases.orders_of, statement_cases.round_of


def _smaller(order: Order) -> Order:
    """The plant offers so little that its buyer needs both sellers, and an average price is no whole number."""
    return replace(order, quantity_wh=333) if order.participant == "ben" else order


@pytest.mark.parametrize("mechanism", ["pay_as_bid", "mcafee", "mid_market_rate", "static_key"])
def test_a_statement_holds_whatever_the_mechanism(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = [[_smaller(order) for order, _ in ORDERS_OF(i)] for i in range(COUNT)]

    @cache
    def decided(i: int) -> Clearing:
        rules = MarketRules(
            tie_seed="seed",
            mechanism=mechanism,
            supplier_price_micro_per_kwh=180_000,
            feed_in_price_micro_per_kwh=60_000,
        )
        return clear(OrderBook.from_orders(books[i]), interval_minutes=15, rules=rules)

    def orders_of(i: int) -> list[tuple[Order, Trade]]:
        return list(zip(books[i], decided(i).trades(), strict=True))

    monkeypatch.setattr(statement_cases, "orders_of", orders_of)
    monkeypatch.setattr(statement_cases, "prices", lambda i: decided(i).clearing_price_micro_per_kwh)
    monkeypatch.setattr(statement_cases, "round_of", lambda interval: replace(ROUND_OF(interval), mechanism=mechanism))
    monkeypatch.setattr(statement_cases, "ClearedInterval", partial(ClearedInterval, mechanism=mechanism))
    community = ProvenCommunity(tmp_path)
    try:
        documents = [load_statement(json.dumps(community.statement(member))) for member in MEMBERS]
        for document in documents:
            proofs = verify_statement(document, community.rpc, checkpoint=community.checkpoint())
            assert [proof.line for proof in proofs if not proof.holds] == []
            assert verdict(document, community.rpc) == ""
        claimed = copy.deepcopy(documents[0])
        claimed["batches"][0]["rounds"][0]["mechanism"] = "k_double_auction"
        proofs = verify_statement(claimed, community.rpc, checkpoint=community.checkpoint())
        assert not all(proof.holds for proof in proofs)
        assert verdict(claimed, community.rpc)
    finally:
        community.close()
