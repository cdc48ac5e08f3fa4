"""What is published of limits where several results are equally good, and that nothing is published twice."""

from market_cases import order, outcome
from test_limits_by_hand import TWO_LINES, cleared

from matching.result import Status


def test_a_limit_that_only_decides_between_equals_is_listed_without_a_price() -> None:
    """Both sellers ask for the same, and half each would not get through the line: more room is worth nothing."""
    result = cleared(
        order("buyer", "buy", 100, 300_000, "firm", 0),
        order("near", "sell", 200, 200_000, bus=0),
        order("far", "sell", 200, 200_000, bus=1),
    )
    assert result.status is Status.GREEN
    sold = {name: wh for name, (wh, _, _) in outcome(result).items()}
    assert (sold["near"] + sold["far"], sold["far"] <= 10) == (100, True)
    assert [(each.name, each.shadow_price) for each in result.binding] == [("line 0", 0.0)]
    assert [row.tells_apart for row in result.certificate.rows] == [True]


def test_the_certificate_says_every_row_once() -> None:
    """The loop keeps what it has linearised before; on straight lines that is always the same row again."""
    near = [order(f"near{k}", "sell", 7, 200_000, bus=0) for k in range(9)]
    far = [order(f"far{k}", "sell", 3 + k, 200_000, bus=1 + k % 2) for k in range(9)]
    result = cleared(order("buyer", "buy", 60, 300_000, "firm", 0), *near, *far, limits=TWO_LINES)
    said = [(row.kind, row.element, row.room, *row.effect_per_wh.items()) for row in result.certificate.rows]
    assert said
    assert len(set(said)) == len(said) <= 2
