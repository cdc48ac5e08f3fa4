"""The gateway's side of the HTTP interface between gateway and platform.

Signatures prove readings, so posting them needs no token; set-points do. A server that cannot be reached, is busy or
broken is asked again a few times and then reported: nothing is lost by giving up, the outbox keeps everything.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from meters.clock import Clock, system_clock
from meters.health import MeterHealth
from meters.signing import ReadingBatch, SigningDomain

ATTEMPTS = 4
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 2.0
TIMEOUT_S = 20.0
TOO_MANY_REQUESTS = 429

Taken = TypeVar("Taken")


class ApiError(Exception):
    """A request to the platform that came to nothing; the message names the server and what it said."""


class ApiUnavailableError(ApiError):
    """The platform cannot be reached, is busy or broken: worth another attempt later."""


class ApiRefusedError(ApiError):
    """The platform understood and refused, or answered something that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """What became of one batch. `next_seq` is what the platform expects next of this device and epoch."""

    device: str
    epoch: int
    next_seq: int
    status: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPoint:
    """What a device must keep in one interval; None leaves it free. `battery_w` is + for charging."""

    device: str
    start_s: int
    generation_limit_w: int | None
    battery_w: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a gateway gets for its one-time code."""

    gateway: str
    token: str
    domain: SigningDomain
    devices: tuple[str, ...]
    interval_minutes: int


def batch_document(batch: ReadingBatch) -> dict[str, Any]:
    """A batch as the platform takes it."""
    return {
        "device": batch.device,
        "epoch": batch.epoch,
        "previous_hash": f"0x{batch.previous_hash.hex()}",
        "signature": f"0x{batch.signature.hex()}",
        "readings": [
            [
                reading.seq,
                reading.start_s,
                reading.duration_s,
                reading.import_mwh,
                reading.export_mwh,
                reading.flags,
            ]
            for reading in batch.readings
        ],
    }


class MeterApi:
    """Client of one platform.

    client  an httpx client to use instead of an own one (its base URL counts)
    clock   the machine's clock, compared with the platform's `Date`
    """

    def __init__(
        self,
        base_url: str = "",
        *,
        token: str | None = None,
        client: httpx.AsyncClient | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self._client = client or httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_S)
        self._server = str(self._client.base_url).rstrip("/") or base_url
        self.token = token
        self._clock = clock
        self.clock_error_s: float | None = None
        """How far the machine's clock is ahead of the platform's; None before the first answer."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post_readings(self, batches: Sequence[ReadingBatch]) -> list[BatchResult]:
        """Deliver batches; one result each, in order. Raises ApiError."""
        body = json.dumps({"batches": [batch_document(batch) for batch in batches]}, separators=(",", ":"))
        headers = {"Content-Type": "application/json"}
        answer = await self._ask(lambda: self._client.post("/api/v1/readings", content=body, headers=headers))
        results = self._taken(lambda: [_result(item) for item in answer["results"]])
        given = [(batch.device, batch.epoch) for batch in batches]
        if [(result.device, result.epoch) for result in results] != given:
            raise ApiRefusedError(f"{self._server}: the results do not belong to the batches that were sent")
        return results

    async def set_points(self, start_s: int) -> list[SetPoint]:
        """Set-points of this gateway's devices for the interval that starts at `start_s`. Raises ApiError."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = await self._ask(
            lambda: self._client.get("/api/v1/gateway/set-points", params={"start": start_s}, headers=headers)
        )
        return self._taken(lambda: [_set_point(item) for item in answer["set_points"]])

    async def report_batteries(self, stored_wh: Mapping[str, int], *, at_s: int) -> None:
        """Tell what the batteries behind this gateway's devices hold, Wh. Raises ApiError."""
        headers = {"Authorization": f"Bearer {self.token}"}
        batteries = [{"device": device, "stored_wh": energy_wh} for device, energy_wh in sorted(stored_wh.items())]
        document = {"at_s": at_s, "batteries": batteries}
        await self._ask(lambda: self._client.post("/api/v1/gateway/batteries", json=document, headers=headers))

    async def report_health(self, health: Sequence[MeterHealth], *, at_s: int) -> None:
        """Tell how this gateway's meters are. Raises ApiError."""
        headers = {"Authorization": f"Bearer {self.token}"}
        document = {"at_s": at_s, "devices": [asdict(meter) for meter in health]}
        await self._ask(lambda: self._client.post("/api/v1/gateway/health", json=document, headers=headers))

    async def enrol(self, *, code: str, address: str) -> Enrolment:
        """Hand in a one-time code with the address of this gateway's key. Raises ApiError."""
        answer = await self._ask(
            lambda: self._client.post("/api/v1/gateway/enrol", json={"code": code, "address": address})
        )
        return self._taken(lambda: _enrolment(answer))

    async def _ask(self, request: Callable[[], Awaitable[httpx.Response]]) -> Mapping[str, Any]:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(ApiUnavailableError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
            reraise=True,
        ):
            with attempt:
                return await self._ask_once(request)
        raise AssertionError("tenacity returns or raises")

    async def _ask_once(self, request: Callable[[], Awaitable[httpx.Response]]) -> Mapping[str, Any]:
        try:
            response = await request()
        except httpx.TransportError as error:
            raise ApiUnavailableError(f"{self._server} cannot be reached: {error or type(error).__name__}") from error
        self._compare_clocks(response)
        if response.is_server_error or response.status_code == TOO_MANY_REQUESTS:
            raise ApiUnavailableError(f"{self._server} answered {response.status_code}")
        if not response.is_success:
            raise ApiRefusedError(f"{self._server} answered {response.status_code}: {_said(response)}")
        answer = self._taken(response.json)
        if not isinstance(answer, dict):
            raise ApiRefusedError(f"{self._server}: the answer is not a JSON object")
        return answer

    def _compare_clocks(self, response: httpx.Response) -> None:
        try:
            theirs = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            return
        ours: datetime = self._clock() - response.elapsed / 2
        self.clock_error_s = (ours - theirs).total_seconds()

    def _taken(self, take: Callable[[], Taken]) -> Taken:
        try:
            return take()
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ApiRefusedError(f"{self._server}: the answer makes no sense: {error!r}") from error


def _result(item: Mapping[str, Any]) -> BatchResult:
    return BatchResult(
        device=str(item["device"]),
        epoch=int(item["epoch"]),
        next_seq=int(item["next_seq"]),
        status=str(item["status"]),
        code=str(item.get("code") or ""),
        message=str(item.get("message") or ""),
    )


def _set_point(item: Mapping[str, Any]) -> SetPoint:
    limit_w, battery_w = item.get("generation_limit_w"), item.get("battery_w")
    return SetPoint(
        device=str(item["device"]),
        start_s=int(item["start"]),
        generation_limit_w=None if limit_w is None else int(limit_w),
        battery_w=None if battery_w is None else int(battery_w),
    )


def _enrolment(answer: Mapping[str, Any]) -> Enrolment:
    domain = answer["domain"]
    devices = (item if isinstance(item, str) else str(item["device"]) for item in answer.get("devices", ()))
    return Enrolment(
        gateway=str(answer["gateway"]),
        token=str(answer["token"]),
        domain=SigningDomain(chain_id=int(domain["chain_id"]), verifying_contract=str(domain["verifying_contract"])),
        devices=tuple(devices),
        interval_minutes=int(answer["interval_minutes"]),
    )


def _said(response: httpx.Response) -> str:
    """What a refusal says: the `detail` of a problem document (RFC 9457)."""
    try:
        said = response.json().get("detail", "")
    except (ValueError, AttributeError, RecursionError):
        said = ""
    return str(said or response.text[:200] or response.reason_phrase)
