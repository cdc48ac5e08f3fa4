"""Positions for a picture of a network that has none of its own."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from grid.limits import FloatArray

CANVAS = 1000.0


def tree_layout(buses: Sequence[int], edges: Sequence[tuple[int, int]], roots: Sequence[int]) -> FloatArray:
    """[n_bus, 2] positions: x is the number of branches from the roots, y keeps subtrees apart.

    Rings are cut where a breadth-first walk closes them; what no root reaches is put beside as further trees.
    """
    neighbours: dict[int, list[int]] = {bus: [] for bus in buses}
    for one, other in edges:
        neighbours[one].append(other)
        neighbours[other].append(one)
    depth: dict[int, int] = {}
    children: dict[int, list[int]] = {bus: [] for bus in buses}
    order: list[int] = []
    starts = [*roots, *buses]
    for start in starts:
        if start not in depth:
            depth[start] = 0
            order += _walk(start, neighbours, depth, children)
    tops = [bus for bus in order if depth[bus] == 0]
    height = _heights(tops, children, order)
    return np.array([[depth[bus], height[bus]] for bus in buses], dtype=np.float64)


def above_their_partner(places: FloatArray, pairs: Sequence[tuple[int, int]]) -> FloatArray:
    """The same positions with the first of each pair put a little above (smaller y) the second."""
    moved = places.copy()
    rise = (places[:, 1].max() - places[:, 1].min()) * 0.06
    for one, partner in pairs:
        moved[one] = places[partner] - (0.0, rise)
    return moved


def fit_to_canvas(places: FloatArray) -> FloatArray:
    """Shift and scale each direction into 0..1000; a picture flatter than 1 to 3 stays flat."""
    low = places.min(axis=0)
    span = places.max(axis=0) - low
    span[span == 0.0] = 1.0
    widest = span.max()
    span = np.maximum(span, widest / 3.0)
    fitted: FloatArray = np.round((places - low) / span * CANVAS, 1)
    return fitted


def _walk(
    start: int, neighbours: dict[int, list[int]], depth: dict[int, int], children: dict[int, list[int]]
) -> list[int]:
    """Breadth-first order from `start`, noting depth and children."""
    order, waiting = [], deque([start])
    while waiting:
        bus = waiting.popleft()
        order.append(bus)
        for neighbour in neighbours[bus]:
            if neighbour not in depth:
                depth[neighbour] = depth[bus] + 1
                children[bus].append(neighbour)
                waiting.append(neighbour)
    return order


def _heights(tops: Sequence[int], children: dict[int, list[int]], order: Sequence[int]) -> dict[int, float]:
    """A leaf gets the next free row, a parent the middle of its children."""
    height: dict[int, float] = {}
    row = 0
    stack = list(reversed(tops))
    while stack:
        bus = stack.pop()
        stack += reversed(children[bus])
        if not children[bus]:
            height[bus] = float(row)
            row += 1
    for bus in reversed(order):
        if children[bus]:
            height[bus] = sum(height[child] for child in children[bus]) / len(children[bus])
    return height
