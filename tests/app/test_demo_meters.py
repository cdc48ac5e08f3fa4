"""The meter process of a demonstration: started, found again, and moved when its ports are taken."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from app.demo.meter_process import HOST
from app.demo.meters import MeterProcess
from app.demo.neighbourhood import Home, Neighbourhood
from app.demo.state import DemoState
from meters.clock import SimulatedClock

START = datetime(2016, 5, 26, tzinfo=UTC)


def a_street(folder: Path) -> tuple[DemoState, Neighbourhood]:
    state = DemoState(folder)
    homes = tuple(Home(home_id=f"H{k}", bus=k, generation_w=0, battery_w=0, battery_wh=0) for k in (1, 2))
    powers = np.full((8, 2), 100.0)
    world = Neighbourhood(
        homes=homes, first_start_s=int(START.timestamp()), load_w=powers, load_var=powers * 0, generation_w=powers * 0
    )
    world.save(state.world)
    SimulatedClock(state.clock, start=START)
    return state, world


def test_meters_whose_port_was_taken_meanwhile_answer_at_another(tmp_path: Path) -> None:
    state, world = a_street(tmp_path)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        state.ports.write_text(json.dumps({"H1": port, "H2": port + 1}))
        meters = MeterProcess(state)
        try:
            moved = meters.ensure(world)
            assert port not in moved.values()
            for chosen in moved.values():
                socket.create_connection((HOST, chosen), timeout=5).close()
        finally:
            meters.close()


def test_meters_that_are_alive_are_used_again_and_end_with_the_last_user(tmp_path: Path) -> None:
    state, world = a_street(tmp_path)
    first, second = MeterProcess(state), MeterProcess(state)
    try:
        ports = first.ensure(world)
        serving = first.process_id()
        assert second.ensure(world) == ports
        assert second.process_id() == serving
    finally:
        second.close()
    assert serving is not None
    first.close()
    assert not Path(f"/proc/{serving}").exists()
