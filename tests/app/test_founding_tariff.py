"""The tariff of a configuration: a first one, later versions that never reach into the past, and mistakes by name."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.community_settings import CommunitySettings
from app.errors import InputError
from app.storage.database import writing
from app.storage.store.community import tariff_versions
from app.tariff_file import TariffVersion, adopt_tariff, tariff_toml, tariff_version
from contracts.tariff import Tariff

COMMUNITY = CommunitySettings(name="Hill Road", network="transformer:100")
FIRST_S, NEXT_S = 1_778_536_800, 1_778_580_000
TEXT = tariff_toml(Tariff(version="2026"))


def read(folder: Path, text: str, name: str = "tariff.toml") -> TariffVersion:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return tariff_version(file, COMMUNITY, ())


def adopt(engine: Engine, version: TariffVersion, *, next_s: int = NEXT_S) -> list[str]:
    with writing(engine) as connection:
        return adopt_tariff(connection, version, first_s=FIRST_S, next_s=next_s)


def starts(engine: Engine) -> list[int]:
    with writing(engine) as connection:
        return [start_s for start_s, _ in tariff_versions(connection)]


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    tariff = Tariff(version="2026")
    assert read(tmp_path, TEXT).tariff == tariff
    assert read(tmp_path, json.dumps(tariff.to_json()), "tariff.json").tariff == tariff


def test_without_a_file_there_is_a_default_in_the_communitys_currency() -> None:
    francs = CommunitySettings(name="Hill Road", network="transformer:100", currency="CHF")
    assert tariff_version(None, francs, ()).tariff.currency == "CHF"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = ", "is not TOML"),
        (TEXT.replace("levies_micro", "levy_micro"), "levies_micro_per_kwh: is missing"),
        (TEXT.replace('version = "2026"', 'version = "2026"\ncolour = "green"'), "colour: is unknown"),
        (TEXT.replace("platform_fee_micro_per_kwh = 5000", "platform_fee_micro_per_kwh = 0.005"), "not an integer"),
        (TEXT.replace('"EUR"', '"CHF"'), "currency is CHF, the community's is EUR"),
        ('valid_from = "soon"\n' + TEXT, "write a day as YYYY-MM-DD"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        read(tmp_path, text)
    assert "tariff.toml" in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tariff.toml does not exist"):
        tariff_version(tmp_path / "tariff.toml", COMMUNITY, ())


def test_the_first_tariff_holds_from_the_beginning_and_once(engine: Engine, tmp_path: Path) -> None:
    assert adopt(engine, read(tmp_path, TEXT)) == ["tariff 2026 is in force"]
    assert adopt(engine, read(tmp_path, TEXT)) == []
    assert starts(engine) == [FIRST_S]


def test_a_changed_tariff_holds_from_the_next_open_gate_or_from_its_day(engine: Engine, tmp_path: Path) -> None:
    adopt(engine, read(tmp_path, TEXT))
    adopt(engine, read(tmp_path, TEXT.replace("= 5000", "= 6000")))
    planned = 'valid_from = "2027-01-01"\n' + TEXT.replace("= 5000", "= 7000")
    new_year_s = 1_798_758_000
    assert adopt(engine, read(tmp_path, planned)) == ["tariff 2026 holds from 2026-12-31 23:00 UTC"]
    assert adopt(engine, read(tmp_path, planned)) == []
    assert adopt(engine, read(tmp_path, planned), next_s=new_year_s + 86_400) == []
    assert starts(engine) == [FIRST_S, NEXT_S, new_year_s]


def test_a_change_of_the_past_is_refused(engine: Engine, tmp_path: Path) -> None:
    adopt(engine, read(tmp_path, TEXT))
    with pytest.raises(InputError, match="never changes past bills"):
        adopt(engine, read(tmp_path, 'valid_from = "2026-01-01"\n' + TEXT.replace("= 5000", "= 6000")))
    assert starts(engine) == [FIRST_S]
