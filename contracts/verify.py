"""Verify a member's statement without trusting who wrote it: from device signatures to cents.

Proved are, in this order: that the chain and the ledger's code are the ones named, and that the chain still has the
blocks members were given before (checkpoints); that the ledger anchored the batches; that intervals, rounds, tariffs
and device heads are what they anchor; that the readings are signed by the anchored keys and give the metered energy;
that prices, charges and VAT of every interval follow from energy, own orders and tariff; that totals and bill follow
from the intervals. A figure that is altered, or that nothing proves, makes a line fail. Without a checkpoint from
elsewhere only consistency is proved: who owns the chain could have rebuilt it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from eth_utils.address import is_checksum_address

from contracts.fields import FieldError, Fields
from contracts.figures import MemberInterval, figures_of
from contracts.proofs import LineProof, Proofs, require
from contracts.statement import ChainIdentity, Checkpoint, covered_span, figures_json
from contracts.statement_form import FORMAT, Month, instant, read_reading_batch
from contracts.tariff import Tariff, TariffError
from contracts.verify_batches import LARGEST, EntryRead, Round, check_sequence, read_entry
from contracts.verify_chain import (
    ChainAnswerError,
    Rpc,
    check_anchored,
    check_checkpoint,
    check_first_evidence,
    check_identity,
    ledgers_of,
)
from contracts.verify_intervals import IntervalTerms, check_interval, moves_money_only
from contracts.verify_readings import AnchoredHead, ProvedReadings
from matching.mechanisms import MECHANISMS
from meters.signing import ReadingBatch, SigningDomain

__all__ = ["ChainAnswerError", "Checkpoint", "LineProof", "Rpc", "verify_statement"]


def verify_statement(
    document: Mapping[str, object], rpc: Rpc, *, checkpoint: Checkpoint | None = None
) -> tuple[LineProof, ...]:
    """Recompute every figure of a statement document (`contracts.statement.load_statement`).

    rpc         a JSON-RPC call to the chain, reading only
    checkpoint  a block that was delivered to the member before, outside this document
    Returns a proof for every line; the statement holds if all do. Raises ConnectionError if the chain does not answer.
    """
    proofs = Proofs()
    try:
        _verify(Fields(document, ""), rpc, checkpoint, proofs)
    except FieldError as error:
        proofs.fails(error.path, error.problem)
    return tuple(proofs.lines)


def _verify(fields: Fields, rpc: Rpc, checkpoint: Checkpoint | None, proofs: Proofs) -> None:
    require(fields.text("format") == FORMAT, "format", f"is not {FORMAT!r}")
    participant = fields.text("member")
    month = _month(fields)
    identity, given = _chain(fields.fields("chain"))
    tariffs = _tariffs(fields, proofs)
    entries = _entries(fields, participant, proofs)
    ledgers = _check_chain(rpc, identity, [given] if checkpoint is None else [given, checkpoint], entries, proofs)
    rounds = {start_s: each for entry in entries for start_s, each in entry.rounds.items()}
    _check_tariffs_used(fields, tariffs, rounds, proofs)
    domain = SigningDomain(chain_id=identity.chain_id, verifying_contract=ledgers[-1])
    readings = _readings(fields, entries, domain, proofs)
    terms = _terms(entries, rounds, tariffs)
    inside = [each for entry in entries for each in entry.intervals if month.includes(each.start_s)]
    _check_intervals(inside, terms, readings, proofs)
    with proofs.judging():
        _check_figures(fields, month, entries, inside, {s: each.tariff for s, each in terms.items()}, proofs)
    fields.close()


def _month(fields: Fields) -> Month:
    try:
        month = Month.of(fields.text("month"), fields.text("timezone"))
    except ValueError as error:
        raise FieldError("month", str(error)) from error
    for name, expected in (("start_s", month.start_s), ("end_s", month.end_s)):
        require(fields.integer(name) == expected, name, f"the month is from {month.start_s} to {month.end_s}")
    return month


def _chain(fields: Fields) -> tuple[ChainIdentity, Checkpoint]:
    checkpoint = fields.fields("checkpoint")
    given = Checkpoint(
        block_number=checkpoint.integer("block_number", least=0, most=LARGEST),
        block_hash=checkpoint.octets("block_hash", 32),
    )
    checkpoint.close()
    identity = ChainIdentity(
        chain_id=fields.integer("chain_id", least=1, most=LARGEST),
        ledger=fields.text("ledger"),
        ledger_code_hash=fields.octets("ledger_code_hash", 32),
        genesis_hash=fields.octets("genesis_hash", 32),
    )
    require(is_checksum_address(identity.ledger), fields.at("ledger"), "is not an address with a right checksum")
    fields.close()
    return identity, given


def _tariffs(fields: Fields, proofs: Proofs) -> dict[bytes, tuple[str, Tariff]]:
    """Tariffs by digest, with their paths."""
    found = {}
    for i, values in enumerate(fields.items("tariffs")):
        path = f"tariffs[{i}]"
        try:
            tariff = Tariff.from_json(values if isinstance(values, dict) else {})
        except TariffError as error:
            proofs.fails(path, str(error))
            continue
        if tariff.digest() in found:
            proofs.fails(path, "is given twice")
        found[tariff.digest()] = (path, tariff)
    return found


def _entries(fields: Fields, participant: str, proofs: Proofs) -> list[EntryRead]:
    entries = [read_entry(row, participant, proofs) for row in fields.rows("batches")]
    whole = [entry for entry in entries if entry is not None]
    if len(whole) == len(entries):
        with proofs.judging():
            check_sequence(whole)
    return whole


def _check_chain(
    rpc: Rpc, identity: ChainIdentity, checkpoints: Sequence[Checkpoint], entries: Sequence[EntryRead], proofs: Proofs
) -> tuple[str, ...]:
    """The community's ledgers, the first one last."""
    ledgers: tuple[str, ...] = (identity.ledger,)
    with proofs.judging():
        check_identity(rpc, identity)
        ledgers = ledgers_of(rpc, identity.ledger)
        proofs.holds("chain", "chain, genesis block and the ledger's published code")
    for i, each in enumerate(checkpoints):
        path = "chain.checkpoint" if i == 0 else "the checkpoint delivered before"
        with proofs.judging():
            check_checkpoint(rpc, each, path)
            proofs.holds(path, f"block {each.block_number} is on the chain")
    for i, entry in enumerate(entries):
        anchored = entry.anchored
        with proofs.judging():
            require(
                anchored.block_number <= checkpoints[0].block_number,
                f"{anchored.path}.block_number",
                "is after the checkpoint",
            )
            check_anchored(rpc, ledgers, anchored)
            if i == 0:
                check_first_evidence(rpc, ledgers, anchored)
            proofs.holds(
                anchored.path,
                f"batch {anchored.sequence} is on the chain in block {anchored.block_number}: "
                f"{len(entry.intervals)} intervals, {anchored.net_nano} nano on lane {anchored.lane}",
            )
            for market_round in entry.rounds.values():
                proofs.holds(market_round.path, _priced(market_round))
    return ledgers


def _priced(market_round: Round) -> str:
    price = market_round.clearing_price_micro_per_kwh
    if price is None:
        return "no clearing price, as the batch anchors it"
    return f"{price} micro per kWh is the price of the clearing {market_round.clearing_digest or 'without a hash'}"


def _check_tariffs_used(
    fields: Fields, tariffs: Mapping[bytes, tuple[str, Tariff]], rounds: Mapping[int, Round], proofs: Proofs
) -> None:
    used = {each.tariff_digest for each in rounds.values()}
    currency = fields.text("currency")
    for digest, (path, tariff) in tariffs.items():
        with proofs.judging():
            require(digest in used, path, "is not anchored by any round")
            require(tariff.currency == currency, "currency", f"{path} is in {tariff.currency}")
            proofs.holds(path, f"tariff {tariff.version} is the one the rounds anchor")


def _readings(fields: Fields, entries: Sequence[EntryRead], domain: SigningDomain, proofs: Proofs) -> ProvedReadings:
    given: dict[tuple[str, int], list[tuple[str, ReadingBatch]]] = defaultdict(list)
    for row in fields.rows("readings"):
        with proofs.judging():
            batch = read_reading_batch(row)
            given[batch.device, batch.epoch].append((row.path, batch))
    anchored: dict[tuple[str, int], list[AnchoredHead]] = defaultdict(list)
    for entry in entries:
        for each in entry.heads:
            anchored[each.head.device, each.head.epoch].append(each)
    proved = ProvedReadings()
    for key, batches in given.items():
        with proofs.judging():
            proved.add(batches, anchored.get(key, []), domain)
            count = sum(len(batch.readings) for _, batch in batches)
            proofs.holds(batches[0][0], f"{count} readings of {key[0]} are signed by its gateway and anchored")
    return proved


def _terms(
    entries: Sequence[EntryRead], rounds: Mapping[int, Round], tariffs: Mapping[bytes, tuple[str, Tariff]]
) -> dict[int, IntervalTerms]:
    """What each interval is settled with, where round, tariff and VAT class are known."""
    terms = {}
    for entry in entries:
        for interval in entry.intervals:
            found = rounds.get(interval.start_s)
            known = tariffs.get(found.tariff_digest) if found is not None else None
            if found is None or known is None or found.minutes != interval.minutes:
                continue
            try:
                vat = known[1].vat(interval.vat_class or entry.vat_class)
            except TariffError:
                continue
            terms[interval.start_s] = IntervalTerms(
                clearing_price_micro_per_kwh=found.clearing_price_micro_per_kwh,
                tariff=known[1],
                vat=vat,
                mechanism=MECHANISMS[found.mechanism].properties,
                island=found.island,
            )
    return terms


def _check_intervals(
    intervals: Sequence[MemberInterval],
    terms: Mapping[int, IntervalTerms],
    readings: ProvedReadings,
    proofs: Proofs,
) -> None:
    versions: dict[int, list[MemberInterval]] = defaultdict(list)
    for each in intervals:
        versions[each.start_s].append(each)
    for start_s, same in versions.items():
        with proofs.judging():
            known = terms.get(start_s)
            if known is None and moves_money_only(same):
                proofs.holds(same[-1].path, "carried or paid, as anchored")
                continue
            require(known is not None, same[-1].path, "no round with a known tariff and VAT class is anchored for it")
            assert known is not None
            proofs.holds(same[-1].path, check_interval(same, known, readings))


def _check_figures(
    fields: Fields,
    month: Month,
    entries: Sequence[EntryRead],
    inside: Sequence[MemberInterval],
    tariffs: Mapping[int, Tariff],
    proofs: Proofs,
) -> None:
    spans = [(entry.anchored.first_start_s, entry.anchored.end_s) for entry in entries]
    covered_from_s, covered_to_s = covered_span(month, spans)
    require(fields.integer("covered_from_s") == covered_from_s, "covered_from_s", f"the batches begin {covered_from_s}")
    require(fields.integer("covered_to_s") == covered_to_s, "covered_to_s", f"the batches end at {covered_to_s}")
    provisional = covered_to_s < month.end_s
    require(fields.flag("provisional") == provisional, "provisional", "does not fit what the batches cover")
    proofs.holds("covered_to_s", f"covers {instant(covered_from_s)} to {instant(covered_to_s)} of {month.name}")
    known = [each for each in inside if each.start_s in tariffs or not each.points]
    for key, expected in figures_json(figures_of(known, tariffs)).items():
        _compare(fields.value(key), expected, key, proofs)


def _compare(found: object, expected: object, path: str, proofs: Proofs) -> None:
    """Every figure below `path`, one by one: nothing missing, nothing more, integers only."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            proofs.fails(path, "is not an object")
            return
        for key in expected.keys() | found.keys():
            if key not in expected:
                proofs.fails(f"{path}.{key}", "is unknown here: nothing proves it")
            elif key not in found:
                proofs.fails(f"{path}.{key}", "is missing")
            else:
                _compare(found[key], expected[key], f"{path}.{key}", proofs)
    elif isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            proofs.fails(path, f"has not the {len(expected)} lines that follow from the intervals")
            return
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            _compare(one, other, f"{path}[{i}]", proofs)
    elif type(found) is type(expected) and found == expected:
        proofs.holds(path, f"{expected} follows from the intervals")
    else:
        proofs.fails(path, f"is {found!r}, but the intervals give {expected!r}")
