"""`commonwatt init` and what `commonwatt up` and `worker` refuse: one line, exit code 2, no traceback."""

import re
import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.auth import spend_sign_in_code
from app.cli import main
from app.community_process import CommunityProcess
from app.config import Settings
from app.errors import InputError
from app.founding import found
from app.storage.database import open_database, writing
from app.storage.store.members import participants
from app.worker import network_of
from meters.clock import system_clock
from tests.app.configurations import ANNA, BEN, COMMUNITY, settings_from

LINK = re.compile(r"http://127\.0\.0\.1:8080/sign-in/link/(\S+)")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_writes_files_a_link_and_what_is_missing(folder: Path) -> None:
    result = run("init")
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == {"commonwatt.toml", "tariff.toml", "state"}
    for gap in ("community.name", "LESS SAFE".lower(), "member anna: the meter's address", "public_url", "tariff.toml"):
        assert gap in result.output
    assert LINK.search(result.output)


def test_the_example_founds_a_community_as_it_stands(folder: Path) -> None:
    run("init")
    settings = Settings.load(Path("commonwatt.toml"), {})
    engine = open_database(settings.database_url)
    assert settings.community is not None
    done = found(engine, settings, network_of(settings.community.network), now_s=1_778_580_000)
    assert {"member anna added", "member ben added", "tariff 1 is in force"} <= set(done)
    engine.dispose()


def test_the_link_signs_the_operator_in_once_and_a_second_init_replaces_it(folder: Path) -> None:
    links = [LINK.findall(run("init", "--email", "olga@example.org").output)[0] for _ in range(2)]
    engine = open_database(Settings.load(Path("commonwatt.toml"), {}).database_url)
    now_s = int(system_clock().timestamp())
    with writing(engine) as connection:
        assert [person.email for person in participants(connection)] == ["olga@example.org"]
        assert spend_sign_in_code(connection, links[0], now_s=now_s) is None
        assert spend_sign_in_code(connection, links[1], now_s=now_s).roles == {"operator"}
        assert spend_sign_in_code(connection, links[1], now_s=now_s) is None
    engine.dispose()


def test_init_keeps_a_configuration_that_exists(folder: Path) -> None:
    Path("commonwatt.toml").write_text(COMMUNITY + ANNA + BEN)
    result = run("init")
    assert "exists and is kept" in result.output
    assert Path("commonwatt.toml").read_text() == COMMUNITY + ANNA + BEN


def test_a_link_for_a_member_who_has_not_joined_yet_says_when(folder: Path) -> None:
    run("init")
    result = run("init", "--link-for", "anna")
    assert result.exit_code == 2
    assert "joins when `commonwatt up` starts" in result.output


def test_a_link_for_a_stranger_is_refused(folder: Path) -> None:
    run("init")
    result = run("init", "--link-for", "nobody")
    assert (result.exit_code, result.stderr) == (2, "Error: there is no member 'nobody'\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "commonwatt.toml does not exist: write one with `commonwatt init`"),
        ("x = 1", "'x' is unknown"),
        ("", "no [community]"),
        (COMMUNITY, "no [[members]]"),
        (COMMUNITY + ANNA + BEN.replace("1502", "1501"), "anna and ben have the same meter tcp://127.0.0.1:1501"),
        (COMMUNITY + ANNA.replace("eastron_sdm630", "abacus"), "members, meter 1: "),
        (COMMUNITY + ANNA.replace("tcp://127.0.0.1:1501", "somewhere"), "members, meter 1: "),
        (COMMUNITY + "[settlement]\nperiod_minutes = 20\n" + ANNA, "use a multiple of the interval, 15 minutes"),
        (
            COMMUNITY + '[web]\nlisten = "127.0.0.1:0"\n' + ANNA.replace('"Anna"', '"Anna"\nbus = "q"'),
            "no bus named 'q'",
        ),
    ],
)
def test_up_names_what_is_wrong_with_the_file(folder: Path, text: str | None, said: str) -> None:
    if text is not None:
        Path("commonwatt.toml").write_text(text)
    result = run("up")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.stderr


def test_a_community_is_kept_in_the_file_or_in_the_browser(folder: Path) -> None:
    Path("commonwatt.toml").write_text(COMMUNITY + ANNA)
    result = run("up", "--browser")
    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert "start without --browser, or leave the section out" in result.stderr


def test_up_names_a_port_in_use_before_it_does_anything(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f'[web]\nlisten = "127.0.0.1:{other.getsockname()[1]}"\n'
        settings = settings_from(tmp_path, COMMUNITY + listen + ANNA)
        with pytest.raises(InputError, match="cannot be used"):
            CommunityProcess(settings, clock=system_clock, stopped=threading.Event())
    assert not (tmp_path / "state" / "community.sqlite").exists()


def test_a_second_up_on_the_same_state_is_refused(tmp_path: Path) -> None:
    settings = settings_from(tmp_path, COMMUNITY + '[web]\nlisten = "127.0.0.1:0"\n' + ANNA)
    first = CommunityProcess(settings, clock=system_clock, stopped=threading.Event())
    second = CommunityProcess(settings, clock=system_clock, stopped=threading.Event())
    try:
        assert first.open()
        with pytest.raises(InputError, match="already in use by process"):
            second.open()
    finally:
        second.close()
        first.close()


def test_the_health_check_tells_a_worker_that_never_ran(folder: Path) -> None:
    result = run("worker", "--check")
    assert result.exit_code == 2
    assert "no worker has run in state" in result.stderr
