"""`commonwatt worker` as a process: beside a served chain, with its health check, until SIGTERM."""

from datetime import UTC, datetime
from pathlib import Path

from rehearsal import rehearsal

CONFIG = """
[community]
name = "Two Processes"
network = "transformer:100"

[chain]
url = "{chain}"

[[members]]
id = "anna"
name = "Anna"
supplier_price_micro_per_kwh = 190000
feed_in_price_micro_per_kwh = 70000
"""


def test_a_worker_runs_beside_a_served_chain_shows_that_it_lives_and_ends_on_sigterm(tmp_path: Path) -> None:
    stage = rehearsal(tmp_path, start=datetime(2026, 5, 12, 11, 3, tzinfo=UTC))
    try:
        chain = stage.start(
            "chain", "chain", "serve", "--state", "chain", "--listen", "127.0.0.1:0", until=r"(http\S+)"
        )
        (tmp_path / "commonwatt.toml").write_text(CONFIG.format(chain=chain))
        before = stage.run("worker", "--config", "commonwatt.toml", "--check")
        assert (before.returncode, before.stderr.startswith("Error: no worker has run")) == (2, True)
        stage.start("worker", "worker", "--config", "commonwatt.toml", until="(the worker runs)")
        after = stage.run("worker", "--config", "commonwatt.toml", "--check")
        assert (after.returncode, after.stdout) == (0, "the worker is leading\n")
        assert stage.stop("worker") == 0
        assert "round cleared" in (tmp_path / "worker.err").read_text()
        assert "Traceback" not in (tmp_path / "worker.err").read_text()
    finally:
        stage.close()
