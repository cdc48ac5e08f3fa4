"""The worker of a community: runs its rounds, settles them, and brings them onto the chain.

`commonwatt worker` runs it alone beside a database and a chain served by others, `commonwatt up` beside everything
else in one process. Rounds go on while the chain is away.
"""

from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine

from app.agents.histories import Histories
from app.browser_founding import found_if_asked
from app.config import Settings
from app.errors import InputError
from app.founding import found
from app.jobs import Scheduler
from app.leadership import Leadership
from app.ledger_access import LateLedger, LedgerAccess, open_ledger, register_new_members, settler_key
from app.market_round import MarketDesk
from app.secret_values import new_key_file
from app.settlement_run import SettlementDesk
from app.storage.database import reading, writing
from app.storage.store.community import Community, find_community
from app.storage.store.members import participants
from app.storage.store.rounds import last_cleared_start_s
from app.wallets import keep_keys
from app.worker_state import WorkerState, tell_state
from contracts.chain import ChainUnreachable
from contracts.embedded import CHAIN_FILE, ChainDamagedError
from contracts.single_writer import AlreadyInUseError
from grid.feeder import NetworkError
from grid.network import GridNetwork, open_network
from meters.clock import Clock
from meters.interval import DeliveryInterval

PAUSE_S = 1.0

log = structlog.get_logger(__name__)


class Worker:
    """`prepare` once, then `step` every second or so; `close` gives every lock free."""

    def __init__(self, settings: Settings, engine: Engine, clock: Clock) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._leadership = Leadership(engine)
        self._scheduler: Scheduler | None = None
        self._said = ""
        self._next_s: int | None = None
        self._known_lanes: int | None = None
        self.ledger = LateLedger(self._open_ledger)

    def prepare(self) -> bool:
        """Found the community or find it, and open its network; False while another worker leads or nobody founded it.

        Raises InputError for a configuration that cannot be.
        """
        if not self._leadership.take():
            self._say("another worker leads: standing by")
            return False
        if self._settings.community is not None:
            network = network_of(self._settings.community.network)
            for line in found(self._engine, self._settings, network, now_s=self._now_s()):
                log.info(line)
        else:
            with reading(self._engine) as connection:
                is_founded = find_community(connection) is not None
            if not is_founded and not found_if_asked(self._engine, self._settings.state, now_s=self._now_s()):
                self._say("no community yet: found it in the browser, or name its configuration")
                return False
            network = network_of(self._community().network)
        if network.safety_note:
            log.warning(network.safety_note)
        self._scheduler = self._new_scheduler(network)
        return True

    def step(self) -> None:
        """Do what is due, if this worker leads. Raises what the database, and not what the chain, cannot do now."""
        tell_state(self._settings.state, self._work())

    def connect(self) -> bool:
        """Open the ledger if its chain answers; whether it is open."""
        try:
            self._welcome(self.ledger.connect())
        except ChainUnreachable as error:
            self._say(f"the ledger waits for its chain, rounds go on: {error}")
            return False
        return True

    def close(self) -> None:
        """Stop leading and give key and chain free."""
        self.ledger.close()
        self._leadership.give_up()

    def _work(self) -> WorkerState:
        if self._scheduler is None and not self.prepare():
            return WorkerState.WAITING
        if not self._leadership.take():
            self._say("another worker leads now: standing by")
            self.ledger.close()
            return WorkerState.WAITING
        assert self._scheduler is not None
        if self.connect():
            self._said = ""
        self._tell_missed(self._scheduler.minutes)
        self._scheduler.tick()
        return WorkerState.LEADING

    def _welcome(self, access: LedgerAccess) -> None:
        """Give who joined since the ledger was opened a key and a place in it."""
        if self._known_lanes is None:
            self._known_lanes = access.ledger.member_count()
        with reading(self._engine) as connection:
            lanes = sum(person.lane is not None for person in participants(connection))
        if lanes > self._known_lanes:
            self._keep_keys()
            register_new_members(self._engine, access.ledger)
            self._known_lanes = lanes

    def _keep_keys(self) -> None:
        secret = bytes.fromhex(new_key_file(self._settings.keys / "members"))
        with writing(self._engine) as connection:
            keep_keys(connection, secret, now_s=self._now_s())

    def _tell_missed(self, minutes: int) -> None:
        """Say which rounds nobody ran, while this program was not running or the machine slept."""
        next_s = DeliveryInterval.containing(self._clock(), minutes).shifted(1).start_s
        if self._next_s is None:
            with reading(self._engine) as connection:
                self._next_s = last_cleared_start_s(connection)
        if self._next_s is not None and (missed := (next_s - self._next_s) // (minutes * 60) - 1) > 0:
            until = datetime.fromtimestamp(next_s, UTC)
            log.warning(
                "rounds were missed: their energy is not settled here", count=missed, before=f"{until:%Y-%m-%d %H:%M}"
            )
        self._next_s = next_s

    def _say(self, line: str) -> None:
        if line != self._said:
            log.warning(line)
        self._said = line

    def _new_scheduler(self, network: GridNetwork) -> Scheduler:
        community = self._community()
        minutes = community.market_time_unit_minutes
        return Scheduler(
            market=MarketDesk(
                engine=self._engine,
                clock=self._clock,
                network=network,
                histories=Histories(self._engine, minutes=minutes),
            ),
            settlement=SettlementDesk(
                engine=self._engine,
                clock=self._clock,
                ledger=self.ledger,
                certificates=self.ledger.certificates,
                period_minutes=self._settings.settlement.period_minutes,
                grace_s=self._settings.settlement.grace_minutes * 60,
                calendar=self._settings.settlement.calendar,
            ),
            minutes=minutes,
            on_clearing=lambda interval, clearing: log.info(
                "round cleared",
                interval=interval.start.isoformat(timespec="minutes"),
                status=clearing.status,
                traded_wh=clearing.traded_wh,
            ),
        )

    def _now_s(self) -> int:
        return int(self._clock().timestamp())

    def _community(self) -> Community:
        with reading(self._engine) as connection:
            community = find_community(connection)
        assert community is not None
        return community

    def _open_ledger(self) -> LedgerAccess:
        state = self._settings.state
        self._keep_keys()
        try:
            return open_ledger(
                self._engine,
                chain=self._settings.chain_url or state / CHAIN_FILE,
                key=settler_key(self._settings.keys / "settler"),
                clock=self._clock,
                lock_path=state / "settler.lock",
            )
        except (AlreadyInUseError, ChainDamagedError) as error:
            raise InputError(str(error)) from error


def network_of(spec: str) -> GridNetwork:
    """The network of a configuration. Raises InputError naming the file or element and the remedy."""
    try:
        return open_network(spec)
    except NetworkError as error:
        raise InputError(f"community.network: {error}") from error
