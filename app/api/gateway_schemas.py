"""What gateways and the platform say to each other, and to operators about gateways."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.api.schemas import Incoming


class EnrolRequest(Incoming):
    """One-time code from the operator and the address of the key the gateway made for itself."""

    code: str = Field(min_length=1, max_length=200)
    address: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")


class DomainAnswer(BaseModel):
    """EIP-712 domain under which readings are signed."""

    chain_id: int
    verifying_contract: str


class EnrolAnswer(BaseModel):
    """The token is shown once. Readings are taken as soon as an operator has approved the gateway.

    interval_minutes is the community's market time unit: what the gateway's readings have to be of.
    """

    gateway: str
    token: str
    status: str
    domain: DomainAnswer
    devices: list[str]
    interval_minutes: int


class NewGateway(Incoming):
    """A gateway to be enrolled."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    name: str = Field(min_length=1, max_length=100)


class EnrolmentCode(BaseModel):
    """Give the code to whoever sets up the gateway; it works once."""

    gateway: str
    code: str
    expires_s: int


class GatewayAnswer(BaseModel):
    """A gateway; `address` is null until it enrols."""

    id: str
    name: str
    address: str | None
    status: str
    last_seen_s: int | None


class GatewaysAnswer(BaseModel):
    """All gateways."""

    gateways: list[GatewayAnswer]


class SetPointAnswer(BaseModel):
    """null means free; battery_w > 0 charges."""

    device: str
    start: int
    generation_limit_w: int | None
    battery_w: int | None


class SetPointsAnswer(BaseModel):
    """Devices that are not listed are free."""

    set_points: list[SetPointAnswer]


class ReadingBatch(BaseModel):
    """Consecutive readings of one device. A reading is [seq, start_s, duration_s, import_mwh, export_mwh, flags]."""

    device: str
    epoch: int
    previous_hash: str = Field(pattern="^0x[0-9a-f]{64}$", description="hash of the reading before, or 32 zero bytes")
    signature: str = Field(pattern="^0x[0-9a-f]{130}$", description="EIP-712 signature of the chain head")
    readings: list[list[int]]


class ReadingsRequest(BaseModel):
    """Signed batches. Each is judged by itself, so that a malformed one is refused alone."""

    batches: list[Any] = Field(json_schema_extra={"items": {"anyOf": [ReadingBatch.model_json_schema(), {}]}})


class BatchAnswer(BaseModel):
    """`next_seq` is what the platform waits for: after a gap, send from there."""

    device: str
    epoch: int
    next_seq: int
    status: Literal["accepted", "duplicate", "refused"]
    code: str | None
    message: str


class ReadingsAnswer(BaseModel):
    """One result per batch, in order."""

    results: list[BatchAnswer]
