"""Tables of what operators do in the browser, defined as in `tables`."""

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class MemberByHand(SQLModel, table=True):
    """A member that operators keep in the browser; every other one is the configuration's."""

    __tablename__ = "member_by_hand"
    participant_id: str = Field(primary_key=True, foreign_key="participant.id")
    added_s: int = Field(sa_type=BigInteger)


class TaskRow(SQLModel, table=True):
    """Work that an operator asked for and a worker does: it needs solver or power flow, which no web process loads."""

    __tablename__ = "task"
    id: int | None = Field(default=None, primary_key=True)
    kind: str  # replay | network
    subject: str
    asked_by: str
    asked_s: int = Field(sa_type=BigInteger)
    state: str = Field(default="waiting", index=True)  # waiting | done | failed
    ended_s: int | None = Field(default=None, sa_type=BigInteger)
    result_json: str | None = Field(default=None, sa_type=Text)


class FoundingStep(SQLModel, table=True):
    """What was filled in at one step of the founding of a community in the browser."""

    __tablename__ = "founding_step"
    step: str = Field(primary_key=True)
    values_json: str = Field(sa_type=Text)


class AlarmSeen(SQLModel, table=True):
    """An alarm that an operator has seen; `alarm` names it and what it is about."""

    __tablename__ = "alarm_seen"
    alarm: str = Field(primary_key=True)
    seen_by: str
    seen_s: int = Field(sa_type=BigInteger)
