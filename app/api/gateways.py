"""The interface of gateways, and what operators do with them."""

from dataclasses import asdict

from apiflask import APIBlueprint
from eth_utils.address import to_checksum_address
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from app.access import Access, access, calling_gateway, viewer
from app.api.gateway_schemas import (
    BatchAnswer,
    DomainAnswer,
    EnrolAnswer,
    EnrolmentCode,
    EnrolRequest,
    GatewayAnswer,
    GatewaysAnswer,
    NewGateway,
    ReadingsAnswer,
    ReadingsRequest,
    SetPointAnswer,
    SetPointsAnswer,
)
from app.api.idempotency import once, request_caller, takes_key
from app.api.schemas import IntervalQuery
from app.audit import AuditEntry, record
from app.auth import hash_of, new_code
from app.errors import InputError
from app.guess_limits import guesses
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope
from app.storage.database import reading, writing
from app.storage.ingest import LedgerMissingError, ingest_batches
from app.storage.store.community import the_community
from app.storage.store.devices import (
    Gateway,
    add_gateway,
    devices,
    enrol_gateway,
    gateways,
    set_gateway_status,
)
from app.storage.store.rounds import set_points_for_gateway

ENROLMENT_CODE_S = 7 * 86_400
ENROL_LIMITS = "10 per minute; 100 per hour"

gateway_api = APIBlueprint("gateway_api", __name__, tag="Gateways")


@gateway_api.post("/readings")
@access(Access.SIGNATURE)
@gateway_api.input(ReadingsRequest)
@gateway_api.output(ReadingsAnswer)
@gateway_api.doc(responses={503: "The ledger is not connected yet"})
def post_readings(json_data: ReadingsRequest) -> ReadingsAnswer:
    """Take in signed reading batches.

    The signatures authenticate, no token is needed. One result per batch, in order; a refused batch holds up no other.
    """
    try:
        results = ingest_batches(platform().engine, {"batches": json_data.batches}, platform().clock())
    except LedgerMissingError as error:
        raise ProblemError(503, "no-ledger", str(error)) from error
    except InputError as error:
        raise ProblemError(400, "readings", str(error)) from error
    return ReadingsAnswer(results=[BatchAnswer.model_validate(asdict(result)) for result in results])


@gateway_api.get("/gateway/set-points")
@access(Access.GATEWAY)
@gateway_api.input(IntervalQuery, location="query")
@gateway_api.output(SetPointsAnswer)
def get_set_points(query_data: IntervalQuery) -> SetPointsAnswer:
    """What this gateway's devices must do in an interval; a device that is not listed is free."""
    gateway = calling_gateway()
    with reading(platform().engine) as connection:
        points = set_points_for_gateway(connection, gateway.id, start_s=query_data.start)
    return SetPointsAnswer(
        set_points=[
            SetPointAnswer(
                device=device,
                start=point.start_s,
                generation_limit_w=point.generation_limit_w,
                battery_w=point.battery_w,
            )
            for device, point in points
        ]
    )


@gateway_api.post("/gateway/enrol")
@access(Access.PUBLIC)
@guesses.limit(ENROL_LIMITS)
@gateway_api.input(EnrolRequest)
@gateway_api.output(EnrolAnswer)
@gateway_api.doc(
    responses={403: "The code was used before or is too old", 409: "The key is in use", 503: "There is no ledger yet"}
)
@takes_key
def enrol(json_data: EnrolRequest) -> EnrolAnswer:
    """Enrol a gateway with its one-time code. It stays pending until an operator approves it."""
    token, now_s = new_code(), platform().now_s()

    def enrolled(connection: Connection) -> EnrolAnswer:
        community = the_community(connection)
        domain = community.signing_domain
        if domain is None:
            raise ProblemError(503, "no-ledger", "The community's ledger is not deployed yet: try again later.")
        try:
            gateway = enrol_gateway(
                connection,
                code_hash=hash_of(json_data.code),
                address=to_checksum_address(json_data.address),
                token_hash=hash_of(token),
                now_s=now_s,
            )
        except InputError as error:
            raise ProblemError(409, "key-in-use", str(error)) from error
        if gateway is None:
            raise ProblemError(403, "code-refused", "This code was used before or is too old: ask for a new one.")
        record(connection, AuditEntry(at_s=now_s, actor=gateway.id, action="enrolled", subject=json_data.address))
        device_ids = [device.id for device in devices(connection, gateway_id=gateway.id)]
        return EnrolAnswer(
            gateway=gateway.id,
            token=token,
            status=gateway.status,
            domain=DomainAnswer(chain_id=domain.chain_id, verifying_contract=domain.verifying_contract),
            devices=device_ids,
            interval_minutes=community.market_time_unit_minutes,
        )

    return once(EnrolAnswer, enrolled, caller=request_caller())


@gateway_api.get("/gateways")
@access(Access.DEVICES, Scope.OPERATOR_READ)
@gateway_api.output(GatewaysAnswer)
def list_gateways() -> GatewaysAnswer:
    """All gateways, for operators."""
    with reading(platform().engine) as connection:
        found = gateways(connection)
    return GatewaysAnswer(gateways=[GatewayAnswer.model_validate(asdict(gateway)) for gateway in found])


@gateway_api.post("/gateways")
@access(Access.OPERATOR, Scope.OPERATOR_WRITE)
@gateway_api.input(NewGateway)
@gateway_api.output(EnrolmentCode, status_code=201)
@gateway_api.doc(responses={409: "There is one of this id"})
@takes_key
def create_gateway(json_data: NewGateway) -> EnrolmentCode:
    """Register a gateway and get its one-time enrolment code."""
    code, actor, now_s = new_code(), viewer().id, platform().now_s()
    expires_s = now_s + ENROLMENT_CODE_S
    gateway = Gateway(id=json_data.id, name=json_data.name)

    def added(connection: Connection) -> EnrolmentCode:
        add_gateway(connection, gateway, code_hash=hash_of(code), code_expires_s=expires_s)
        record(connection, AuditEntry(at_s=now_s, actor=actor, action="gateway added", subject=gateway.id))
        return EnrolmentCode(gateway=gateway.id, code=code, expires_s=expires_s)

    try:
        return once(EnrolmentCode, added)
    except IntegrityError as error:
        raise ProblemError(409, "gateway-exists", f"There is a gateway {json_data.id} already.") from error


@gateway_api.post("/gateways/<gateway_id>/approve")
@access(Access.OPERATOR, Scope.OPERATOR_WRITE)
@gateway_api.output(GatewayAnswer)
@gateway_api.doc(responses={409: "It has not enrolled yet, or is revoked"})
def approve_gateway(gateway_id: str) -> GatewayAnswer:
    """Let an enrolled gateway deliver readings."""
    return _change(gateway_id, "approved")


@gateway_api.post("/gateways/<gateway_id>/revoke")
@access(Access.OPERATOR, Scope.OPERATOR_WRITE)
@gateway_api.output(GatewayAnswer)
@gateway_api.doc(responses={409: "It cannot be revoked"})
def revoke_gateway(gateway_id: str) -> GatewayAnswer:
    """Refuse everything this gateway signs or asks for from now on."""
    return _change(gateway_id, "revoked")


def _change(gateway_id: str, status: str) -> GatewayAnswer:
    try:
        with writing(platform().engine) as connection:
            gateway = set_gateway_status(connection, gateway_id, status)
            entry = AuditEntry(
                at_s=platform().now_s(), actor=viewer().id, action=f"gateway {status}", subject=gateway_id
            )
            record(connection, entry)
    except InputError as error:
        raise ProblemError(404 if "no gateway" in str(error) else 409, "gateway", str(error)) from error
    return GatewayAnswer.model_validate(asdict(gateway))
