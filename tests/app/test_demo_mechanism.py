"""`commonwatt demo --mechanism`: what is chosen holds from the first round, and only what exists can be chosen."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from app.cli import main
from app.demo.neighbourhood import Home, Neighbourhood
from app.demo.stage import found
from app.demo.state import DemoPlan, DemoState
from app.market_choice import choice_at
from app.storage.database import open_database, reading

FIRST_S = 1_464_213_600


def test_the_chosen_mechanism_holds_from_the_first_reading_and_again_after_a_restart(tmp_path: Path) -> None:
    home = Home(home_id="H001", bus=1, generation_w=0, battery_w=0, battery_wh=0, charger_w=0)
    nothing = np.zeros((96, 1))
    world = Neighbourhood(homes=(home,), first_start_s=FIRST_S, load_w=nothing, load_var=nothing, generation_w=nothing)
    plan = DemoPlan(
        network="none", day="2016-05-26", households=1, first_s=FIRST_S, intervals=2, seed="", mechanism="static_key"
    )
    state = DemoState(tmp_path)
    engine = open_database(state.database_url)
    for _ in range(2):
        found(engine, world, plan, state)
        with reading(engine) as connection:
            assert choice_at(connection, FIRST_S).mechanism == "static_key"


def test_a_mechanism_that_does_not_exist_is_refused_as_in_clear() -> None:
    refused = CliRunner().invoke(main, ["demo", "--mechanism", "lottery", "--no-serve"])
    assert refused.exit_code == 2
    assert "mechanism 'lottery' does not exist; choose from k_double_auction" in refused.output
