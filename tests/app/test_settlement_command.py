"""`commonwatt settlement quantities` refuses in one line what it cannot take."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main


@pytest.mark.parametrize(
    ("file", "place", "reason"),
    [
        ("june.csv", ("--state", "nowhere"), "nowhere/community.sqlite does not exist: give the community's directory"),
        ("july.csv", ("--database", "sqlite://"), "july.csv"),
        ("latin.csv", ("--database", "sqlite://"), "latin.csv is not text in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, place: tuple[str, str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("june.csv").write_text("start,metering_point,bought_wh,sold_wh\n")
    Path("latin.csv").write_bytes("start,metering_point\nMühle".encode("latin-1"))
    result = CliRunner().invoke(main, ["settlement", "quantities", file, *place])
    assert (result.exit_code, reason in result.stderr, len(result.stderr.splitlines())) == (2, True, 1), result.output
