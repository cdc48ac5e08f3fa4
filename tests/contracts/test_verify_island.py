"""The statement of a member of an island is proved from device to cent, and a changed word of its terms is found."""

import copy
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import statement_cases
from statement_cases import MEMBERS, ProvenCommunity
from strangers import verdict

from contracts import verify
from contracts.allocation import ClearedInterval
from contracts.corrections import congestion_rebate
from contracts.island import IslandTerms
from contracts.statement import load_statement
from contracts.verify import verify_statement

ISLAND = IslandTerms(lost_load_micro_per_kwh=900_000, balancing_price_micro_per_kwh=300_000, grid_forming_point="ATcem")
PRICES, ROUND_OF = statement_cases.prices, statement_cases.round_of


@pytest.fixture
def island(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The community of the other cases as an island that cem's battery forms, at prices beyond anna's own limit."""
    monkeypatch.setattr(statement_cases, "prices", lambda i: PRICES(i) + 60_000)
    monkeypatch.setattr(statement_cases, "round_of", lambda interval: replace(ROUND_OF(interval), island=ISLAND))
    monkeypatch.setattr(statement_cases, "ClearedInterval", partial(ClearedInterval, island=ISLAND))
    drawn_wh = {"ATanna": 7, "ATben": 2, "ATcem": 3}
    monkeypatch.setattr(statement_cases, "congestion_rebate", partial(congestion_rebate, drawn_wh=drawn_wh))
    community = ProvenCommunity(tmp_path)
    yield community
    community.close()


def _broken(document: dict[str, object], community: ProvenCommunity) -> list[str]:
    proofs = verify_statement(document, community.rpc, checkpoint=community.checkpoint())
    assert proofs
    return [proof.line for proof in proofs if not proof.holds]


def test_statements_of_an_island_hold_and_altered_ones_do_not(island: ProvenCommunity) -> None:
    for member in MEMBERS:
        document = load_statement(json.dumps(island.statement(member)))
        assert _broken(document, island) == []
        assert verdict(document, island.rpc) == ""
        items = {line["item"]: line["amount_nano"] for line in document["bill"]["lines"]}
        assert items["losses"] != 0
        assert items["congestion_rebate"] == 0
        for words in ({"balancing_price_micro_per_kwh": 1}, {"grid_forming_point": "ATben"}, None):
            altered = copy.deepcopy(document)
            for batch in altered["batches"]:
                for each in batch["rounds"]:
                    each["island"].update(words) if words else each.pop("island")
            assert _broken(altered, island)
            assert verdict(altered, island.rpc)


def test_energy_beyond_contracts_has_no_other_price_than_the_stated_one(
    island: ProvenCommunity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checks of an interval themselves, beside the hashes that protect them."""
    document = load_statement(json.dumps(island.statement("anna")))
    cheaper, terms = replace(ISLAND, balancing_price_micro_per_kwh=299_900), verify._terms
    monkeypatch.setattr(
        verify, "_terms", lambda *read: {s: replace(each, island=cheaper) for s, each in terms(*read).items()}
    )
    assert any("batches[0].intervals" in line for line in _broken(document, island))
