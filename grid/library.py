"""Published test networks that pandapower carries, by the names `pandapower:NAME`.

CIGRE: K. Strunz et al., "Benchmark Systems for Network Integration of Renewable and Distributed Energy Resources",
CIGRE technical brochure 575, 2014. Kerber: G. Kerber, "Aufnahmefähigkeit von Niederspannungsverteilnetzen für die
Einspeisung aus Photovoltaikkleinanlagen", dissertation, TU München, 2011. IEEE European low-voltage test feeder:
IEEE PES Test Feeder Working Group, 2015.
"""

import difflib
import random
from typing import TYPE_CHECKING

from grid.feeder import NetworkError

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

BUILDERS = {
    "cigre_lv": "create_cigre_network_lv",
    "cigre_mv": "create_cigre_network_mv",
    "ieee_european_lv": "ieee_european_lv_asymmetric",
    "kerber_dorfnetz": "create_kerber_dorfnetz",
    "kerber_landnetz_freileitung_1": "create_kerber_landnetz_freileitung_1",
    "kerber_landnetz_freileitung_2": "create_kerber_landnetz_freileitung_2",
    "kerber_landnetz_kabel_1": "create_kerber_landnetz_kabel_1",
    "kerber_landnetz_kabel_2": "create_kerber_landnetz_kabel_2",
    "kerber_vorstadtnetz_kabel_1": "create_kerber_vorstadtnetz_kabel_1",
    "kerber_vorstadtnetz_kabel_2": "create_kerber_vorstadtnetz_kabel_2",
    "kerber_extrem_dorfnetz": "kb_extrem_dorfnetz",
    "kerber_extrem_dorfnetz_trafo": "kb_extrem_dorfnetz_trafo",
    "kerber_extrem_landnetz_freileitung": "kb_extrem_landnetz_freileitung",
    "kerber_extrem_landnetz_freileitung_trafo": "kb_extrem_landnetz_freileitung_trafo",
    "kerber_extrem_landnetz_kabel": "kb_extrem_landnetz_kabel",
    "kerber_extrem_landnetz_kabel_trafo": "kb_extrem_landnetz_kabel_trafo",
    "kerber_extrem_vorstadtnetz_1": "kb_extrem_vorstadtnetz_1",
    "kerber_extrem_vorstadtnetz_2": "kb_extrem_vorstadtnetz_2",
    "kerber_extrem_vorstadtnetz_trafo_1": "kb_extrem_vorstadtnetz_trafo_1",
    "kerber_extrem_vorstadtnetz_trafo_2": "kb_extrem_vorstadtnetz_trafo_2",
}
SEED = 1
"""Suburban Kerber networks draw the type of each service cable; everybody must draw the same."""


def library_network(name: str) -> "pandapowerNet":
    """The network of a name in `BUILDERS`, the same every time. Raises NetworkError."""
    import pandapower.networks

    if name not in BUILDERS:
        close = difflib.get_close_matches(name, BUILDERS, n=3, cutoff=0.4) or list(BUILDERS)[:3]
        raise NetworkError(f"pandapower:{name} is not a network of the library: did you mean {', '.join(close)}?")
    before = random.getstate()
    random.seed(SEED)
    try:
        return getattr(pandapower.networks, BUILDERS[name])()
    finally:
        random.setstate(before)
