"""A network file made trustworthy: what is wrong with it, what its buses are called, and how to draw it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet


class NetworkError(Exception):
    """A network that cannot be used. Each error names the element and the remedy; the first is the message."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = tuple(errors)
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(f"{self.errors[0]}{more}")


def bus_names(net: "pandapowerNet") -> dict[int, str]:
    """Names by bus index; a bus without a name is called by its index."""
    return {int(bus): name if isinstance(name, str) and name else str(bus) for bus, name in net.bus.name.items()}
