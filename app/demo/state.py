"""Where a demonstration keeps its things: one folder, each file with one owner."""

from pathlib import Path


class DemoState:
    """Paths inside the state folder of a demonstration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.folder / 'community.sqlite'}"

    @property
    def chain(self) -> Path:
        return self.folder / "chain"

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
    def ports(self) -> Path:
        return self.folder / "meter-ports.json"

    @property
    def gateway(self) -> Path:
        return self.folder / "gateway"
