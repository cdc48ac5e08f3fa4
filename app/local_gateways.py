"""Gateways in a thread of this process: as on site hardware, over the same sockets and the same API."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Engine

from app.audit import AuditEntry, record
from app.auth import hash_of, new_code
from app.errors import InputError
from app.ledger_access import signing_domain
from app.storage.database import reading, writing
from app.storage.store.community import the_community
from app.storage.store.devices import enrol_gateway, find_gateway, set_enrolment_code, set_gateway_status
from meters.credentials import FILE_NAME as CREDENTIALS_FILE
from meters.credentials import Credentials, load_credentials, new_credentials, save_credentials
from meters.delivery import UploadReport
from meters.gateway import Gateway
from meters.gateway_reports import ControlReport, SweepReport
from meters.interval import DeliveryInterval
from meters.signing import RegisterReading

T = TypeVar("T")
BEGIN_AGAIN_S = 10.0

log = logging.getLogger(__name__)

SWEEP_PATIENCE_S = 2.0
"""How long a silent meter is asked again before the round goes on without it."""


class LocalGateways:
    """Runs the gateways' work in one event loop, step by step or for ever."""

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self._gateways = gateways
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateways", daemon=True)
        self._thread.start()
        self._running: list[Future[None]] = []
        self._all(gateway.open() for gateway in gateways)

    def await_history(self) -> bool:
        """Whether a gateway has read nothing yet and can still be handed what its meters showed before."""

        async def awaits(gateway: Gateway) -> bool:
            return not gateway.outbox.chains()

        return any(self._all(awaits(gateway) for gateway in self._gateways))

    def import_histories(self, histories: Mapping[str, Sequence[RegisterReading]]) -> int:
        """Hand gateways that have read nothing yet what their meters showed before; how many readings were taken."""

        async def take(gateway: Gateway) -> int:
            if gateway.outbox.chains():
                return 0
            own = {meter.device: histories[meter.device] for meter in gateway.config.meters}
            return gateway.import_histories(own)

        return sum(self._all(take(gateway) for gateway in self._gateways))

    def sweep(self, boundary: datetime) -> list[SweepReport]:
        """Read every meter for the interval that ended at `boundary`."""
        return self._all(gateway.sweep(boundary, within_s=SWEEP_PATIENCE_S) for gateway in self._gateways)

    def upload(self) -> list[UploadReport]:
        """Deliver what waits in the outboxes."""
        return self._all(gateway.upload() for gateway in self._gateways)

    def apply_set_points(self, interval: DeliveryInterval) -> list[ControlReport]:
        """Write the set-points of an interval to the inverters."""
        return self._all(gateway.apply_set_points(interval) for gateway in self._gateways)

    def report_batteries(self) -> None:
        """Tell the platform what the batteries hold."""
        self._all(gateway.report_batteries() for gateway in self._gateways)

    def run(self) -> None:
        """Read, deliver and control by the gateways' own clock from now on, whatever happens."""
        self._running = [
            asyncio.run_coroutine_threadsafe(_kept_running(gateway), self._loop) for gateway in self._gateways
        ]

    def close(self) -> None:
        """Stop and close; what was not acknowledged stays in the outboxes."""
        for running in self._running:
            running.cancel()
        self._all(gateway.close() for gateway in self._gateways)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def _all(self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        async def together() -> list[T]:
            return list(await asyncio.gather(*work))

        return asyncio.run_coroutine_threadsafe(together(), self._loop).result()


async def _kept_running(gateway: Gateway) -> None:
    """Run a gateway until this is cancelled; what ends it is logged, and it begins again."""
    while True:
        try:
            await gateway.run()
        except Exception:
            log.exception("gateway %s failed and begins again", gateway.config.name)
        await asyncio.sleep(BEGIN_AGAIN_S)


def enrol_local(
    engine: Engine, gateway_id: str, folder: Path, *, now_s: int, new_key: Callable[[], bytes] | None = None
) -> Credentials:
    """Credentials of a gateway on this machine, kept in `folder`: whoever may write there is the operator.

    On first use it gets a key (`new_key` in simulations), is enrolled for the community's ledger and approved. Where
    the key is lost an operator revokes the gateway, and the next start enrols a new key, which waits for approval as
    any other gateway's does: another folder given by mistake must not take the place of a gateway that runs.

    Raises InputError if an operator revoked it and its key is there, or if it was approved and its key is gone.
    """
    with reading(engine) as connection:
        known = find_gateway(connection, gateway_id)
        domain = signing_domain(the_community(connection))
    has_key = (folder / CREDENTIALS_FILE).exists()
    is_known = known is not None and known.address is not None
    if known is not None and known.status == "revoked" and has_key:
        raise InputError(f"gateway {gateway_id} was revoked: approve it again in the web application")
    if known is not None and known.status == "approved" and not has_key:
        raise InputError(
            f"{folder / CREDENTIALS_FILE} does not exist, and gateway {gateway_id} is approved: restore the folder, or "
            "revoke the gateway in the web application and start again, then approve its new key there"
        )
    if is_known and has_key:
        return load_credentials(folder)
    key = load_credentials(folder).key if has_key else (new_credentials().key if new_key is None else new_key())
    code, token = new_code(), new_code()
    credentials = Credentials(key=key, gateway=gateway_id, token=token, domain=domain)
    save_credentials(folder, credentials)
    with writing(engine) as connection:
        set_enrolment_code(connection, gateway_id, code_hash=hash_of(code), expires_s=now_s + 3600)
        enrol_gateway(
            connection, code_hash=hash_of(code), address=credentials.address, token_hash=hash_of(token), now_s=now_s
        )
        if is_known:
            log.warning("gateway %s has a new key, which waits for an operator's approval", gateway_id)
            entry = AuditEntry(at_s=now_s, actor=gateway_id, action="enrolled", subject=credentials.address)
            record(connection, entry)
        else:
            set_gateway_status(connection, gateway_id, "approved")
    return credentials
