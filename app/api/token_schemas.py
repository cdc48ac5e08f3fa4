"""What the API says of tokens."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.access_tokens import DAY_S, NAME_CHARACTERS_MAX, TOKEN_S, TOKEN_S_MAX
from app.api.schemas import NO_TEXT, Incoming
from app.scopes import Scope

TokenScope = Annotated[Scope, Field(description="see the scopes of each operation under security")]


class TokenRequest(Incoming):
    """Email and password, a name by which to know the token again, what it may do, and for how many days.

    Without scopes it may do all that you may.
    """

    email: str = Field(max_length=200)
    password: str = Field(max_length=200)
    name: str = Field(default="API", min_length=1, max_length=NAME_CHARACTERS_MAX)
    scopes: list[TokenScope] | None = Field(default=None, min_length=1)
    days: Annotated[int, Field(ge=1, le=TOKEN_S_MAX // DAY_S), NO_TEXT] = TOKEN_S // DAY_S


class TokenNoteAnswer(BaseModel):
    """A token of yours, without the token itself. `used_s` is to the hour, null if it was never used."""

    id: str
    name: str
    scopes: list[TokenScope]
    created_s: int
    expires_s: int
    used_s: int | None


class TokenAnswer(TokenNoteAnswer):
    """Shown once; send it as `Authorization: Bearer TOKEN`."""

    token: str


class TokensAnswer(BaseModel):
    """Your tokens, the newest first."""

    tokens: list[TokenNoteAnswer]
