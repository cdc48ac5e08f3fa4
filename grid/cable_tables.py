"""A feeder from two short tables that a community can fill in itself.

transformer.csv, one row:
    sn_kva        rated power in kVA (required; every other column may be left out or empty)
    vn_hv_kv      voltage of the upper winding, default 20
    vn_lv_kv      voltage of the lower winding, default 0.4
    vk_percent, vkr_percent, pfe_kw, i0_percent
                  nameplate; default those of the pandapower standard transformer nearest in size, pfe_kw scaled to size
    vm_hv_pu      voltage held by the grid above, default 1.0
    name          default "transformer"
    lv_node       node of cables.csv at the lower winding; default the one node that no cable leads to
cables.csv, one row a cable or overhead line:
    name          unique
    from_node     the end nearer to the transformer
    to_node       the other end
    type          a pandapower standard type for lines, for example NAYY 4x150 SE
    length_m      metres
    members       metering points connected at to_node, separated by spaces; may be empty
"""

import csv
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandapower
from pandapower.auxiliary import pandapowerNet

from grid.feeder import NetworkError

TRANSFORMER_FILE = "transformer.csv"
CABLES_FILE = "cables.csv"
CABLE_COLUMNS = ("name", "from_node", "to_node", "type", "length_m", "members")
TRANSFORMER_NUMBERS = (
    "sn_kva",
    "vn_hv_kv",
    "vn_lv_kv",
    "vk_percent",
    "vkr_percent",
    "pfe_kw",
    "i0_percent",
    "vm_hv_pu",
)
TRANSFORMER_TEXTS = ("name", "lv_node")
STANDARD_TRANSFORMERS = ("0.25 MVA 20/0.4 kV", "0.4 MVA 20/0.4 kV", "0.63 MVA 20/0.4 kV")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameplate:
    """A transformer and the voltage above it; powers in kVA and kW, voltages in kV, the rest in percent and p.u."""

    name: str
    sn_kva: float
    vn_hv_kv: float
    vn_lv_kv: float
    vk_percent: float
    vkr_percent: float
    pfe_kw: float
    i0_percent: float
    vm_hv_pu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cable:
    """One row of cables.csv."""

    line: int
    name: str
    from_node: str
    to_node: str
    type: str
    length_m: float
    members: tuple[str, ...]


def nameplate(sn_kva: float, **known: float) -> Nameplate:
    """A transformer of which at least the size is known; see the module's description for the rest."""
    types = pandapower.create_empty_network().std_types["trafo"]
    nearest = min((types[name] for name in STANDARD_TRANSFORMERS), key=lambda kind: abs(kind["sn_mva"] * 1e3 - sn_kva))
    values = {
        "vn_hv_kv": 20.0,
        "vn_lv_kv": 0.4,
        "vk_percent": float(nearest["vk_percent"]),
        "vkr_percent": float(nearest["vkr_percent"]),
        "pfe_kw": float(nearest["pfe_kw"]) * sn_kva / (nearest["sn_mva"] * 1e3),
        "i0_percent": float(nearest["i0_percent"]),
        "vm_hv_pu": 1.0,
    }
    return Nameplate(name="transformer", sn_kva=sn_kva, **(values | known))


def create_supply(net: pandapowerNet, plate: Nameplate, lv_bus: int) -> None:
    """Add the bus above, the external grid that holds its voltage, and the transformer down to `lv_bus`."""
    hv_bus = pandapower.create_bus(net, vn_kv=plate.vn_hv_kv, name="grid above")
    pandapower.create_ext_grid(net, hv_bus, vm_pu=plate.vm_hv_pu, name="grid above")
    pandapower.create_transformer_from_parameters(
        net,
        hv_bus,
        lv_bus,
        sn_mva=plate.sn_kva / 1e3,
        vn_hv_kv=plate.vn_hv_kv,
        vn_lv_kv=plate.vn_lv_kv,
        vk_percent=plate.vk_percent,
        vkr_percent=plate.vkr_percent,
        pfe_kw=plate.pfe_kw,
        i0_percent=plate.i0_percent,
        shift_degree=150,
        name=plate.name,
    )


def read_cable_tables(folder: Path) -> pandapowerNet:
    """The network of a folder with both tables. Raises NetworkError naming file, line and remedy.

    Buses are named as the nodes; the column `members` of the bus table holds what is connected there.
    """
    plate, lv_node = _read_transformer(folder / TRANSFORMER_FILE)
    cables = _read_cables(folder / CABLES_FILE)
    root = _root(cables, lv_node, folder)
    nodes = list(dict.fromkeys([root, *(node for cable in cables for node in (cable.from_node, cable.to_node))]))
    net = pandapower.create_empty_network(name=folder.name)
    bus_of = {node: int(pandapower.create_bus(net, vn_kv=plate.vn_lv_kv, name=node)) for node in nodes}
    create_supply(net, plate, bus_of[root])
    for cable in cables:
        ends = bus_of[cable.from_node], bus_of[cable.to_node]
        pandapower.create_line(net, *ends, length_km=cable.length_m / 1e3, std_type=cable.type, name=cable.name)
    connected: dict[int, list[str]] = {}
    for cable in cables:
        connected.setdefault(bus_of[cable.to_node], []).extend(cable.members)
    net.bus["members"] = [" ".join(connected.get(int(bus), ())) for bus in net.bus.index]
    return net


def _read_transformer(path: Path) -> tuple[Nameplate, str]:
    rows = list(_rows(path, ("sn_kva",), (*TRANSFORMER_NUMBERS, *TRANSFORMER_TEXTS)))
    if len(rows) != 1:
        raise NetworkError(f"{path} has {len(rows)} rows: give exactly one transformer")
    line, row = rows[0]
    known = {name: _number(path, line, name, row[name]) for name in TRANSFORMER_NUMBERS if row.get(name)}
    if "sn_kva" not in known:
        raise NetworkError(f"{path} line {line}: sn_kva is empty: give the rated power in kVA")
    plate = nameplate(known.pop("sn_kva"), **known)
    if row.get("name"):
        plate = Nameplate(
            **{field: getattr(plate, field) for field in Nameplate.__slots__ if field != "name"}, name=row["name"]
        )
    return plate, row.get("lv_node", "")


def _read_cables(path: Path) -> tuple[Cable, ...]:
    types = pandapower.create_empty_network().std_types["line"]
    cables: list[Cable] = []
    first_line_of: dict[str, int] = {}
    errors: list[str] = []
    for line, row in _rows(path, CABLE_COLUMNS[:-1], CABLE_COLUMNS):
        place = f"{path} line {line}"
        errors += [f"{place}: {name} is empty: fill it in" for name in CABLE_COLUMNS[:-1] if not row[name]]
        if row["type"] and row["type"] not in types:
            close = difflib.get_close_matches(row["type"], types, n=2, cutoff=0.4) or sorted(types)[:2]
            errors.append(f"{place}: type {row['type']!r} is no standard type: use for example {' or '.join(close)}")
        if row["from_node"] == row["to_node"]:
            errors.append(f"{place}: from_node and to_node are the same: name both ends")
        cable = Cable(
            line=line,
            length_m=_number(path, line, "length_m", row["length_m"]) if row["length_m"] else 0.0,
            members=tuple(row.get("members", "").split()),
            **{name: row[name] for name in ("name", "from_node", "to_node", "type")},
        )
        for kind, key in [("cable", cable.name), *(("member", member) for member in cable.members)]:
            first = first_line_of.setdefault(f"{kind} {key}", line)
            if first != line:
                errors.append(f"{place}: {kind} {key!r} is already in line {first}: keep one of them")
        cables.append(cable)
    if not cables and not errors:
        errors = [f"{path} has no rows: give at least one cable"]
    if errors:
        raise NetworkError(*errors)
    return tuple(cables)


def _root(cables: tuple[Cable, ...], lv_node: str, folder: Path) -> str:
    """The node at the transformer's lower winding."""
    starts = list(dict.fromkeys(cable.from_node for cable in cables))
    if lv_node:
        if lv_node not in starts:
            raise NetworkError(
                f"{folder / TRANSFORMER_FILE} line 2: lv_node {lv_node!r} is no from_node in {CABLES_FILE}"
            )
        return lv_node
    ends = {cable.to_node for cable in cables}
    roots = [node for node in starts if node not in ends]
    if len(roots) != 1:
        found = ", ".join(roots) if roots else "none"
        raise NetworkError(
            f"{folder / CABLES_FILE}: exactly one node must have no cable leading to it, the transformer's (found: "
            f"{found}): connect the others, swap from_node and to_node, or name it in lv_node of {TRANSFORMER_FILE}"
        )
    return roots[0]


def _rows(path: Path, required: tuple[str, ...], allowed: tuple[str, ...]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Rows with their line numbers, blanks around values removed."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as failure:
        raise NetworkError(
            f"{path} does not exist: a network folder needs {TRANSFORMER_FILE} and {CABLES_FILE}"
        ) from failure
    except (OSError, UnicodeDecodeError) as failure:
        raise NetworkError(f"{path} cannot be read as UTF-8 text: {failure}") from failure
    reader = csv.reader(text.splitlines())
    header = [name.strip() for name in next(reader, [])]
    missing = [name for name in required if name not in header]
    unknown = [name for name in header if name not in allowed]
    if missing or unknown or len(set(header)) != len(header):
        wrong = f"misses {', '.join(missing)}" if missing else f"has {', '.join(unknown) or 'a column twice'}"
        raise NetworkError(
            f"{path} line 1: the header {wrong}: its columns, separated by commas, are {','.join(allowed)}"
        )
    for values in reader:
        if any(value.strip() for value in values):
            if len(values) != len(header):
                raise NetworkError(f"{path} line {reader.line_num}: {len(values)} values, the header has {len(header)}")
            yield reader.line_num, {name: value.strip() for name, value in zip(header, values, strict=True)}


def _number(path: Path, line: int, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError as failure:
        raise NetworkError(f"{path} line {line}: {column} {text!r} is no number") from failure
    if not 0.0 < value < 1e6:
        raise NetworkError(f"{path} line {line}: {column} {text} must be above 0 (and below a million)")
    return value
