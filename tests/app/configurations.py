"""Configurations for tests of founding: two members on a transformer, and what a test changes of it."""

from pathlib import Path

from app.config import Settings

COMMUNITY = """
[community]
name = "Hill Road"
network = "transformer:100"
market_time_unit_minutes = 15
"""

MEMBER = """
[[members]]
id = "{id}"
name = "{name}"
email = "{id}@example.org"
supplier_price_micro_per_kwh = {price}
feed_in_price_micro_per_kwh = 70000

[members.meter]
profile = "eastron_sdm630"
address = "tcp://127.0.0.1:{port}"
"""


def member(name: str, *, price: int = 190_000, port: int = 1) -> str:
    return MEMBER.format(id=name.lower(), name=name, price=price, port=port)


ANNA, BEN, CEM = member("Anna", port=1501), member("Ben", port=1502), member("Cem", port=1503)


def settings_from(folder: Path, text: str) -> Settings:
    """Settings of a file with this text."""
    file = folder / "commonwatt.toml"
    file.write_text(text, encoding="utf-8")
    return Settings.load(file, {"COMMONWATT_SECRET_KEY": "t" * 40})
