"""Which process serves the simulated meters of a state folder."""

import fcntl
import os
from pathlib import Path

from app.demo.meters import MeterProcess
from app.demo.state import DemoState


def test_a_process_that_is_just_starting_is_waited_for(tmp_path: Path) -> None:
    state = DemoState(tmp_path)
    with state.meters_ready.open("w+") as ready:
        fcntl.flock(ready, fcntl.LOCK_EX)
        assert MeterProcess(state).process_id() is None
        ready.write(str(os.getpid()))
        ready.flush()
        assert MeterProcess(state).process_id() == os.getpid()


def test_a_process_that_is_gone_serves_nothing(tmp_path: Path) -> None:
    state = DemoState(tmp_path)
    assert MeterProcess(state).process_id() is None
    state.meters_ready.write_text("12345")
    assert MeterProcess(state).process_id() is None
