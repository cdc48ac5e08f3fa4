"""The database tables of members' standing limits, now and as they were, and of what else they chose.

Columns as in `tables`, which is where everybody imports them from.
"""

from sqlalchemy import BigInteger, false
from sqlmodel import Field, SQLModel


class Preference(SQLModel, table=True):
    """A participant's standing limits; None means the community's default."""

    participant_id: str = Field(primary_key=True, foreign_key="participant.id")
    sell_at_least_micro_per_kwh: int | None = None
    buy_at_most_micro_per_kwh: int | None = None
    autonomy: str = "full"  # suggest | semi | full
    trading_paused: bool = False
    changed_s: int = Field(default=0, sa_type=BigInteger)


class PreferenceVersion(SQLModel, table=True):
    """A participant's standing limits from `changed_s` on: late readings are settled with the limits of then."""

    __tablename__ = "preference_version"
    participant_id: str = Field(primary_key=True, foreign_key="participant.id")
    changed_s: int = Field(primary_key=True, sa_type=BigInteger)
    sell_at_least_micro_per_kwh: int | None = None
    buy_at_most_micro_per_kwh: int | None = None
    autonomy: str = "full"
    trading_paused: bool = False


class MemberChoiceRow(SQLModel, table=True):
    """What a member chose about notices and about staying. `notices_seen_s`: notices up to then were looked at."""

    __tablename__ = "member_choice"
    participant_id: str = Field(primary_key=True, foreign_key="participant.id")
    by_mail: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    mailed_s: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    notices_seen_s: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    leave_asked_s: int | None = Field(default=None, sa_type=BigInteger)
    leave_erases: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
