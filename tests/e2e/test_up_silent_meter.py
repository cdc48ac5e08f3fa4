"""A meter that nobody answers for: said once an interval, rounds go on, and nothing is settled on a guess."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rehearsal import rehearsal, wait_for

CONFIG = """
[community]
name = "Silent Street"
network = "transformer:100"
market_time_unit_minutes = 5

[settlement]
period_minutes = 5

[web]
listen = "127.0.0.1:0"

[[members]]
id = "anna"
name = "Anna"
supplier_price_micro_per_kwh = 190000
feed_in_price_micro_per_kwh = 70000

[members.meter]
profile = "eastron_sdm630"
address = "tcp://127.0.0.1:1"
"""


def _both(log: Path, said: str, states: Callable[[], dict[int, str]], minute: int) -> bool:
    return said in log.read_text() and states().get(minute) == "cleared"


def test_a_silent_meter_is_named_in_one_line_and_rounds_go_on(tmp_path: Path) -> None:
    stage = rehearsal(tmp_path, start=datetime(2026, 5, 12, 11, 3, tzinfo=UTC))
    (tmp_path / "commonwatt.toml").write_text(CONFIG)
    log = tmp_path / "up.err"

    def states() -> dict[int, str]:
        with closing(sqlite3.connect(f"file:{tmp_path}/state/community.sqlite?mode=ro", uri=True)) as database:
            return dict(database.execute("SELECT (start_s / 300) % 12 * 5, state FROM market_round"))

    try:
        stage.start("up", "up", until=r"(?m)^(http://127\.0\.0\.1:\d+)$")
        up = stage.processes["up"]
        wait_for(lambda: "reading meters" in log.read_text(), process=up, log=log)
        for minute in (5, 10):
            stage.move_to(datetime(2026, 5, 12, 11, minute, 1, tzinfo=UTC))
            said = f"D-anna was not read at 11:{minute:02}"
            wait_for(partial(_both, log, said, states, minute + 5), process=up, log=log)
        assert states().keys() >= {5, 10, 15}
        assert "settled" not in states().values()
        assert stage.stop("up") == 0
        assert log.read_text().count("was not read at") == 2
        assert "Traceback" not in log.read_text()
    finally:
        stage.close()
