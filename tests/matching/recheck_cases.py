"""A clearing as its files would say it, without files."""

import json

import numpy as np

from grid.limits import FloatArray
from matching.clearing import Clearing
from matching.recheck.checks import Verdict, recheck
from matching.recheck.claims import claims_of
from matching.recheck.network import on_network, recheck_on_network
from matching.recheck.power_flow import RecordedNetwork
from matching.recheck.published import Parts, Published, Trades, published

SOMEWHERE = {
    "source": "a test",
    "file": None,
    "digest": "",
    "v_min_pu": 0.9,
    "v_max_pu": 1.1,
    "max_loading_percent": 100.0,
}


def as_published(clearing: Clearing, *, network: dict[str, object] | None = None) -> Published:
    """The result as somebody who has only its files knows it: through JSON and back."""
    inputs = {"network": network, "baseline_sha256": None}
    document = json.loads(json.dumps({**clearing.document(), "inputs": inputs}))
    traded = clearing.accepted_wh > 0
    trades = Trades(
        order_ids=clearing.book.order_ids,
        accepted_wh=clearing.accepted_wh,
        curtailed_wh=clearing.curtailed_wh,
        price_micro_per_kwh=np.where(traded, clearing.price_micro_per_kwh, 0),
        has_price=traded,
        amount_nano=clearing.amount_nano,
    )
    return published(clearing.book, trades, claims_of(document), _parts(clearing))


def _parts(clearing: Clearing) -> Parts | None:
    """What sources.csv would say."""
    if clearing.attributes is None:
        return None
    rows = [*clearing.attributes.rows([order_id.decode() for order_id in clearing.book.order_ids.tolist()])]
    figures = np.array([row[3:] for row in rows], dtype=np.int64).reshape(-1, 6).T
    return Parts(
        order_ids=tuple(str(row[0]) for row in rows),
        is_sell=np.array([row[1] == "sell" for row in rows], dtype=np.bool_),
        counter_class=tuple(str(row[2]) for row in rows),
        **dict(zip(("wh", "price", "fee", "premium", "amount_nano", "fee_nano"), figures, strict=True)),
    )


def failures(verdicts: tuple[Verdict, ...]) -> dict[str, tuple[str, ...]]:
    """What does not hold, by the name of the check."""
    return {verdict.name: verdict.wrong for verdict in verdicts if verdict.wrong}


def wrong_with(clearing: Clearing, *, network: dict[str, object] | None = None) -> dict[str, tuple[str, ...]]:
    """What the checks find wrong with a clearing."""
    return failures(recheck(as_published(clearing, network=network)))


def wrong_on_network(
    clearing: Clearing, network: dict[str, object], recorded: RecordedNetwork, *, baseline_w: FloatArray
) -> dict[str, tuple[str, ...]]:
    """What the checks find wrong with a clearing, those with a power flow included."""
    result = as_published(clearing, network={**network, "digest": recorded.digest})
    assert result.claims.network is not None
    nothing = np.zeros(baseline_w.size)
    on = on_network(result, result.claims.network, recorded, baseline_w=baseline_w, baseline_var=nothing)
    return failures((*recheck(result), *recheck_on_network(on)))
