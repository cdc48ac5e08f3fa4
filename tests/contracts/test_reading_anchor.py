"""Hourly roots that enough verifiers signed, in unbroken order, and what a gateway's two stories cost."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from chain_community import EURO, OPERATOR, START_S, STRANGER, MovedClock, member_address, open_chain
from contract_sender import ContractSender
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from test_site_registry import GATEWAY, NEW_GATEWAY, SITE, Claim, Registry

from meters.signing import (
    GENESIS_HASH,
    ReadingBatch,
    RegisterReading,
    SigningDomain,
    chain_head,
    domain_separator,
    sign_batch,
)

HOUR_S = 3600
FIRST_HOUR = START_S // HOUR_S
FEEDER = keccak(text="feeder, salted")
VERIFIERS: list[LocalAccount] = sorted(
    (Account.from_key(keccak(text=f"verifier {number}")) for number in range(3)), key=lambda each: int(each.address, 16)
)
LEDGER = member_address(0)
ANCHOR_TYPE = [
    {"name": "feeder", "type": "bytes32"},
    {"name": "hour", "type": "uint64"},
    {"name": "previous", "type": "bytes32"},
    {"name": "root", "type": "bytes32"},
    {"name": "count", "type": "uint32"},
]


def root(hour: int) -> bytes:
    return keccak(text=f"readings of hour {hour}")


class Anchor(ContractSender):
    """Anchoring by two of three verifiers; the clock stands half an hour after the first hour's end."""

    registry: Registry

    def arguments(self, hour: int, signers: Sequence[LocalAccount] = VERIFIERS[:2], **changes: Any) -> tuple[Any, ...]:
        previous = b"\0" * 32 if hour == FIRST_HOUR else root(hour - 1)
        values = {"feeder": FEEDER, "hour": hour, "previous": previous, "root": root(hour), "count": 96} | changes
        domain = {
            "name": "Commonwatt",
            "version": "1",
            "chainId": self.w3.eth.chain_id,
            "verifyingContract": self.contract.address,
        }
        message = encode_typed_data(domain, {"Anchor": ANCHOR_TYPE}, values)
        return tuple(values.values()), [bytes(each.sign_message(message).signature) for each in signers]

    def at(self, hour: int, seconds: int = 0) -> None:
        """Move the clock to `seconds` after the start of an hour."""
        clock = self.chain._clock
        assert isinstance(clock, MovedClock)
        clock.seconds = hour * HOUR_S + seconds

    def anchored(self, hours: int) -> None:
        """The first hours anchored, each half an hour after it ended."""
        for hour in range(FIRST_HOUR, FIRST_HOUR + hours):
            self.at(hour + 1, 1800)
            self.succeeds("anchor", *self.arguments(hour))


@pytest.fixture
def anchor(tmp_path: Path) -> Iterator[Anchor]:
    chain = open_chain(tmp_path, MovedClock())
    registry = Registry.deploy(chain, "SiteRegistry", *[OPERATOR.address] * 3)
    domain = domain_separator(SigningDomain(chain_id=chain.chain_id, verifying_contract=LEDGER))
    verifiers = [each.address for each in VERIFIERS]
    anchor = Anchor.deploy(chain, "ReadingAnchor", OPERATOR.address, verifiers, 2, registry.contract.address, domain)
    anchor.registry = registry
    registry.succeeds("grantRole", registry.read("SLASHER_ROLE"), anchor.contract.address)
    anchor.at(FIRST_HOUR + 1, 1800)
    yield anchor
    chain.close()


def test_hours_follow_each_other_with_the_root_before(anchor: Anchor) -> None:
    anchor.anchored(3)
    assert [anchor.read("rootOf", FEEDER, FIRST_HOUR + number) for number in range(3)] == [
        root(FIRST_HOUR + number) for number in range(3)
    ]
    assert anchor.read("lastHour", FEEDER) == FIRST_HOUR + 2
    anchor.succeeds("anchor", *anchor.arguments(FIRST_HOUR + 2, feeder=keccak(text="other"), previous=b"\0" * 32))


def test_a_gap_a_replay_and_another_past_are_refused(anchor: Anchor) -> None:
    anchor.anchored(2)
    last = FIRST_HOUR + 1
    anchor.at(last + 3)
    assert anchor.refusal("anchor", *anchor.arguments(last + 2)) == f"Gap(expected={last + 1}, given={last + 2})"
    for hour in (last, FIRST_HOUR):
        assert anchor.refusal("anchor", *anchor.arguments(hour)) == f"Replayed(hour={hour})"
    forked = anchor.arguments(last + 1, previous=root(99))
    assert anchor.refusal("anchor", *forked) == f"WrongPrevious(expected={root(last)}, given={root(99)})"
    assert anchor.refusal("anchor", *anchor.arguments(last + 1, root=b"\0" * 32)) == "EmptyRoot()"
    anchor.succeeds("anchor", *anchor.arguments(last + 1))


def test_an_hour_is_anchored_after_its_end_and_before_it_is_late(anchor: Anchor) -> None:
    anchor.anchored(1)
    hour = FIRST_HOUR + 1
    anchor.at(hour + 1, -5)
    assert anchor.refusal("anchor", *anchor.arguments(hour)) == f"NotEnded(hour={hour})"
    deadline = (hour + 1 + 6) * HOUR_S
    anchor.at(hour + 7, 5)
    assert anchor.refusal("anchor", *anchor.arguments(hour)) == f"Late(deadline={deadline})"
    assert anchor.refusal("declareMissing", FEEDER, hour + 1) == f"NotEnded(hour={hour + 1})"
    assert anchor.refusal("declareMissing", FEEDER, FIRST_HOUR) == f"Replayed(hour={FIRST_HOUR})"
    unknown = keccak(text="unknown")
    not_anchored = f"NotAnchored(feeder={unknown}, hour={hour})"
    assert anchor.refusal("declareMissing", unknown, hour) == not_anchored
    receipt = anchor.succeeds("declareMissing", FEEDER, hour)
    assert anchor.events("HoursMissing", receipt) == [{"feeder": FEEDER, "first": hour, "last": hour}]
    anchor.succeeds("anchor", *anchor.arguments(hour + 1, previous=root(FIRST_HOUR)))


def test_too_few_doubled_or_strange_signatures_are_refused(anchor: Anchor) -> None:
    one, two, three = VERIFIERS

    def refusal(*signers: LocalAccount) -> str:
        return anchor.refusal("anchor", *anchor.arguments(FIRST_HOUR, signers))

    assert refusal(one) == "TooFewSignatures(needed=2, given=1)"
    assert refusal(one, one) == f"SignersNotAscending(signer={one.address.lower()})"
    assert refusal(two, one) == f"SignersNotAscending(signer={one.address.lower()})"
    with_stranger = sorted((one, STRANGER), key=lambda each: int(each.address, 16))
    assert refusal(*with_stranger) == f"NotAVerifier(signer={STRANGER.address.lower()})"
    values, signatures = anchor.arguments(FIRST_HOUR)
    assert anchor.refusal("anchor", values, [signatures[0], b"\0" * 65]) == "ECDSAInvalidSignature()"
    altered = (*values[:4], values[4] + 1)
    assert anchor.refusal("anchor", altered, signatures).startswith(("NotAVerifier(", "SignersNotAscending("))
    anchor.succeeds("anchor", *anchor.arguments(FIRST_HOUR, (one, two, three)), key=STRANGER)


def test_a_root_is_final_when_nobody_challenged_it_in_time(anchor: Anchor) -> None:
    anchor.anchored(2)
    reason = keccak(text="feeder balance does not close")
    second = FIRST_HOUR + 1
    missing = f"NotAnchored(feeder={FEEDER}, hour={second + 1})"
    assert anchor.refusal("challenge", FEEDER, second + 1, reason, key=VERIFIERS[2]) == missing
    refusal = anchor.refusal("challenge", FEEDER, second, reason, key=STRANGER)
    assert refusal.startswith("AccessControlUnauthorizedAccount(")
    anchor.succeeds("challenge", FEEDER, second, reason, key=VERIFIERS[2])
    doubled = f"AlreadyChallenged(feeder={FEEDER}, hour={second})"
    assert anchor.refusal("challenge", FEEDER, second, reason, key=VERIFIERS[0]) == doubled
    assert not anchor.read("isFinal", FEEDER, FIRST_HOUR)
    anchor.at(FIRST_HOUR + 30)
    assert [anchor.read("isFinal", FEEDER, FIRST_HOUR + number) for number in range(3)] == [True, False, False]
    refusal = anchor.refusal("challenge", FEEDER, FIRST_HOUR, reason, key=VERIFIERS[2])
    assert refusal.startswith("ChallengeClosed(since=")


def story(export_mwh: int, *, key: LocalAccount = GATEWAY, first: int = 0, count: int = 2, epoch: int = 0) -> Any:
    """A signed batch as gateways send it, as the contract takes it."""
    domain = SigningDomain(chain_id=31_337, verifying_contract=LEDGER)
    readings = tuple(
        RegisterReading(
            device="pv 1",
            epoch=epoch,
            seq=seq,
            start_s=START_S + 900 * seq,
            duration_s=900,
            import_mwh=0,
            export_mwh=export_mwh * (seq + 1),
        )
        for seq in range(first, first + count)
    )
    previous = GENESIS_HASH if first == 0 else keccak(text="before")
    batch: ReadingBatch = sign_batch(bytes(key.key), domain, readings, previous)
    fields = (keccak(text="pv 1"), epoch, first, count, previous, chain_head(previous, readings))
    return fields, batch.signature


def test_two_stories_of_one_gateway_cost_its_site_a_part_of_the_bond(anchor: Anchor) -> None:
    registry = anchor.registry
    registry.succeeds("claim", *registry.claim_arguments(Claim(deadline_s=2 * START_S)))
    registry.succeeds("postBond", SITE, 100 * EURO)
    told = (*story(5000), *story(6000))
    receipt = anchor.succeeds("reportEquivocation", *told, key=STRANGER)
    assert registry.events("Slashed", receipt) == [
        {"site": SITE, "reporter": STRANGER.address, "amount": 50 * EURO, "reward": 10 * EURO}
    ]
    assert anchor.refusal("reportEquivocation", *told) == "EvidenceUsed()"
    assert anchor.refusal("reportEquivocation", *story(6000), *story(5000)) == "EvidenceUsed()"
    anchor.succeeds("reportEquivocation", *story(5000, epoch=1), *story(6000, epoch=1))
    assert registry.read("siteOf", SITE)[4] == 25 * EURO


def test_an_honest_gateway_cannot_be_accused(anchor: Anchor) -> None:
    registry = anchor.registry
    registry.succeeds("claim", *registry.claim_arguments(Claim(deadline_s=2 * START_S)))

    def refusal(*told: Any) -> str:
        return anchor.refusal("reportEquivocation", *told)

    assert refusal(*story(5000), *story(5000)) == "NotEquivocal()"
    assert refusal(*story(5000), *story(5000, count=3)) == "NotEquivocal()"  # a longer chain, of the same readings
    assert refusal(*story(5000), *story(5000, epoch=1)) == "NotEquivocal()"  # after a meter was replaced
    other = story(6000, key=NEW_GATEWAY)
    signers = f"one={GATEWAY.address.lower()}, other={NEW_GATEWAY.address.lower()}"
    assert refusal(*story(5000), *other) == f"DifferentSigners({signers})"
    unknown = f"UnknownGateway(gateway={NEW_GATEWAY.address.lower()})"
    assert refusal(*story(5000, key=NEW_GATEWAY), *other) == unknown
    (device, *rest), signature = story(6000)
    forged = ((device, *rest[:-1], keccak(text="never signed")), signature)
    assert refusal(*story(5000), *forged).startswith("DifferentSigners(")


def test_only_the_admin_declares_hours_missing_and_nothing_is_anchored_while_paused(anchor: Anchor) -> None:
    refusal = anchor.refusal("declareMissing", FEEDER, FIRST_HOUR, key=STRANGER)
    assert refusal.startswith("AccessControlUnauthorizedAccount(")
    assert anchor.refusal("pause", key=STRANGER).startswith("AccessControlUnauthorizedAccount(")
    anchor.succeeds("pause")
    for function, arguments in (
        ("anchor", anchor.arguments(FIRST_HOUR)),
        ("declareMissing", (FEEDER, FIRST_HOUR)),
        ("reportEquivocation", (*story(5000), *story(6000))),
    ):
        assert anchor.refusal(function, *arguments) == "EnforcedPause()"
    assert anchor.refusal("challenge", FEEDER, FIRST_HOUR, root(1), key=VERIFIERS[0]) == "EnforcedPause()"
    anchor.succeeds("unpause")
    anchor.succeeds("anchor", *anchor.arguments(FIRST_HOUR))
