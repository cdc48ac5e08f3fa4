"""The whole community in one process: database, ledger, web application, the gateway of this machine, scheduler."""

import contextlib
import threading

import structlog
from sqlalchemy import Engine

from app.chain_window import forwarding_rpc
from app.config import Settings
from app.errors import InputError
from app.factory import create_app
from app.founding import configured, ensure_operator, sign_in_link
from app.jobs import run_for_ever
from app.late_database import database_of
from app.local_gateways import LocalGateways, enrol_local
from app.mail_delivery import start_postman
from app.market_round import load_solvers
from app.membership import OPERATOR_ID
from app.meter_places import LOCAL_GATEWAY, local_gateway_config
from app.platform import RpcDispatcher
from app.serving import WebServer, listen
from app.storage.database import reading, writing
from app.storage.store.community import find_community
from app.worker import PAUSE_S, Worker
from contracts.chain import ChainUnreachable
from contracts.rpc import read_only_dispatch
from meters.api import MeterApi
from meters.clock import Clock
from meters.credentials import CredentialsError
from meters.gateway import Gateway
from meters.gateway_config import ConfigError, GatewayConfig
from meters.outbox_file import OutboxError

EVERYWHERE = frozenset({"0.0.0.0", "::", "127.0.0.1", "localhost"})  # noqa: S104 names only # nosec B104 names of addresses, nothing is bound

log = structlog.get_logger(__name__)


class CommunityProcess:
    """`open`, `run` until told to stop, `close`. Listens from construction on, so that a port in use is told first.

    Raises InputError for every mistake in the configuration.
    """

    def __init__(self, settings: Settings, *, clock: Clock, stopped: threading.Event, in_browser: bool = False) -> None:
        if not in_browser:
            configured(settings)
        elif settings.community is not None:
            raise InputError("the configuration has a [community]: start without --browser, or leave the section out")
        self.setup_link: str | None = None
        self._meters = local_gateway_config(settings, server="", state=settings.state / "gateways" / LOCAL_GATEWAY)
        self._settings = settings
        self._clock = clock
        self._stopped = stopped
        self._closing = contextlib.ExitStack()
        self._listener = listen(settings.web.host, settings.web.port)
        self._closing.callback(self._listener.close)
        self._gateways: LocalGateways | None = None
        self._engine: Engine
        self._worker: Worker
        self._web: WebServer

    @property
    def url(self) -> str:
        """Where the web application answers on this machine."""
        return self._web.url

    def open(self) -> bool:
        """Bring everything up to a web application that answers; False if stopped before."""
        engine = database_of(self._settings, self._stopped)
        if engine is None:
            return False
        self._engine = engine
        self._closing.callback(engine.dispose)
        self._worker = Worker(self._settings, engine, self._clock)
        self._closing.callback(self._worker.close)
        if self._is_to_be_founded():
            self._worker.prepare()
            self._serve()
            with writing(engine) as connection:
                ensure_operator(connection, now_s=self._now_s())
                self.setup_link = sign_in_link(connection, OPERATOR_ID, self.url, now_s=self._now_s())
            return True
        while not self._worker.prepare():
            if self._stopped.wait(PAUSE_S):
                return False
        self._worker.connect()
        self._serve()
        self._read_meters()
        return True

    def _is_to_be_founded(self) -> bool:
        with reading(self._engine) as connection:
            return self._settings.community is None and find_community(connection) is None

    def _now_s(self) -> int:
        return int(self._clock().timestamp())

    def run(self) -> None:
        """Run rounds and settlement until stopped."""
        threading.Thread(target=load_solvers, name="solvers", daemon=True).start()
        start_postman(self._settings, self._engine, self._clock, self._stopped)
        run_for_ever(self._step, self._stopped, pause_s=PAUSE_S)

    def close(self) -> None:
        """End everything that was started, the newest first."""
        self._closing.close()

    def _step(self) -> None:
        self._worker.step()
        self._read_meters()

    def _serve(self) -> None:
        app = create_app(self._settings, self._engine, self._clock, chain_rpc=self._chain_rpc())
        self._web = WebServer(app, self._listener)
        self._web.start()
        self._closing.callback(self._web.close)

    def _chain_rpc(self) -> RpcDispatcher:
        if self._settings.chain_url:
            return forwarding_rpc(self._settings.chain_url)
        return self._ask_embedded

    def _ask_embedded(self, request: object) -> object:
        """Answer from the chain of this process. Raises ChainUnreachable before the community is founded."""
        access = self._worker.ledger.access
        if access is None or access.embedded is None:
            raise ChainUnreachable("the community has no chain yet")
        return read_only_dispatch(access.embedded, request)

    def _read_meters(self) -> None:
        """Start the gateway of this machine, once, as soon as there is a ledger to sign for."""
        if self._gateways is not None or self._meters is None or self._worker.ledger.access is None:
            return
        host = self._settings.web.host
        url = self._web.url if host in EVERYWHERE else f"http://{host}:{self._web.port}"
        try:
            self._gateways = LocalGateways([self._gateway(self._meters, url)])
        except (ConfigError, CredentialsError, OutboxError) as error:
            raise InputError(str(error)) from error
        self._closing.callback(self._gateways.close)
        self._gateways.run()
        log.info("reading meters", count=len(self._meters.meters))

    def _gateway(self, config: GatewayConfig, url: str) -> Gateway:
        credentials = enrol_local(self._engine, config.name, config.state_dir, now_s=self._now_s())
        return Gateway(config, clock=self._clock, api=MeterApi(url, clock=self._clock), credentials=credentials)
