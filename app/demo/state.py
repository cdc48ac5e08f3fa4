"""Where a demonstration keeps its things: one folder, each file with one owner."""

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from app.errors import InputError
from app.market_choice import Timing
from matching.mechanisms import DEFAULT_MECHANISM


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlan:
    """What is played. `intervals` quarter-hours from `first_s`; a full day begins at local midnight."""

    network: str
    day: str
    households: int | None
    first_s: int
    intervals: int
    seed: str
    mechanism: str = DEFAULT_MECHANISM
    timing: str = Timing.EX_ANTE
    islanded: bool = False

    @property
    def date(self) -> date:
        return date.fromisoformat(self.day)


class DemoState:
    """Paths inside the state folder of a demonstration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.folder / 'community.sqlite'}"

    @property
    def chain(self) -> Path:
        return self.folder / "chain.sqlite"

    @property
    def settler_key(self) -> Path:
        return self.folder / "keys" / "settler"

    @property
    def settler_lock(self) -> Path:
        return self.folder / "settler.lock"

    @property
    def clock(self) -> Path:
        return self.folder / "clock"

    @property
    def world(self) -> Path:
        return self.folder / "neighbourhood.npz"

    @property
    def sites(self) -> Path:
        return self.folder / "sites.sqlite"

    @property
    def switches(self) -> Path:
        return self.folder / "load-switches.json"

    @property
    def unit(self) -> Path:
        return self.folder / "grid-forming-unit.json"

    @property
    def ports(self) -> Path:
        return self.folder / "meter-ports.json"

    @property
    def meters_log(self) -> Path:
        return self.folder / "meters.log"

    @property
    def meters_lock(self) -> Path:
        return self.folder / "meters.lock"

    @property
    def meters_ready(self) -> Path:
        return self.folder / "meters.ready"

    @property
    def owner(self) -> Path:
        return self.folder / "demonstration.process"

    @property
    def sign_ins(self) -> Path:
        return self.folder / "sign-ins.json"

    @property
    def opening(self) -> Path:
        return self.folder / "batteries-at-start.json"

    def gateway(self, gateway_id: str) -> Path:
        """State of one gateway."""
        return self.folder / "gateways" / gateway_id

    def adopt(self, plan: DemoPlan) -> None:
        """Remember what is played here. Raises InputError if the folder holds another demonstration."""
        file = self.folder / "plan.json"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(file, json.dumps(asdict(plan)))
            return
        known = DemoPlan(**json.loads(file.read_text()))
        if known != plan:
            raise InputError(
                f"{self.folder} holds a demonstration of {known.day} with other options: choose another --state folder"
            )


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that a crash leaves the old one or the new one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)
