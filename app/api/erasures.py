"""A member's request to be forgotten, carried out by an operator."""

from typing import Annotated
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from pydantic import BaseModel, Field

from app.access import Access, access, viewer
from app.api.schemas import Incoming
from app.api.settlement_schemas import Month
from app.erasure import erase_proofs
from app.errors import InputError
from app.local_time import LocalMonth
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope
from app.storage.database import reading
from app.storage.store.community import the_community

erasure_api = APIBlueprint("erasure_api", __name__, tag="Settlement")


class ErasureRequest(Incoming):
    """`member` once more, because nothing brings back what is erased; `month` is the last one, all without it."""

    member: Annotated[str, Field(max_length=100)]
    month: Month | None = None


class ErasureAnswer(BaseModel):
    """Batches of the ledger in which the member's secrets were erased now, and how many still have one."""

    batches: list[int]
    kept: int


@erasure_api.post("/members/<member_id>/erasure")
@access(Access.OPERATOR, Scope.OPERATOR_WRITE)
@erasure_api.input(ErasureRequest)
@erasure_api.output(ErasureAnswer)
@erasure_api.doc(responses={404: "There is no such member", 409: "Another member is named in the request"})
def erase_member_proofs(member_id: str, json_data: ErasureRequest) -> ErasureAnswer:
    """Erase for good what proves the past of a member in the ledger."""
    if json_data.member != member_id:
        raise ProblemError(409, "another-member", "Name the same member in the address and in the request.")
    with reading(platform().engine) as connection:
        zone = ZoneInfo(the_community(connection).timezone)
    try:
        until_s = None if json_data.month is None else LocalMonth.parse(json_data.month, zone).end_s
    except (ValueError, OverflowError) as error:
        raise ProblemError(422, "no-month", str(error)) from error
    now_s = platform().now_s()
    try:
        erased = erase_proofs(platform().engine, member_id, until_s=until_s, at_s=now_s, actor=viewer().id)
    except InputError as error:
        raise ProblemError(404, "unknown-member", f"{error}.") from error
    return ErasureAnswer(batches=list(erased.sequences), kept=erased.kept)
