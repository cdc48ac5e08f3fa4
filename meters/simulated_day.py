"""A home over a day: what it draws, and what its solar plant gives under a clear sky. For trying things out."""

import math
from collections.abc import Callable
from datetime import datetime

BASE_SHARE = 0.4
"""Of the day's energy, drawn evenly; the rest in the morning and, twice as much, in the evening."""
PEAKS = ((7.5, 1.0, 1.0), (19.0, 2.0, 2.0))
"""Hour of day, width in hours, weight."""
SUNRISE_H, SUNSET_H = 6.0, 18.0


def day_power(*, load_kwh: float, solar_w: float) -> Callable[[datetime], float]:
    """Power at an instant, W, + import: of a home that draws `load_kwh` a day, with a plant of `solar_w`, by UTC."""
    weight = sum(part for _, _, part in PEAKS)

    def power_w(at: datetime) -> float:
        hour = at.hour + at.minute / 60 + at.second / 3600 + at.microsecond / 3.6e9
        peaks = sum(
            part / weight * math.exp(-0.5 * ((hour - middle) / width) ** 2) / (width * math.sqrt(2 * math.pi))
            for middle, width, part in PEAKS
        )
        load_w = 1000 * load_kwh * (BASE_SHARE / 24 + (1 - BASE_SHARE) * peaks)
        height = math.sin(math.pi * (hour - SUNRISE_H) / (SUNSET_H - SUNRISE_H))
        return load_w - (solar_w * height if SUNRISE_H < hour < SUNSET_H else 0.0)

    return power_w
