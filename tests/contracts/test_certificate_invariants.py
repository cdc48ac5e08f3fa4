"""Any order of attesting, minting, retiring, correcting and selling keeps certificates below what was metered."""

import tempfile
from pathlib import Path

from chain_community import OPERATOR, START_S, MovedClock, member_address, open_chain
from contract_sender import ContractSender
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_certificate_contract import METERER, PLANT, QUARTER_S, ROOT, SOLAR, certificate_id

IDS = [certificate_id(START_S + QUARTER_S * number) for number in range(4)]
BUYER = member_address(7)
an_id = st.sampled_from(IDS)
amount = st.integers(0, 50)


class Certificates(RuleBasedStateMachine):
    """A model of four quarter-hours: what was metered, minted, retired and sold, and what is owed to the future."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        clock = MovedClock()
        clock.seconds += 3600
        self.chain = open_chain(Path(self.directory.name), clock)
        roles = [OPERATOR.address, METERER.address, OPERATOR.address, OPERATOR.address]
        self.contract = ContractSender.deploy(self.chain, "EnergyCertificate", *roles, QUARTER_S)
        self.contract.succeeds("admitPlant", PLANT, SOLAR, key=METERER)
        self.metered: dict[int, int] = {}
        self.minted: set[int] = set()
        self.retired: dict[int, int] = {}
        self.held = dict.fromkeys(IDS, 0)
        self.sold = dict.fromkeys(IDS, 0)
        self.covered = dict.fromkeys(IDS, 0)  # minted, less what corrections took back
        self.shortfall = 0

    def call(self, allowed: bool, function: str, *arguments: object, metering: bool = False) -> bool:
        receipt = self.contract.send(function, *arguments, key=METERER if metering else OPERATOR)
        assert (receipt["status"] == 1) == allowed, (function, arguments)
        return allowed

    @rule(identity=an_id, wh=amount)
    def attest(self, identity: int, wh: int) -> None:
        allowed = wh > 0 and identity not in self.metered
        if self.call(allowed, "attest", [identity], [wh], ROOT, metering=True):
            self.metered[identity] = wh

    @rule(identity=an_id, wh=amount)
    def mint(self, identity: int, wh: int) -> None:
        allowed = 0 < wh <= self.metered.get(identity, 0) and identity not in self.minted
        if self.call(allowed, "mint", [identity], [wh], ROOT):
            withheld = min(wh, self.shortfall)
            self.shortfall -= withheld
            self.minted.add(identity)
            self.held[identity] = self.covered[identity] = wh - withheld

    @rule(identity=an_id, wh=amount)
    def retire(self, identity: int, wh: int) -> None:
        allowed = 0 < wh <= self.held[identity] and identity not in self.retired
        if self.call(allowed, "retire", [identity], [wh], ROOT):
            self.retired[identity] = wh
            self.held[identity] -= wh

    @rule(identity=an_id, wh=amount)
    def correct(self, identity: int, wh: int) -> None:
        if self.call(wh < self.metered.get(identity, 0), "correct", identity, wh, metering=True):
            self.metered[identity] = wh
            excess = max(0, self.covered[identity] - wh)
            burned = min(excess, self.held[identity])
            self.covered[identity] -= excess
            self.held[identity] -= burned
            self.shortfall += excess - burned

    @rule(identity=an_id, wh=amount)
    def sell(self, identity: int, wh: int) -> None:
        if self.call(wh <= self.held[identity], "safeTransferFrom", OPERATOR.address, BUYER, identity, wh, b""):
            self.held[identity] -= wh
            self.sold[identity] += wh

    @invariant()
    def what_exists_or_was_retired_is_at_most_what_was_metered_and_is_still_owed(self) -> None:
        held = self.contract.read("balanceOfBatch", [OPERATOR.address] * len(IDS), IDS)
        sold = self.contract.read("balanceOfBatch", [BUYER] * len(IDS), IDS)
        records = [self.contract.read("recordOf", each) for each in IDS]
        shortfall = self.contract.read("shortfallOf", SOLAR)
        assert held == list(self.held.values())
        assert sold == list(self.sold.values())
        assert shortfall == self.shortfall
        metered, minted, retired = ([record[field] for record in records] for field in range(3))
        assert metered == [self.metered.get(each, 0) for each in IDS]
        assert retired == [self.retired.get(each, 0) for each in IDS]
        assert all(few <= many for few, many in zip(minted, metered, strict=True))
        assert self.contract.read("supplyOf", SOLAR) == [sum(metered), sum(minted), sum(retired)]
        assert sum(held) + sum(sold) + sum(retired) <= sum(metered) + shortfall

    def teardown(self) -> None:
        self.chain.close()
        self.directory.cleanup()


TestCertificates = Certificates.TestCase
TestCertificates.settings = settings(max_examples=settings.default.max_examples // 5, stateful_step_count=20)
