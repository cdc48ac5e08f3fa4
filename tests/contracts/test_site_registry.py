"""Grid connections that cannot be sold, doubled or claimed by one signature; every refusal by its name."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from chain_community import EURO, OPERATOR, START_S, STRANGER, MovedClock, open_chain
from contract_sender import ContractSender
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

DAY_S = 86_400
OWNER, GATEWAY, NEW_GATEWAY, REPORTER = (
    Account.from_key(keccak(text=name)) for name in ("owner", "gateway", "new gateway", "reporter")
)
SITE, OTHER_SITE = keccak(text="hmac of a meter"), keccak(text="hmac of another meter")
FIELDS = {
    "Claim": "bytes32 site,address owner,address gateway,uint32 claimedWatt,uint8 tier,uint256 nonce,uint256 deadline",
    "Rotation": "bytes32 site,address gateway,uint256 nonce,uint256 deadline",
    "Leaving": "bytes32 site,uint256 nonce,uint256 deadline",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    site: bytes = SITE
    owner: LocalAccount = OWNER
    gateway: LocalAccount = GATEWAY
    claimed_w: int = 10_000
    tier: int = 1
    nonce: int = 0
    deadline_s: int = START_S + DAY_S

    def values(self) -> tuple[Any, ...]:
        return (
            self.site,
            self.owner.address,
            self.gateway.address,
            self.claimed_w,
            self.tier,
            self.nonce,
            self.deadline_s,
        )


class Registry(ContractSender):
    def signature(self, kind: str, key: LocalAccount, *values: Any) -> bytes:
        domain = {
            "name": "Commonwatt",
            "version": "1",
            "chainId": self.w3.eth.chain_id,
            "verifyingContract": self.contract.address,
        }
        fields = [field.split(" ") for field in FIELDS[kind].split(",")]
        types = {kind: [{"name": name, "type": form} for form, name in fields]}
        named = dict(zip((name for _, name in fields), values, strict=True))
        return bytes(key.sign_message(encode_typed_data(domain, types, named)).signature)

    def claim_arguments(self, claim: Claim, **signers: LocalAccount) -> tuple[Any, ...]:
        keys = (signers.get("owner", claim.owner), signers.get("gateway", claim.gateway))
        return (claim.values(), *(self.signature("Claim", key, *claim.values()) for key in keys))

    def rotation_arguments(
        self, gateway: LocalAccount, *, nonce: int = 1, deadline_s: int = START_S + DAY_S, **signers: LocalAccount
    ) -> tuple[Any, ...]:
        values = (SITE, gateway.address, nonce, deadline_s)
        keys = (signers.get("owner", OWNER), signers.get("signing_gateway", gateway))
        signatures = [self.signature("Rotation", key, *values) for key in keys]
        return (SITE, gateway.address, deadline_s, *signatures)

    def leaving_arguments(self, *, nonce: int = 1, deadline_s: int = START_S + DAY_S) -> tuple[Any, ...]:
        return (SITE, deadline_s, self.signature("Leaving", OWNER, SITE, nonce, deadline_s))

    def wait(self, seconds: int) -> None:
        clock = self.chain._clock
        assert isinstance(clock, MovedClock)
        clock.seconds = self.chain.evm.head.timestamp + seconds


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    chain = open_chain(tmp_path, MovedClock())
    registry = Registry.deploy(chain, "SiteRegistry", *[OPERATOR.address] * 3)
    registry.succeeds("grantRole", registry.read("SLASHER_ROLE"), OPERATOR.address)
    yield registry
    chain.close()


def test_owner_and_gateway_claim_a_site_together(registry: Registry) -> None:
    registry.succeeds("claim", *registry.claim_arguments(Claim()))
    assert registry.read("ownerOf", int.from_bytes(SITE)) == OWNER.address
    assert registry.read("siteOf", SITE) == (GATEWAY.address, 10_000, 1, 0, 0)
    assert registry.read("siteOfGateway", GATEWAY.address) == SITE
    other = Claim(site=OTHER_SITE, gateway=NEW_GATEWAY, nonce=1)
    registry.succeeds("claim", *registry.claim_arguments(other))
    assert registry.read("balanceOf", OWNER.address) == 2


def test_a_claim_that_one_of_them_did_not_sign_is_refused(registry: Registry) -> None:
    def refusal(claim: Claim, **signers: LocalAccount) -> str:
        return registry.refusal("claim", *registry.claim_arguments(claim, **signers))

    assert refusal(Claim(), owner=STRANGER) == "WrongOwnerSignature()"
    assert refusal(Claim(), gateway=STRANGER) == "WrongGatewaySignature()"
    assert refusal(Claim(), owner=GATEWAY, gateway=OWNER) == "WrongOwnerSignature()"
    values, *signatures = registry.claim_arguments(Claim())
    inflated = replace(Claim(), claimed_w=99_000).values()
    assert registry.refusal("claim", inflated, *signatures) == "WrongOwnerSignature()"
    assert registry.refusal("claim", values, b"", signatures[1]) == "WrongOwnerSignature()"
    registry.succeeds("claim", values, *signatures)


def test_a_claim_made_for_another_registry_is_refused(registry: Registry) -> None:
    twin = Registry.deploy(registry.chain, "SiteRegistry", *[OPERATOR.address] * 3)
    assert registry.refusal("claim", *twin.claim_arguments(Claim())) == "WrongOwnerSignature()"


def test_a_replayed_or_expired_claim_is_refused(registry: Registry) -> None:
    arguments = registry.claim_arguments(Claim())
    registry.succeeds("claim", *arguments)
    registry.succeeds("beginLeaving", *registry.leaving_arguments())
    registry.wait(31 * DAY_S)
    registry.succeeds("finishLeaving", SITE)
    assert registry.refusal("claim", *arguments) == f"Expired(deadline={START_S + DAY_S})"
    late = registry.chain.evm.head.timestamp + DAY_S
    replayed = Claim(nonce=0, deadline_s=late)
    nonce = f"InvalidAccountNonce(account={OWNER.address.lower()}, currentNonce=2)"
    assert registry.refusal("claim", *registry.claim_arguments(replayed)) == nonce
    used = f"GatewayAlreadyUsed(gateway={GATEWAY.address.lower()})"
    assert registry.refusal("claim", *registry.claim_arguments(replace(replayed, nonce=2))) == used
    fresh = Claim(gateway=NEW_GATEWAY, nonce=2, deadline_s=late)
    registry.succeeds("claim", *registry.claim_arguments(fresh))


def test_one_meter_has_one_site_and_one_gateway_key_serves_one(registry: Registry) -> None:
    registry.succeeds("claim", *registry.claim_arguments(Claim()))
    twice = Claim(owner=STRANGER, gateway=NEW_GATEWAY)
    assert registry.refusal("claim", *registry.claim_arguments(twice)) == f"AlreadyClaimed(site={SITE})"
    borrowed = Claim(site=OTHER_SITE, owner=STRANGER)
    used = f"GatewayAlreadyUsed(gateway={GATEWAY.address.lower()})"
    assert registry.refusal("claim", *registry.claim_arguments(borrowed)) == used


def test_a_claim_names_a_power_and_a_known_tier(registry: Registry) -> None:
    assert registry.refusal("claim", *registry.claim_arguments(Claim(tier=3))) == "InvalidTier(tier=3)"
    assert registry.refusal("claim", *registry.claim_arguments(Claim(claimed_w=0))) == "NothingClaimed()"
    registry.succeeds("claim", *registry.claim_arguments(Claim(tier=2, claimed_w=1)))


def test_a_site_cannot_be_given_away(registry: Registry) -> None:
    registry.succeeds("claim", *registry.claim_arguments(Claim(owner=OPERATOR)))
    token = int.from_bytes(SITE)
    soulbound = f"Soulbound(site={SITE})"
    assert registry.refusal("transferFrom", OPERATOR.address, STRANGER.address, token) == soulbound
    for data in ([], [b"data"]):
        with_data = registry.contract.get_function_by_signature(
            f"safeTransferFrom(address,address,uint256{',bytes' if data else ''})"
        )(OPERATOR.address, STRANGER.address, token, *data)
        assert registry.reason_of(with_data) == soulbound
    registry.succeeds("approve", STRANGER.address, token)
    assert registry.refusal("transferFrom", OPERATOR.address, STRANGER.address, token, key=STRANGER) == soulbound


def test_a_new_gateway_key_is_signed_by_owner_and_gateway_and_the_old_one_is_spent(registry: Registry) -> None:
    unknown = f"UnknownSite(site={SITE})"
    assert registry.refusal("rotate", *registry.rotation_arguments(NEW_GATEWAY)) == unknown
    registry.succeeds("claim", *registry.claim_arguments(Claim()))

    def refusal(gateway: LocalAccount, **changes: Any) -> str:
        return registry.refusal("rotate", *registry.rotation_arguments(gateway, **changes))

    assert refusal(NEW_GATEWAY, owner=STRANGER) == "WrongOwnerSignature()"
    assert refusal(NEW_GATEWAY, signing_gateway=GATEWAY) == "WrongGatewaySignature()"
    assert refusal(NEW_GATEWAY, nonce=0) == "WrongOwnerSignature()"  # signed for a nonce that is used
    assert refusal(NEW_GATEWAY, deadline_s=START_S - 1) == f"Expired(deadline={START_S - 1})"
    assert refusal(GATEWAY) == f"GatewayAlreadyUsed(gateway={GATEWAY.address.lower()})"
    registry.succeeds("rotate", *registry.rotation_arguments(NEW_GATEWAY))
    assert registry.read("siteOf", SITE)[0] == NEW_GATEWAY.address
    assert (
        registry.read("siteOfGateway", GATEWAY.address) == SITE
    )  # what it signed before still counts against the site
    assert refusal(GATEWAY, nonce=2) == f"GatewayAlreadyUsed(gateway={GATEWAY.address.lower()})"


def test_a_bond_covers_the_power_that_is_claimed(registry: Registry) -> None:
    assert registry.refusal("postBond", SITE, 1) == f"UnknownSite(site={SITE})"
    registry.succeeds("claim", *registry.claim_arguments(Claim()))
    registry.succeeds("postBond", SITE, 100 * EURO - 1)
    assert not registry.read("isBonded", SITE)
    registry.succeeds("postBond", SITE, 1)
    assert registry.read("isBonded", SITE)  # 10 kW at 10 a kilowatt
    assert not registry.read("isBonded", OTHER_SITE)


def test_a_lie_costs_half_of_the_bond_and_a_fifth_of_that_goes_to_the_reporter(registry: Registry) -> None:
    assert registry.refusal("slash", SITE, REPORTER.address) == f"UnknownSite(site={SITE})"
    registry.succeeds("claim", *registry.claim_arguments(Claim()))
    registry.succeeds("postBond", SITE, 101)
    receipt = registry.succeeds("slash", SITE, REPORTER.address)
    assert registry.events("Slashed", receipt) == [
        {"site": SITE, "reporter": REPORTER.address, "amount": 50, "reward": 10}
    ]
    assert registry.read("siteOf", SITE)[4] == 51
    assert (registry.read("owedTo", REPORTER.address), registry.read("owedToCommunity")) == (10, 40)
    registry.succeeds("payReward", REPORTER.address)
    nothing = f"NothingOwed(reporter={REPORTER.address.lower()})"
    assert registry.refusal("payReward", REPORTER.address) == nothing


def test_who_leaves_answers_with_the_bond_until_the_time_is_over(registry: Registry) -> None:
    leaving = registry.leaving_arguments()
    assert registry.refusal("beginLeaving", *leaving) == f"UnknownSite(site={SITE})"
    assert registry.refusal("finishLeaving", SITE) == f"UnknownSite(site={SITE})"
    registry.succeeds("claim", *registry.claim_arguments(Claim()))
    registry.succeeds("postBond", SITE, 100 * EURO)
    assert registry.refusal("finishLeaving", SITE) == f"NotYetLeaving(site={SITE}, until=0)"
    past = registry.leaving_arguments(deadline_s=START_S - 1)
    assert registry.refusal("beginLeaving", *past) == f"Expired(deadline={START_S - 1})"
    forged = registry.leaving_arguments(nonce=7)
    assert registry.refusal("beginLeaving", *forged) == "WrongOwnerSignature()"
    receipt = registry.succeeds("beginLeaving", *leaving)
    (begun,) = registry.events("LeavingBegun", receipt)
    assert begun["until"] == registry.chain.evm.head.timestamp + 30 * DAY_S
    assert not registry.read("isBonded", SITE)
    again = registry.leaving_arguments(nonce=2)
    assert registry.refusal("beginLeaving", *again) == f"AlreadyLeaving(site={SITE}, until={begun['until']})"
    registry.wait(29 * DAY_S)
    assert registry.refusal("finishLeaving", SITE) == f"NotYetLeaving(site={SITE}, until={begun['until']})"
    registry.succeeds("slash", SITE, REPORTER.address)  # after the announcement, and still answerable
    registry.wait(2 * DAY_S)
    receipt = registry.succeeds("finishLeaving", SITE)
    assert registry.events("Left", receipt) == [{"site": SITE, "bondPaidBack": 50 * EURO}]
    assert registry.refusal("slash", SITE, REPORTER.address) == f"UnknownSite(site={SITE})"


def test_only_the_registrar_registers_the_treasurer_books_and_the_slasher_slashes(registry: Registry) -> None:
    for function, arguments in (
        ("claim", registry.claim_arguments(Claim())),
        ("rotate", registry.rotation_arguments(NEW_GATEWAY)),
        ("beginLeaving", registry.leaving_arguments()),
        ("finishLeaving", [SITE]),
        ("postBond", [SITE, 1]),
        ("payReward", [REPORTER.address]),
        ("slash", [SITE, REPORTER.address]),
        ("proposeParameter", [b"slashed percent".ljust(32, b"\0"), 10]),
        ("applyParameter", [b"slashed percent".ljust(32, b"\0")]),
        ("pause", []),
    ):
        assert registry.refusal(function, *arguments, key=STRANGER).startswith("AccessControlUnauthorizedAccount(")


def test_nothing_moves_while_paused(registry: Registry) -> None:
    registry.succeeds("pause")
    for function, arguments in (
        ("claim", registry.claim_arguments(Claim())),
        ("rotate", registry.rotation_arguments(NEW_GATEWAY)),
        ("beginLeaving", registry.leaving_arguments()),
        ("finishLeaving", [SITE]),
        ("postBond", [SITE, 1]),
        ("payReward", [REPORTER.address]),
        ("slash", [SITE, REPORTER.address]),
    ):
        assert registry.refusal(function, *arguments) == "EnforcedPause()"
    registry.succeeds("unpause")
    registry.succeeds("claim", *registry.claim_arguments(Claim()))


def test_a_parameter_changes_within_its_bounds_two_days_after_it_was_announced(registry: Registry) -> None:
    name = b"slashed percent".ljust(32, b"\0")
    assert registry.refusal("proposeParameter", b"coffee".ljust(32, b"\0"), 1).startswith("UnknownParameter(")
    for given in (0, 101):
        bounds = f"OutOfBounds(name={name}, least=1, most=100, given={given})"
        assert registry.refusal("proposeParameter", name, given) == bounds
    assert registry.refusal("applyParameter", name) == f"NothingProposed(name={name})"
    (proposed,) = registry.events("ParameterProposed", registry.succeeds("proposeParameter", name, 100))
    assert proposed["from"] == registry.chain.evm.head.timestamp + 2 * DAY_S
    registry.wait(2 * DAY_S - 5)
    assert registry.refusal("applyParameter", name) == f"TooEarly(from={proposed['from']})"
    assert registry.read("parameter", name) == 50
    registry.wait(10)
    registry.succeeds("applyParameter", name)
    assert registry.read("parameter", name) == 100
    assert registry.refusal("applyParameter", name) == f"NothingProposed(name={name})"
