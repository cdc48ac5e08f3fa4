"""Settings: one frozen object; whatever is wrong is named with its place and remedy."""

import stat
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import InputError

EXAMPLE = """
state = "data"

[community]
name = "Hill Road"
network = "transformer:100"
market_time_unit_minutes = 5

[web]
listen = "192.0.2.1:9000"

[[members]]
id = "anna"
name = "Anna"
supplier_price_micro_per_kwh = 300000
feed_in_price_micro_per_kwh = 80000
generation_w = 5000
generation_controllable = true
bus = 7
meter = { address = "tcp://127.0.0.1:5020", profile = "eastron_sdm630" }

[[members]]
id = "bela"
name = "Bela"
supplier_price_micro_per_kwh = 290000
feed_in_price_micro_per_kwh = 80000
"""
SECRET = {"COMMONWATT_SECRET_KEY": "k" * 40}
DEPLOYED = {
    "COMMONWATT_ENVIRONMENT": "deployed",
    "COMMONWATT_PUBLIC_URL": "https://hill.example.org",
    "COMMONWATT_SECRET_KEY": "4f9c2a7be1d05386" * 4,  # pragma: allowlist secret
}


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "commonwatt.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_becomes_one_frozen_object(tmp_path: Path) -> None:
    settings = Settings.load(_written(tmp_path, EXAMPLE), SECRET)
    assert settings.community is not None
    assert (settings.community.name, settings.community.market_time_unit_minutes) == ("Hill Road", 5)
    assert settings.state == tmp_path / "data"
    assert settings.database_url == f"sqlite:///{tmp_path / 'data' / 'community.sqlite'}"
    assert (settings.web.host, settings.web.port) == ("192.0.2.1", 9000)
    anna, bela = settings.members
    assert (anna.bus, anna.generation_controllable, bela.bus, bela.meter) == ("7", True, "", None)
    assert anna.meter is not None
    assert (anna.meter.address, anna.meter.device_id) == ("tcp://127.0.0.1:5020", 1)
    with pytest.raises(FrozenInstanceError):
        settings.state = tmp_path


def test_the_environment_stands_before_the_file(tmp_path: Path) -> None:
    env = SECRET | {
        "COMMONWATT_STATE": "/var/lib/hill",
        "COMMONWATT_LISTEN": "127.0.0.1:1234",
        "COMMONWATT_DATABASE_URL": "postgresql://me@db/hill",
        "COMMONWATT_CHAIN_URL": "http://chain:8545",
        "COMMONWATT_TRUSTED_PROXIES": "1",
    }
    settings = Settings.load(_written(tmp_path, EXAMPLE), env)
    assert settings.state == Path("/var/lib/hill")
    assert (settings.web.port, settings.web.trusted_proxies) == (1234, 1)
    assert settings.database_url == "postgresql://me@db/hill"
    assert settings.chain_url == "http://chain:8545"


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("z" * 40 + "\n")
    (tmp_path / "password").write_text("p@ss/word\n")
    env = {
        "COMMONWATT_SECRET_KEY_FILE": str(tmp_path / "key"),
        "COMMONWATT_DATABASE_URL": "postgresql://me@db/hill",
        "COMMONWATT_DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
    }
    settings = Settings.load(None, env)
    assert settings.secret_key == "z" * 40
    assert settings.database_url == "postgresql://me:p%40ss%2Fword@db/hill"  # pragma: allowlist secret


def test_a_local_community_makes_its_own_secret_once(tmp_path: Path) -> None:
    env = {"COMMONWATT_STATE": str(tmp_path)}
    first, second = Settings.load(None, env), Settings.load(None, env)
    assert len(first.secret_key) == 64
    assert first.secret_key == second.secret_key
    assert stat.S_IMODE((tmp_path / "keys" / "web-secret").stat().st_mode) == 0o600


def test_a_deployed_community_with_its_own_secret_and_https_is_taken() -> None:
    settings = Settings.load(None, DEPLOYED)
    assert not settings.is_local
    assert settings.web.is_encrypted
    assert settings.web.base_url == "https://hill.example.org"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"COMMONWATT_SECRET_KEY": ""}, "COMMONWATT_SECRET_KEY_FILE is not set"),
        (
            {"COMMONWATT_SECRET_KEY": "commonwatt-demo-" * 4},  # pragma: allowlist secret
            "is a public example: make your own",
        ),
        ({"COMMONWATT_SECRET_KEY": "change-me" * 9}, "is a public example"),  # pragma: allowlist secret
        ({"COMMONWATT_SECRET_KEY": "4f9c2a7be1d0"}, "has 12 characters: use 32 or more"),  # pragma: allowlist secret
        ({"COMMONWATT_PUBLIC_URL": "http://hill.example.org"}, "web.public_url: is needed when deployed"),
        ({"COMMONWATT_ENVIRONMENT": "prod"}, "environment: is 'prod': use one of local, deployed"),
        ({"COMMONWATT_SECRET_KEY_FILE": "/nonexistent"}, "are both set"),
        ({"COMMONWATT_DATABASE_PASSWORD_FILE": "/nonexistent"}, "cannot read /nonexistent: No such file"),
        ({"COMMONWATT_TRUSTED_PROXIES": "all"}, "web.trusted_proxies"),
        ({"COMMONWATT_CHAIN_URL": "chain:8545"}, "chain.url"),
        ({"COMMONWATT_LISTEN": "8080"}, "web.listen: is '8080': write HOST:PORT"),
        ({"COMMONWATT_DATABASE_URL": "my database"}, "database.url: is not a database URL"),
    ],
)
def test_a_deployment_that_is_not_safe_or_not_clear_does_not_start(change: dict[str, str], says: str) -> None:
    with pytest.raises(InputError) as refused:
        Settings.load(None, DEPLOYED | change)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


BAD_FILES = {
    "typo in a section": ("comunity = 1", "'comunity' is unknown: did you mean 'community'?"),
    "typo in a key": ("[community]\nname='a'\nnetwork='b'\ncurrancy='EUR'", "community.currancy: is unknown here"),
    "no name": ("[community]\nnetwork='b'", "community.name: is missing"),
    "empty name": ("[community]\nname=' '\nnetwork='b'", "community.name: is empty"),
    "currency": ("[community]\nname='a'\nnetwork='b'\ncurrency='euro'", "community.currency: is 'euro'"),
    "unit": ("[community]\nname='a'\nnetwork='b'\nmarket_time_unit_minutes=7", "community.market_time_unit_minutes"),
    "zone": ("[community]\nname='a'\nnetwork='b'\ntimezone='Mars/Base'", "community.timezone: 'Mars/Base' is not"),
    "not toml": ("state = ", "is not TOML"),
    "a password": (
        "[database]\nurl='postgresql://me:pw@db/hill'",  # pragma: allowlist secret
        "database.url: holds a password",
    ),
    "text for a number": ("[web]\nsession_hours='12'", "web.session_hours: is '12', not an integer"),
    "member twice": (EXAMPLE.replace('"bela"', '"anna"'), "members[1].id: 'anna' is there twice"),
    "prices swapped": (EXAMPLE.replace("= 80000", "= 400000"), "members[0].feed_in_price_micro_per_kwh: is above"),
    "no price": ("[[members]]\nid='a'\nname='A'", "members[0].supplier_price_micro_per_kwh: is missing"),
    "device id": (EXAMPLE.replace('"eastron_sdm630"', '"x", device_id = 300'), "members[0].meter.device_id: is 300"),
}


@pytest.mark.parametrize(("text", "says"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        Settings.load(_written(tmp_path, text), SECRET)
    assert str(refused.value).startswith(f"{tmp_path / 'commonwatt.toml'}: ") or "is not TOML" in str(refused.value)
    assert says in str(refused.value)


def test_a_file_that_is_not_there_is_named_with_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: write one with `commonwatt init`"):
        Settings.load(tmp_path / "commonwatt.toml", SECRET)
