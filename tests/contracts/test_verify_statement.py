"""A statement holds as it was written, and no figure of it can be altered, added or taken away."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import statement_cases
from signed_meters import FIRST
from statement_cases import CARRIED_NANO, MEMBERS, MONTH, ProvenCommunity, answering_once
from statement_places import Place, altered, every, integers, octets

from contracts.bills import community_bill
from contracts.statement import Checkpoint, UnreadableStatementError, load_statement, member_entry
from contracts.tariff import TariffSchedule
from contracts.verify import LineProof, Rpc, verify_statement


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProvenCommunity]:
    community = ProvenCommunity(tmp_path_factory.mktemp("proven"))
    yield community
    community.close()


@pytest.fixture(scope="module")
def rpc(proven: ProvenCommunity) -> Rpc:
    return answering_once(proven.rpc)


@pytest.fixture(scope="module")
def documents(proven: ProvenCommunity) -> dict[str, dict]:
    return {member: load_statement(json.dumps(proven.statement(member))) for member in MEMBERS}


def broken(proofs: tuple[LineProof, ...]) -> list[str]:
    return [proof.line for proof in proofs if not proof.holds]


@pytest.mark.parametrize("member", MEMBERS)
def test_a_statement_holds_as_it_was_written(proven, documents, rpc, member: str) -> None:
    proofs = verify_statement(documents[member], rpc, checkpoint=proven.checkpoint())
    assert broken(proofs) == []
    assert any(proof.line == "bill.total_cents" for proof in proofs)
    assert sum("energy from" in proof.detail for proof in proofs) == 10


@pytest.mark.parametrize("member", MEMBERS)
def test_its_bill_is_the_bill_of_the_transfers(proven, documents, member: str) -> None:
    settlements = proven.settlements
    transfers = [each for settled in settlements for each in settled.transfers]
    allocations = [each for settled in settlements for each in settled.allocations]
    from statement_cases import NEW, OLD, tariff_of

    changed_s = next(FIRST.shifted(i).start_s for i in range(10) if tariff_of(i) is NEW)
    bill = community_bill(member, transfers, allocations, TariffSchedule(versions=((0, OLD), (changed_s, NEW))))
    lines = {line["item"]: line["amount_nano"] for line in documents[member]["bill"]["lines"]}
    for line in bill.lines:
        if line.item == "carried_from_rounding":
            assert lines[line.item.value] == CARRIED_NANO
        elif line.item != "congestion_rebate":
            assert lines[line.item.value] == line.amount_nano, line.item


@pytest.mark.parametrize("member", MEMBERS)
def test_no_integer_can_be_altered(documents, rpc, member: str) -> None:
    document = documents[member]
    places = list(integers(document))
    assert len(places) > 400
    unnoticed = [
        place.name for place in places if not broken(verify_statement(altered(document, place, place.value + 1), rpc))
    ]
    assert unnoticed == []


@pytest.mark.parametrize("member", MEMBERS)
def test_no_hash_or_signature_can_be_altered(documents, rpc, member: str) -> None:
    document = documents[member]
    places = list(octets(document))
    assert {"signature", "salt", "leaf_hash", "head", "trades_root"} <= {place.key for place in places}
    unnoticed = []
    for place in places:
        middle = len(place.value) // 2
        digit = "0" if place.value[middle] != "0" else "1"
        other = place.value[:middle] + digit + place.value[middle + 1 :]
        if not broken(verify_statement(altered(document, place, other), rpc)):
            unnoticed.append(place.name)
    assert unnoticed == []


def test_no_figure_can_be_added_anywhere(documents, rpc) -> None:
    document = documents["ben"]
    for place in objects(document):
        for key in ("extra_wh", "bonus_nano"):
            changed = copy.deepcopy(document)
            place.of(changed)[key] = 5
            assert broken(verify_statement(changed, rpc)), f"{place.name}.{key}"


def test_no_figure_can_be_taken_away(documents, rpc) -> None:
    document = documents["ben"]
    for place in integers(document):
        changed = copy.deepcopy(document)
        del place.parent_of(changed)[place.key]
        assert broken(verify_statement(changed, rpc)), place.name


def test_no_element_of_a_list_can_be_taken_away_or_doubled(documents, rpc) -> None:
    document = documents["ben"]
    for place in lists(document):
        for change in (lambda items: items.pop(), lambda items: items.append(copy.deepcopy(items[-1]))):
            changed = copy.deepcopy(document)
            change(place.of(changed))
            assert broken(verify_statement(changed, rpc)), place.name


@pytest.mark.parametrize("strange", [None, "", -1, [], {}, 10**30, "\ud800", "buy@"], ids=repr)
def test_no_value_however_strange_stops_the_verification(documents, rpc, strange) -> None:
    document = documents["cem"]
    for place in list(every(document))[1::9]:
        if place.value != strange:
            assert broken(verify_statement(altered(document, place, strange), rpc)), place.name


def objects(document: dict) -> Iterator[Place]:
    return (place for place in every(document) if isinstance(place.value, dict))


def lists(document: dict) -> Iterator[Place]:
    return (place for place in every(document) if isinstance(place.value, list) and place.value)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("bill", "total_cents"), "bill.total_cents"),
        (("totals", "import_wh"), "totals.import_wh"),
        (("batches", 0, "intervals", 2, "points", 0, "bought_wh"), "batches[0].intervals[2] (2016-06-01T10:30Z)"),
        (("batches", 1, "rounds", 0, "clearing_price_micro_per_kwh"), "batches[1].rounds"),
        (("readings", 1, "readings", 0, "import_mwh"), "readings[1].signature"),
        (("chain", "checkpoint", "block_number"), "chain.checkpoint"),
        (("batches", 1, "net_nano"), "batches[1].net_nano"),
    ],
)
def test_the_line_that_does_not_hold_is_named(documents, rpc, path: tuple, line: str) -> None:
    place = next(place for place in integers(documents["anna"]) if place.path == path)
    assert broken(verify_statement(altered(documents["anna"], place, place.value + 1), rpc))[0] == line


def test_a_figure_that_is_no_integer_does_not_hold(documents, rpc) -> None:
    place = next(place for place in integers(documents["anna"]) if place.path == ("bill", "total_nano"))
    for value in (float(place.value), str(place.value), None, [place.value]):
        assert broken(verify_statement(altered(documents["anna"], place, value), rpc)) == ["bill.total_nano"]


def test_figures_are_integers_under_keys_that_name_their_unit(documents) -> None:
    for place in integers(documents["cem"]):
        assert isinstance(place.key, str), place.name
    assert documents["cem"]["provisional"] is True
    assert documents["cem"]["month"] == MONTH.name


def test_an_erased_salt_ends_all_proof(proven) -> None:
    batch = proven.batches[0]
    erased = replace(batch, members=tuple(replace(part, salt=b"") for part in batch.members))
    with pytest.raises(ValueError, match="salt of anna in batch 1 was erased"):
        member_entry(erased, "anna", vat_class_at=lambda _: "private")


def test_a_statement_of_another_member_does_not_pass_for_ones_own(documents, rpc) -> None:
    changed = copy.deepcopy(documents["anna"])
    changed["member"] = "ben"
    assert broken(verify_statement(changed, rpc))


def test_a_chain_that_was_rebuilt_fails_against_the_checkpoint_delivered_before(documents, rpc) -> None:
    old = Checkpoint(block_number=2, block_hash=b"\x01" * 32)
    proofs = verify_statement(documents["anna"], rpc, checkpoint=old)
    assert broken(proofs) == ["the checkpoint delivered before"]
    assert "it was rebuilt" in proofs[2].detail


def test_a_chain_rebuilt_with_one_altered_batch_fails_against_what_was_delivered_before(
    proven, documents, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(statement_cases, "prices", lambda i: 110_000 + 1_300 * i + (100 if i == 2 else 0))
    rebuilt = ProvenCommunity(tmp_path)
    try:
        document = load_statement(json.dumps(rebuilt.statement("anna")))
        assert document["bill"] != documents["anna"]["bill"]
        assert broken(verify_statement(document, rebuilt.rpc)) == [], "by itself the new chain is consistent"
        proofs = verify_statement(document, rebuilt.rpc, checkpoint=proven.checkpoint())
        assert broken(proofs) == ["the checkpoint delivered before"]
        assert "chain.checkpoint" in broken(verify_statement(documents["anna"], rebuilt.rpc))
    finally:
        rebuilt.close()


def test_the_twin_of_a_signature_is_refused(documents, rpc) -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    place = next(place for place in octets(documents["anna"]) if place.key == "signature")
    signature = bytes.fromhex(place.value[2:])
    twin = signature[:32] + (order - int.from_bytes(signature[32:64])).to_bytes(32) + bytes([55 - signature[64]])
    assert (
        broken(verify_statement(altered(documents["anna"], place, "0x" + twin.hex()), rpc))[0]
        == f"readings[{place.path[1]}].signature"
    )


def test_price_and_clearing_are_told_for_every_round(documents, rpc) -> None:
    told = {proof.line: proof.detail for proof in verify_statement(documents["anna"], rpc)}
    digest = documents["anna"]["batches"][0]["rounds"][2]["clearing_digest"]
    assert told["batches[0].rounds[2]"] == f"112600 micro per kWh is the price of the clearing {digest}"


def test_a_key_that_changed_within_a_batch_is_no_alarm_and_each_key_counts_for_its_own_readings(documents, rpc) -> None:
    document = documents["cem"]
    keys = document["batches"][0]["devices"][0]["earlier_keys"]
    assert [key["until_seq"] for key in keys] == [2]
    assert broken(verify_statement(document, rpc)) == []
    place = next(place for place in integers(document) if place.key == "until_seq")
    assert broken(verify_statement(altered(document, place, 4), rpc))


def test_a_chain_that_does_not_answer_is_no_verdict(documents) -> None:
    def silent(method: str, params: list[object]) -> object:
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError, match="no answer"):
        verify_statement(documents["anna"], silent)


def test_another_chain_proves_nothing(documents) -> None:
    def empty(method: str, params: list[object]) -> object:
        return {"eth_chainId": "0x7a69", "eth_getCode": "0x", "eth_getLogs": [], "eth_call": "0x"}.get(method)

    lines = broken(verify_statement(documents["anna"], empty))
    assert {"chain.genesis_hash", "chain.checkpoint", "batches[0]", "batches[1]"} <= set(lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[1]", "not a statement"),
        ('{"format": "something else"}', "not a statement"),
        ('{"format": "commonwatt statement 1", "a_wh": 1, "a_wh": 2}', "the key 'a_wh' is given twice"),
        ("[" * 100_000, "brackets in each other"),
        ('{"format": "commonwatt statement 1", "member": "\\ud800"}', "surrogates not allowed"),
    ],
)
def test_what_is_no_statement_is_unreadable(text: str, reason: str) -> None:
    with pytest.raises(UnreadableStatementError, match=reason):
        load_statement(text)
