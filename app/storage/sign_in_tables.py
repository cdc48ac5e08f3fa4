"""The database tables of who is signed in, and by what: sessions, passkeys, one-time links, counted guesses.

Columns as in `tables`, which is where everybody imports them from. Secrets are here as hashes only.
"""

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class SignInRow(SQLModel, table=True):
    """A signed-in browser. Without its row a session cookie is worth nothing."""

    __tablename__ = "sign_in"
    secret_hash: str = Field(primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    means: str  # password | passkey | link
    device: str
    created_s: int = Field(sa_type=BigInteger)
    seen_s: int = Field(sa_type=BigInteger)


class PasskeyRow(SQLModel, table=True):
    """The public half of a passkey. `sign_count` is what its device counted last, 0 where it does not count."""

    __tablename__ = "passkey"
    credential_id: str = Field(primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    name: str
    public_key: str = Field(sa_type=Text)
    sign_count: int = Field(sa_type=BigInteger)
    created_s: int = Field(sa_type=BigInteger)
    used_s: int | None = Field(default=None, sa_type=BigInteger)


class SpentChallengeRow(SQLModel, table=True):
    """A challenge that was answered once; kept until it would be too old anyway."""

    __tablename__ = "spent_challenge"
    challenge_hash: str = Field(primary_key=True)
    expires_s: int = Field(sa_type=BigInteger)


class OneTimeLinkRow(SQLModel, table=True):
    """A link that signs a person in once."""

    __tablename__ = "one_time_link"
    code_hash: str = Field(primary_key=True)
    participant_id: str = Field(foreign_key="participant.id", index=True)
    purpose: str  # link | invitation | recovery
    expires_s: int = Field(sa_type=BigInteger)


class GuessCountRow(SQLModel, table=True):
    """How often something that can be guessed was tried in a span of time, by the hash of who and what."""

    __tablename__ = "guess_count"
    key_hash: str = Field(primary_key=True)
    hits: int
    expires_s: float
