"""What an hour ahead is expected to cost: the community's own prices at that time of day on the days before.

Only what was published before the decision counts. Where little is known yet, the expectation keeps to the middle
between feed-in and supplier price, which is also what a thin market settles at.
"""

from collections.abc import Mapping, Sequence

DAYS_OF_MEMORY = 7
DAY_S = 86_400
WEIGHT_OF_THE_MIDDLE = 1
"""The middle counts like this many days."""


def expected_prices(
    known: Mapping[int, int], starts_s: Sequence[int], *, decided_s: int, lowest: int, highest: int
) -> list[int]:
    """Expected clearing price of each interval, micro per kWh, in [max(lowest, 0), highest].

    `known` has the published prices by start of their interval. An interval more than a day ahead is expected like the
    same time of day before the decision.
    """
    lowest = max(lowest, 0)
    highest = max(lowest, highest)
    middle = (lowest + highest) // 2
    expected = []
    for start_s in starts_s:
        latest_s = start_s - max(1, -(-(start_s - decided_s) // DAY_S)) * DAY_S
        seen = [price for day in range(DAYS_OF_MEMORY) if (price := known.get(latest_s - day * DAY_S)) is not None]
        mean = (sum(seen) + WEIGHT_OF_THE_MIDDLE * middle) // (len(seen) + WEIGHT_OF_THE_MIDDLE)
        expected.append(min(max(mean, lowest), highest))
    return expected
