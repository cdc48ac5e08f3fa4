"""Certificates: minted within what was metered, retired once, burned by corrections; every refusal by its name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_community import OPERATOR, START_S, STRANGER, MovedClock, member_address, open_chain
from contract_sender import ContractSender
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

METERER: LocalAccount = Account.from_key(keccak(text="meterer of the tests"))
SOLAR, WIND, ELSEWHERE = 1, 2, 255
QUARTER_S = 900
PLANT = keccak(text="plant")
ROOT = keccak(text="salted shares")


def certificate_id(start_s: int, source: int = SOLAR) -> int:
    return start_s << 8 | source


FIRST, SECOND, THIRD = (certificate_id(START_S + QUARTER_S * number) for number in range(3))


@pytest.fixture
def certificates(tmp_path: Path) -> Iterator[ContractSender]:
    """Certificates of quarter-hours with one admitted solar plant, an hour after the first one began."""
    clock = MovedClock()
    clock.seconds += 3600
    chain = open_chain(tmp_path, clock)
    sender = ContractSender.deploy(
        chain, "EnergyCertificate", OPERATOR.address, METERER.address, OPERATOR.address, OPERATOR.address, QUARTER_S
    )
    sender.succeeds("admitPlant", PLANT, SOLAR, key=METERER)
    yield sender
    chain.close()


def held(certificates: ContractSender, identity: int) -> int:
    return int(certificates.read("balanceOf", OPERATOR.address, identity))


def attested(certificates: ContractSender, *wh: int) -> list[int]:
    ids = [FIRST, SECOND, THIRD][: len(wh)]
    certificates.succeeds("attest", ids, list(wh), ROOT, key=METERER)
    return ids


def test_what_was_metered_is_minted_and_retired_with_the_roots_of_the_shares(certificates: ContractSender) -> None:
    ids = attested(certificates, 1000, 2000)
    assert certificates.events("Minted", certificates.succeeds("mint", ids, [1000, 1999], ROOT)) == [
        {"batch": 1, "ids": ids, "sharesRoot": ROOT}
    ]
    assert [held(certificates, each) for each in ids] == [1000, 1999]
    other = keccak(text="consumption")
    certificates.succeeds("retire", ids, [400, 1999], other)
    assert [held(certificates, each) for each in ids] == [600, 0]
    assert certificates.read("recordOf", ids[0]) == (1000, 1000, 400, 1, 2, True)
    assert [certificates.read("rootOf", batch) for batch in (1, 2)] == [ROOT, other]


def test_more_than_was_metered_and_a_second_minting_are_refused(certificates: ContractSender) -> None:
    attested(certificates, 1000)
    above = f"MintedAboveMetered(id={FIRST}, metered=1000, given=1001)"
    assert certificates.refusal("mint", [FIRST], [1001], ROOT) == above
    assert certificates.refusal("mint", [SECOND], [1], ROOT) == f"MintedAboveMetered(id={SECOND}, metered=0, given=1)"
    assert certificates.refusal("mint", [FIRST], [0], ROOT) == f"ZeroAmount(id={FIRST})"
    assert certificates.refusal("mint", [FIRST, FIRST], [1, 1], ROOT) == f"AlreadyMinted(id={FIRST})"
    certificates.succeeds("mint", [FIRST], [1], ROOT)
    assert certificates.refusal("mint", [FIRST], [1], ROOT) == f"AlreadyMinted(id={FIRST})"


def test_a_second_retirement_and_one_of_more_than_is_held_are_refused(certificates: ContractSender) -> None:
    certificates.succeeds("mint", attested(certificates, 1000), [1000], ROOT)
    above = f"RetiredAboveHeld(id={FIRST}, held=1000, given=1001)"
    assert certificates.refusal("retire", [FIRST], [1001], ROOT) == above
    assert certificates.refusal("retire", [FIRST], [0], ROOT) == f"ZeroAmount(id={FIRST})"
    certificates.succeeds("retire", [FIRST], [1], ROOT)
    assert certificates.refusal("retire", [FIRST], [1], ROOT) == f"AlreadyRetired(id={FIRST})"


def test_an_interval_is_attested_once_after_its_end_on_the_grid_of_intervals(certificates: ContractSender) -> None:
    def refusal(identity: int, wh: int = 1) -> str:
        return certificates.refusal("attest", [identity], [wh], ROOT, key=METERER)

    off_grid, future = certificate_id(START_S + 1), certificate_id(START_S + QUARTER_S * 4)
    beyond = certificate_id(1 << 40)
    assert refusal(off_grid) == f"InvalidInterval(id={off_grid})"
    assert refusal(beyond) == f"InvalidInterval(id={beyond})"
    assert refusal(future) == f"NotEnded(id={future})"
    assert refusal(FIRST, 0) == f"ZeroAmount(id={FIRST})"
    attested(certificates, 5)
    assert refusal(FIRST) == f"AlreadyAttested(id={FIRST})"
    certificates.succeeds("correct", FIRST, 0, key=METERER)
    assert refusal(FIRST) == f"AlreadyAttested(id={FIRST})"  # a correction only lowers


def test_lists_of_different_lengths_are_refused(certificates: ContractSender) -> None:
    assert certificates.refusal("attest", [FIRST], [], ROOT, key=METERER) == "LengthsDiffer(ids=1, amounts=0)"
    for function in ("mint", "retire"):
        assert certificates.refusal(function, [], [1], ROOT) == "LengthsDiffer(ids=0, amounts=1)"


def test_a_plant_is_certified_once_and_never_when_another_scheme_does(certificates: ContractSender) -> None:
    def refusal(function: str, *arguments: object) -> str:
        return certificates.refusal(function, *arguments, key=METERER)

    again = f"PlantAlreadyCertified(plant={PLANT}, source={SOLAR})"
    assert refusal("admitPlant", PLANT, SOLAR) == refusal("admitPlant", PLANT, WIND) == again
    for source in (0, ELSEWHERE):
        assert refusal("admitPlant", keccak(text="other"), source) == f"InvalidSource(source={source})"
    certificates.succeeds("excludePlant", PLANT, key=METERER)
    elsewhere = f"PlantAlreadyCertified(plant={PLANT}, source={ELSEWHERE})"
    assert refusal("admitPlant", PLANT, SOLAR) == refusal("excludePlant", PLANT) == elsewhere
    assert refusal("attest", [FIRST], [1], ROOT) == f"NoPlantOfSource(source={SOLAR})"
    assert certificates.read("plantsOf", SOLAR) == 0
    unknown = keccak(text="never seen")
    certificates.succeeds("excludePlant", unknown, key=METERER)
    assert refusal("admitPlant", unknown, SOLAR).startswith("PlantAlreadyCertified(")


def test_a_correction_burns_and_what_cannot_be_burned_is_withheld_later(certificates: ContractSender) -> None:
    ids = attested(certificates, 1000, 500, 300)
    certificates.succeeds("mint", ids[:1], [900], ROOT)
    certificates.succeeds("correct", FIRST, 950, key=METERER)
    assert held(certificates, FIRST) == 900  # less was minted than is still metered
    receipt = certificates.succeeds("correct", FIRST, 800, key=METERER)
    assert certificates.events("Corrected", receipt) == [{"id": FIRST, "metered": 800, "burned": 100, "shortfall": 0}]
    certificates.succeeds("retire", [FIRST], [700], ROOT)
    receipt = certificates.succeeds("correct", FIRST, 400, key=METERER)
    assert certificates.events("Corrected", receipt) == [{"id": FIRST, "metered": 400, "burned": 100, "shortfall": 300}]
    assert (held(certificates, FIRST), certificates.read("shortfallOf", SOLAR)) == (0, 300)
    certificates.succeeds("mint", ids[1:], [250, 300], ROOT)
    assert [held(certificates, each) for each in ids] == [0, 0, 250]
    assert certificates.read("shortfallOf", SOLAR) == 0
    same = f"NotACorrection(id={FIRST}, metered=400, given=400)"
    assert certificates.refusal("correct", FIRST, 400, key=METERER) == same


def test_unretired_certificates_can_be_sold_and_a_correction_does_not_reach_the_buyer(
    certificates: ContractSender,
) -> None:
    certificates.succeeds("mint", attested(certificates, 1000), [1000], ROOT)
    buyer = member_address(7)
    certificates.succeeds("safeTransferFrom", OPERATOR.address, buyer, FIRST, 900, b"")
    certificates.succeeds("correct", FIRST, 0, key=METERER)
    assert certificates.read("balanceOf", buyer, FIRST) == 900
    assert certificates.read("shortfallOf", SOLAR) == 900
    assert certificates.refusal("safeTransferFrom", OPERATOR.address, buyer, FIRST, 1, b"").startswith(
        "ERC1155InsufficientBalance("
    )


def test_who_meters_does_not_mint_and_who_mints_does_not_meter(certificates: ContractSender) -> None:
    for key, calls in (
        (OPERATOR, [("attest", [[], [], ROOT]), ("correct", [FIRST, 0])]),
        (OPERATOR, [("admitPlant", [PLANT, SOLAR]), ("excludePlant", [PLANT])]),
        (METERER, [("mint", [[], [], ROOT]), ("retire", [[], [], ROOT]), ("pause", []), ("unpause", [])]),
        (STRANGER, [("mint", [[], [], ROOT]), ("attest", [[], [], ROOT])]),
    ):
        for function, arguments in calls:
            refusal = certificates.refusal(function, *arguments, key=key)
            assert refusal.startswith("AccessControlUnauthorizedAccount(")


def test_nothing_moves_while_paused(certificates: ContractSender) -> None:
    certificates.succeeds("mint", attested(certificates, 1000), [1000], ROOT)
    certificates.succeeds("pause")
    for key, function, arguments in (
        (METERER, "admitPlant", [keccak(text="new"), SOLAR]),
        (METERER, "excludePlant", [PLANT]),
        (METERER, "attest", [[SECOND], [1], ROOT]),
        (METERER, "correct", [FIRST, 1]),
        (OPERATOR, "mint", [[], [], ROOT]),
        (OPERATOR, "retire", [[FIRST], [1], ROOT]),
        (OPERATOR, "safeTransferFrom", [OPERATOR.address, member_address(1), FIRST, 1, b""]),
    ):
        assert certificates.refusal(function, *arguments, key=key) == "EnforcedPause()"
    certificates.succeeds("unpause")
    certificates.succeeds("retire", [FIRST], [1], ROOT)


@pytest.mark.parametrize("seconds", [0, 3601])
def test_an_interval_of_more_than_an_hour_or_none_is_refused(certificates: ContractSender, seconds: int) -> None:
    roles = [OPERATOR.address] * 4
    reason = certificates.reason_of_deployment(*roles, seconds)
    assert reason == f"InvalidIntervalLength(given={seconds})"
    assert certificates.reason_of_deployment(*roles, 3600) == ""
