"""The one line of the two-bus network, in ohm for its whole length and kA; random injections; two streets."""

import numpy as np
import pandapower

R_OHM, X_OHM, LIMIT_KA = 0.08, 0.03, 0.2


def household_mix(buses: int, *, seed: int, load_w: float, solar_w: float) -> tuple[np.ndarray, np.ndarray]:
    """Random injections in W and var: a load at every bus but the first, solar at three in ten."""
    random = np.random.default_rng(seed)
    load = random.uniform(0.0, load_w, buses)
    solar = random.uniform(0.0, solar_w, buses) * (random.random(buses) < 0.3)
    load[0] = solar[0] = 0.0
    return solar - load, -0.3 * load


def two_streets(main_ka: float = 0.27, side_ka: float = 0.142):
    """A station of 250 kVA with two streets of three houses each; the side street's first cable is the thinner."""
    net = pandapower.create_empty_network()
    above, station = pandapower.create_bus(net, 20.0, name="above"), pandapower.create_bus(net, 0.4, name="station")
    pandapower.create_ext_grid(net, above)
    pandapower.create_transformer(net, above, station, "0.25 MVA 20/0.4 kV")
    for limit_ka in (main_ka, side_ka):
        last = station
        for _ in range(3):
            house = pandapower.create_bus(net, 0.4)
            line = pandapower.create_line(net, last, house, length_km=0.05, std_type="NAYY 4x150 SE")
            net.line.loc[line, "max_i_ka"] = limit_ka
            last = house
    return net
