"""Flows from the left to the right: nodes as bars, flows as ribbons as thick as their energy."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.web.charts.axis import PLOT_WIDTH

FLOW_HEIGHT = 190
"""Pixels of the whole of a side's energy."""

LABEL_HEIGHT = 42
"""Pixels that the two lines beside a node need."""

NODE_WIDTH = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Energy from a node on the left to one on the right, Wh. `series` says what kind of energy it is."""

    source: str
    target: str
    energy_wh: int
    series: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SankeyNode:
    """A bar from `y` down, with all the energy that leaves or reaches it."""

    name: str
    y: float
    height: float
    energy_wh: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ribbon:
    """A flow as a closed path."""

    flow: Flow
    path: str
    thickness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sankey:
    """Geometry in a plot of 1000 x `height`."""

    left: tuple[SankeyNode, ...]
    right: tuple[SankeyNode, ...]
    ribbons: tuple[Ribbon, ...]
    height: float
    node_width: int = NODE_WIDTH


def sankey(flows: Sequence[Flow]) -> Sankey:
    """Geometry of flows; nodes stand in the order in which they are first named. Flows of nothing are left out."""
    real = [flow for flow in flows if flow.energy_wh]
    scale = FLOW_HEIGHT / max(1, sum(flow.energy_wh for flow in real))
    left = _nodes([(flow.source, flow.energy_wh) for flow in real], scale)
    right = _nodes([(flow.target, flow.energy_wh) for flow in real], scale)
    left_at, right_at = ({node.name: node.y for node in side} for side in (left, right))
    order = {node.name: index for index, node in enumerate(right)}
    ribbons = []
    # Ribbons leave a node in the order in which they arrive, so that those of one node never cross each other.
    for flow in sorted(real, key=lambda flow: order[flow.target]):
        thickness = flow.energy_wh * scale
        ribbons.append(
            Ribbon(flow=flow, path=_ribbon(left_at[flow.source], right_at[flow.target], thickness), thickness=thickness)
        )
        left_at[flow.source] += thickness
        right_at[flow.target] += thickness
    height = max((side[-1].y + max(side[-1].height, LABEL_HEIGHT) for side in (left, right) if side), default=0)
    return Sankey(left=left, right=right, ribbons=tuple(ribbons), height=height)


def _nodes(parts: Sequence[tuple[str, int]], scale: float) -> tuple[SankeyNode, ...]:
    energy: dict[str, int] = {}
    for name, wh in parts:
        energy[name] = energy.get(name, 0) + wh
    nodes, y = [], 0.0
    for name, wh in energy.items():
        nodes.append(SankeyNode(name=name, y=y, height=wh * scale, energy_wh=wh))
        y += max(wh * scale + 10, LABEL_HEIGHT)
    return tuple(nodes)


def _ribbon(y_left: float, y_right: float, thickness: float) -> str:
    start, end, middle = NODE_WIDTH, PLOT_WIDTH - NODE_WIDTH, PLOT_WIDTH / 2
    return (
        f"M{start} {y_left:.1f}C{middle} {y_left:.1f} {middle} {y_right:.1f} {end} {y_right:.1f}"
        f"v{thickness:.2f}"
        f"C{middle} {y_right + thickness:.1f} {middle} {y_left + thickness:.1f} {start} {y_left + thickness:.1f}z"
    )
