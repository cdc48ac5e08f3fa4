"""The database tables of programs that call the API: their tokens, and answers for who repeats a request.

Columns as in `tables`, which is where everybody imports them from.
"""

from sqlalchemy import BigInteger, Text, text
from sqlmodel import Field, SQLModel


class AccessToken(SQLModel, table=True):
    """A participant's key to the API, for programs of their own. Only the hash of it is known here."""

    __tablename__ = "access_token"
    token_hash: str = Field(primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    name: str
    scopes: str = Field(sa_column_kwargs={"server_default": text("''")})  # with spaces between
    created_s: int = Field(sa_type=BigInteger)
    expires_s: int = Field(sa_type=BigInteger)
    used_s: int | None = Field(default=None, sa_type=BigInteger)


class KeptAnswerRow(SQLModel, table=True):
    """The answer to a request with an idempotency key, sealed with that key, which is not stored itself."""

    __tablename__ = "kept_answer"
    key_hash: str = Field(primary_key=True)  # of caller and key
    request_hash: str
    answer: str = Field(default="", sa_type=Text)
    expires_s: int = Field(sa_type=BigInteger, index=True)
