"""The one line of the two-bus network, in ohm for its whole length and kA; and random injections."""

import numpy as np

R_OHM, X_OHM, LIMIT_KA = 0.08, 0.03, 0.2


def household_mix(buses: int, *, seed: int, load_w: float, solar_w: float) -> tuple[np.ndarray, np.ndarray]:
    """Random injections in W and var: a load at every bus but the first, solar at three in ten."""
    random = np.random.default_rng(seed)
    load = random.uniform(0.0, load_w, buses)
    solar = random.uniform(0.0, solar_w, buses) * (random.random(buses) < 0.3)
    load[0] = solar[0] = 0.0
    return solar - load, -0.3 * load
