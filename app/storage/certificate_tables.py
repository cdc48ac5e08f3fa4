"""The database tables of energy certificates: plants, what is minted and retired for whom, and what was corrected.

Columns as in `tables`.
"""

from sqlalchemy import BigInteger, LargeBinary, Text, false
from sqlmodel import Field, SQLModel


class CertifiedPlantRow(SQLModel, table=True):
    """A plant behind a metering point and the random pseudonym under which the chain knows it."""

    __tablename__ = "certified_plant"
    metering_point_id: str = Field(primary_key=True)
    source: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    pseudonym: bytes = Field(sa_type=LargeBinary)
    admitted: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class CertificateBatchRow(SQLModel, table=True):
    """Certificates of the intervals of one settlement batch, and the newest month's run that looked at them."""

    __tablename__ = "certificate_batch"
    sequence: int = Field(primary_key=True)
    first_start_s: int = Field(index=True, sa_type=BigInteger)
    run: str
    state: str  # prepared | minted | final
    totals_json: str = Field(sa_type=Text)  # certificate id -> [Wh generated, Wh consumed]
    generated_root: bytes = Field(sa_type=LargeBinary)
    consumed_root: bytes = Field(sa_type=LargeBinary)
    readings_root: bytes = Field(sa_type=LargeBinary)


class CertificatePartRow(SQLModel, table=True):
    """A member's shares of a batch: zlib-compressed JSON of Wh by certificate id, and their leaves in the trees."""

    __tablename__ = "certificate_part"
    sequence: int = Field(primary_key=True)
    participant_id: str = Field(primary_key=True)
    shares_z: bytes = Field(sa_type=LargeBinary)
    generated_leaf: bytes = Field(sa_type=LargeBinary)  # empty without a share
    consumed_leaf: bytes = Field(sa_type=LargeBinary)


class CertificateCorrectionRow(SQLModel, table=True):
    """What a later run found too much in an interval, and is to be burned."""

    __tablename__ = "certificate_correction"
    certificate_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    run: str = Field(primary_key=True)
    sequence: int = Field(index=True)
    metered_wh: int = Field(sa_type=BigInteger)
    burned: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class CertifiedRunRow(SQLModel, table=True):
    """A month's run whose certificates are prepared."""

    __tablename__ = "certified_run"
    first_start_s: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    name: str = Field(primary_key=True)
