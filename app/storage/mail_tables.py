"""The database table of letters that wait for the mail server.

Columns as in `tables`, which is where everybody imports them from.
"""

from sqlalchemy import BigInteger, Text
from sqlmodel import Field, SQLModel


class LetterRow(SQLModel, table=True):
    """A letter until the mail server has taken it; then its row goes.

    sign_in_for  who gets a one-time link in it: the link is made when the letter is sent and is never stored
    """

    __tablename__ = "letter"
    id: str = Field(primary_key=True)
    to_address: str
    subject: str
    text: str = Field(sa_type=Text)
    sign_in_for: str | None = Field(default=None, foreign_key="participant.id")
    posted_s: int = Field(sa_type=BigInteger)
    expires_s: int = Field(sa_type=BigInteger)
    tries: int = 0
    next_try_s: int = Field(index=True, sa_type=BigInteger)
    failure: str = ""  # of the last try
