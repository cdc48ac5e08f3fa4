"""What can be had offline: every listed network with its size, so that listing needs to open none of them."""

from dataclasses import dataclass

from grid.library import BUILDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One published network: what --network is given, its buses in service, voltages and transformers' ratings."""

    spec: str
    bus_count: int
    vn_kv: tuple[float, ...]
    trafo_kva: tuple[int, ...]


# Buses, nominal voltages in kV from the top, transformers in kVA.
_SIMBENCH_SIZES = {
    "rural1": (15, (20.0, 0.4), (160,)),
    "rural2": (97, (20.0, 0.4), (250,)),
    "rural3": (129, (20.0, 0.4), (400,)),
    "semiurb4": (44, (20.0, 0.4), (400,)),
    "semiurb5": (111, (20.0, 0.4), (630,)),
    "urban6": (59, (20.0, 0.4), (630,)),
}
_LIBRARY_SIZES = {
    "cigre_lv": (44, (20.0, 0.4), (500, 150, 300)),
    "cigre_mv": (15, (110.0, 20.0), (25_000, 25_000)),
    "ieee_european_lv": (907, (11.0, 0.416), (800,)),
    "kerber_dorfnetz": (116, (10.0, 0.4), (400,)),
    "kerber_landnetz_freileitung_1": (15, (10.0, 0.4), (160,)),
    "kerber_landnetz_freileitung_2": (10, (10.0, 0.4), (100,)),
    "kerber_landnetz_kabel_1": (18, (10.0, 0.4), (100,)),
    "kerber_landnetz_kabel_2": (30, (10.0, 0.4), (160,)),
    "kerber_vorstadtnetz_kabel_1": (294, (10.0, 0.4), (630,)),
    "kerber_vorstadtnetz_kabel_2": (290, (10.0, 0.4), (630,)),
    "kerber_extrem_dorfnetz": (118, (10.0, 0.4), (400,)),
    "kerber_extrem_dorfnetz_trafo": (236, (10.0, 0.4), (250,)),
    "kerber_extrem_landnetz_freileitung": (28, (10.0, 0.4), (250,)),
    "kerber_extrem_landnetz_freileitung_trafo": (29, (10.0, 0.4), (100,)),
    "kerber_extrem_landnetz_kabel": (54, (10.0, 0.4), (250,)),
    "kerber_extrem_landnetz_kabel_trafo": (56, (10.0, 0.4), (100,)),
    "kerber_extrem_vorstadtnetz_1": (292, (10.0, 0.4), (630,)),
    "kerber_extrem_vorstadtnetz_2": (292, (10.0, 0.4), (630,)),
    "kerber_extrem_vorstadtnetz_trafo_1": (384, (10.0, 0.4), (250,)),
    "kerber_extrem_vorstadtnetz_trafo_2": (386, (10.0, 0.4), (250,)),
}

LOW_VOLTAGE_CODES = tuple(
    f"1-LV-{area}--{scenario}-{switches}"
    for area in _SIMBENCH_SIZES
    for scenario in (0, 1, 2)
    for switches in ("sw", "no_sw")
)


def _entry(spec: str, size: tuple[int, tuple[float, ...], tuple[int, ...]]) -> CatalogueEntry:
    bus_count, vn_kv, trafo_kva = size
    return CatalogueEntry(spec=spec, bus_count=bus_count, vn_kv=vn_kv, trafo_kva=trafo_kva)


SIMBENCH = tuple(_entry(f"simbench:{code}", _SIMBENCH_SIZES[code.split("-")[2]]) for code in LOW_VOLTAGE_CODES)
LIBRARY = tuple(_entry(f"pandapower:{name}", _LIBRARY_SIZES[name]) for name in BUILDERS)
