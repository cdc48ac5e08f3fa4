"""A result on an island on its network: limits kept, and the grid-forming unit gives what it was cleared for."""

from collections.abc import Iterator

from matching.recheck.checks import Verdict, verdict
from matching.recheck.network import CHECKS, OnNetwork, same_network

FORMED_WITHIN_WH = 1.5  # losses are bought in whole Wh, and agree with the power flow to one


def limits_kept(on: OnNetwork) -> Iterator[str]:
    """On an island: the fresh AC power flow has a solution and passes no limit."""
    if on.state is None:
        yield "the power flow has no solution"
        return
    for kind, element, value, limit in [*on.passed(on.state)][:3]:
        yield f"{kind} of element {element} is {value:.6f} where the limit is {limit}"


def unit_gives_what_it_sold(on: OnNetwork) -> Iterator[str]:
    """On an island: the power flow leaves the grid-forming unit nothing to give beside what it was cleared for."""
    if on.state is None:
        return
    left_wh = on.state.slack_w / on.w_per_wh
    if not abs(left_wh) <= FORMED_WITHIN_WH:
        yield f"the grid-forming unit gives {left_wh:.1f} Wh that were not cleared"


def recheck_on_island(on: OnNetwork) -> tuple[Verdict, ...]:
    """Everything that can be seen only on the network; `on` has the book as it was cleared."""
    if on.result.claims.status == "red":  # dark: nothing flows
        return (verdict("network", same_network, on),)
    found = [verdict(name, check, on) for name, check in CHECKS if name not in {"status", "refusal"}]
    found.append(verdict("limits kept", limits_kept, on))
    return (*found, verdict("grid-forming unit", unit_gives_what_it_sold, on))
