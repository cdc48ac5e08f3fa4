"""Where networks come from: SimBench, pandapower's library and files, two short tables, or a transformer's rating."""

import difflib
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from grid.catalogue import LOW_VOLTAGE_CODES
from grid.feeder import NetworkError
from grid.library import library_network
from grid.simbench_rows import simbench_network
from grid.soundness import INJECTION_TABLES, require_sound

if TYPE_CHECKING:
    from pandapower.auxiliary import pandapowerNet

KINDS = (
    "simbench:CODE, pandapower:NAME, a pandapower FILE.json, a DIRECTORY with transformer.csv and cables.csv, or "
    "transformer:KVA"
)
LESS_SAFE_NOTE = (
    "transformer limit only: cables are unknown, so their loading and the voltages along them are not checked; "
    "this is less safe than a network with its cables"
)
TABLES_READ = ("bus", "line", "trafo", "ext_grid", "switch", *INJECTION_TABLES)
NAMED = {"name", "in_service"}


class SourceKind(StrEnum):
    """The kinds of network."""

    SIMBENCH = "simbench"
    LIBRARY = "pandapower"
    FILE = "file"
    TABLES = "tables"
    TRANSFORMER = "transformer"


PREFIXED = frozenset({SourceKind.SIMBENCH, SourceKind.LIBRARY, SourceKind.TRANSFORMER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A network as it was named; `value` is a code of SimBench, a name of the library, a path, or a rating in kVA."""

    kind: SourceKind
    value: str

    @property
    def safety_note(self) -> str | None:
        """What a reader of results must know about this kind of network."""
        return LESS_SAFE_NOTE if self.kind is SourceKind.TRANSFORMER else None


def parse_source(spec: str) -> Source:
    """What `spec` names. Raises NetworkError if it is none of the kinds or does not exist."""
    kind, colon, value = spec.partition(":")
    if colon and kind in PREFIXED:
        return Source(kind=SourceKind(kind), value=value)
    path = Path(spec).expanduser()
    if spec and path.is_dir():
        return Source(kind=SourceKind.TABLES, value=str(path))
    if path.is_file():
        return Source(kind=SourceKind.FILE, value=str(path))
    raise NetworkError(f"network {spec!r} does not exist: give {KINDS}")


def build(source: Source) -> "pandapowerNet":
    """The sound pandapower network of a source. Raises NetworkError. SimBench takes seconds and 600 MB for a moment."""
    builders = {
        SourceKind.SIMBENCH: _simbench,
        SourceKind.LIBRARY: library_network,
        SourceKind.FILE: _pandapower_file,
        SourceKind.TABLES: _tables,
        SourceKind.TRANSFORMER: _transformer_only,
    }
    net = builders[source.kind](source.value)
    _let_taps_count(net)
    try:
        require_sound(net)
    except NetworkError as unsound:
        raise NetworkError(*(f"{_said(source)}: {error}" for error in unsound.errors)) from unsound
    return net


def _said(source: Source) -> str:
    return f"{source.kind}:{source.value}" if source.kind in PREFIXED else source.value


def _simbench(code: str) -> "pandapowerNet":
    import simbench

    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        close = difflib.get_close_matches(code, codes, n=3) or LOW_VOLTAGE_CODES[:3]
        raise NetworkError(f"simbench:{code} is not a SimBench network: did you mean {', '.join(close)}?")
    net = simbench_network(code, [0])
    net.pop("profiles", None)  # no power flow reads them
    return net


def _pandapower_file(name: str) -> "pandapowerNet":
    import pandapower

    path = Path(name)
    remedy = "write it with pandapower.to_json"
    try:
        text = path.read_text(encoding="utf-8")
        is_network = json.loads(text).get("_class") == "pandapowerNet"
    except (OSError, ValueError, AttributeError) as failure:
        raise NetworkError(f"{path} cannot be read as a network: {failure}; {remedy}") from failure
    if not is_network:
        raise NetworkError(f"{path} is JSON but no pandapower network: {remedy}")
    try:
        net = pandapower.from_json(str(path))
    except Exception as failure:  # a damaged file makes it raise anything
        raise NetworkError(f"{path} is a damaged pandapower network ({failure}): {remedy}") from failure
    broken = broken_tables(net)
    if broken:
        raise NetworkError(f"{path} is a damaged pandapower network (table {broken[0]}): {remedy}")
    return net


def broken_tables(net: object) -> list[str]:
    """The tables without which what was read from a file is no network: missing, no tables, or without names."""
    import pandapower
    from pandas import DataFrame

    if not isinstance(net, dict):
        return list(TABLES_READ)
    known = [name for name, table in pandapower.create_empty_network().items() if isinstance(table, DataFrame)]
    wanted = [*TABLES_READ, *(name for name in known if name in net)]
    broken = [table for table in wanted if not isinstance(net.get(table), DataFrame)]
    return broken + [table for table in TABLES_READ[:4] if table not in broken and not set(net[table].columns) >= NAMED]


def _tables(folder: str) -> "pandapowerNet":
    from grid.cable_tables import read_cable_tables

    return read_cable_tables(Path(folder))


def _transformer_only(rating_kva: str) -> "pandapowerNet":
    import pandapower

    from grid.cable_tables import create_supply, nameplate

    try:
        sn_kva = float(rating_kva)
    except ValueError:
        sn_kva = 0.0
    if not 1.0 <= sn_kva <= 10_000.0:
        raise NetworkError(
            f"transformer:{rating_kva} is no rating: give kVA between 1 and 10000, as in transformer:400"
        )
    net = pandapower.create_empty_network(name=f"transformer {rating_kva} kVA, limit only")
    create_supply(net, nameplate(sn_kva), int(pandapower.create_bus(net, vn_kv=0.4, name="community")))
    return net


def _let_taps_count(net: "pandapowerNet") -> None:
    """Give tap changers a type: without one, as in older data and SimBench's, pandapower >= 3 ignores them."""
    if "tap_changer_type" not in net.trafo:
        net.trafo["tap_changer_type"] = None
    untyped = net.trafo.tap_changer_type.isna()
    net.trafo["tap_changer_type"] = net.trafo.tap_changer_type.astype(object).where(~untyped, "Ratio")
