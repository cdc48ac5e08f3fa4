"""How long to wait for an answer: learned from how long the earlier ones took."""

SHORTEST_S = 0.15
"""A device that answered in a millisecond may still be busy with its display now and then."""
DEVIATIONS = 4


class AnswerTimes:
    """Answer times of one device to reads of one length, smoothed as RFC 6298 smooths round trips.

    longest_s  how long to wait while nothing is known, and again after a silence
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._mean_s: float | None = None
        self._deviation_s = 0.0
        self._in_doubt = False

    @property
    def timeout_s(self) -> float:
        """Seconds to wait for the next answer, never more than `longest_s`."""
        if self._mean_s is None or self._in_doubt:
            return self._longest_s
        return min(self._longest_s, max(SHORTEST_S, 2 * self._mean_s, self._mean_s + DEVIATIONS * self._deviation_s))

    def answered(self, after_s: float) -> None:
        """An answer came, so many seconds after its request."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = after_s, after_s / 2
        else:
            self._deviation_s += (abs(after_s - self._mean_s) - self._deviation_s) / 4
            self._mean_s += (after_s - self._mean_s) / 8
        self._in_doubt = False

    def silent(self) -> None:
        """No answer came: it may have been slower than before, so the next one gets all the time there is."""
        self._in_doubt = True
