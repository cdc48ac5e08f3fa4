"""What a person reads at the end of a demonstration."""

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from app.demo.island import IslandFigures
from app.demo.report import HomeResult
from app.demo.result import DemoResult
from app.demo.stage import SignIn

HOMES_SHOWN = 12
NANO = 1_000_000_000


def print_summary(console: Console, result: DemoResult) -> None:
    """The day in three tables: what it was worth to the homes, energy and network, and the checks."""
    console.print(Group(_homes(result), _community(result), _checks(result), _time(result)))


def print_address(console: Console, url: str, sign_ins: dict[str, SignIn]) -> None:
    """Where to look around, and as whom."""
    table = Table(box=None, show_header=False, padding=(0, 2))
    for sign_in in sign_ins.values():
        table.add_row(f"sign in as {sign_in.role}", sign_in.email, sign_in.password)
    console.print(table)
    console.print(f"Open {url} in a browser; Ctrl-C ends the demonstration.")


def _homes(result: DemoResult) -> Table:
    table = Table(
        title=f"{result.date}: a day for {result.households} homes, full bills in EUR",
        caption="costs +, income -; supplier only: the same home and network, no market\n"
        "better by: also counts what is left in a battery at the end",
        box=box.SIMPLE_HEAD,
    )
    for name in ("home", "with the market", "supplier only", "better by", "from neighbours", "to neighbours"):
        table.add_column(name, justify="left" if name == "home" else "right")
    for home in _chosen(result):
        table.add_row(
            home.home_id,
            _money(home.full_nano),
            _money(home.supplier_only_nano),
            _money(home.better_nano),
            _energy(home.bought_wh),
            _energy(home.sold_wh),
        )
    left = len(result.homes) - HOMES_SHOWN
    if left > 0:
        rest = sum(home.better_nano for home in result.homes) - sum(home.better_nano for home in _chosen(result))
        table.add_row(f"{left} more", "", "", _money(rest), "", "", style="dim")
    return table


def _chosen(result: DemoResult) -> list[HomeResult]:
    """Homes from the best to the worst off, evenly spread."""
    ranked = sorted(result.homes, key=lambda home: -home.better_nano)
    if len(ranked) <= HOMES_SHOWN:
        return ranked
    return [ranked[round(k * (len(ranked) - 1) / (HOMES_SHOWN - 1))] for k in range(HOMES_SHOWN)]


def _community(result: DemoResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name, justify in (("", "left"), ("without", "right"), ("with the market", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    rows = (
        ("self-sufficiency", _percent(result.self_sufficiency_before), _percent(result.self_sufficiency_after)),
        ("self-consumption", _percent(result.self_consumption_before), _percent(result.self_consumption_after)),
        ("shared between homes", "", f"{_energy(result.traded_wh)} of {_energy(result.import_wh)} drawn"),
        ("of it shifted by batteries", "", _energy(result.shifted_wh)),
        ("sellers' gain", "", _money(result.seller_gain_nano)),
        ("buyers' gain", "", _money(result.buyer_gain_nano)),
        ("highest voltage", f"{result.max_vm_pu_without_limits:.4f} p.u.", f"{result.max_vm_pu:.4f} p.u."),
        (
            "highest line loading",
            f"{result.max_line_loading_percent_without_limits:.1f} %",
            f"{result.max_line_loading_percent:.1f} %",
        ),
        (
            "highest transformer loading",
            f"{result.max_trafo_loading_percent_without_limits:.1f} %",
            f"{result.max_trafo_loading_percent:.1f} %",
        ),
        ("intervals beyond a limit", str(result.ac_violations_without_limits), str(result.ac_violations)),
        ("intervals bound by the network", "", f"{result.intervals_bound} of {result.intervals}"),
    )
    for row in rows if result.island is None else (*rows, *_island_rows(result.island)):
        table.add_row(*row)
    return table


def _island_rows(island: IslandFigures) -> tuple[tuple[str, str, str], ...]:
    return (
        (
            "from the island's battery",
            "",
            f"{_energy(island.unit_delivered_wh)}, {_energy(island.unit_taken_wh)} into it",
        ),
        ("lost on the way", "", f"{_energy(island.loss_wh)}, and with balancing {_money(island.losses_paid_nano)}"),
        ("not served, spilled", "", f"{_energy(island.shed_wh)}, {_energy(island.spilled_wh)}"),
    )


def _checks(result: DemoResult) -> Text:
    energy = "energy in equals energy out, to the watt-hour"
    worse = f"{result.homes_worse_off} of {result.households} homes worse off"
    if result.island is not None:
        energy = f"energy in equals energy out and {_energy(result.island.loss_wh)} that a power flow loses, too"
        worse = f"{_energy(result.island.shed_wh)} not served"
    checks = (
        (result.energy_conserved, energy),
        (result.money_conserved, "money in equals money out, to the nano-unit"),
        (result.chain_matches_ledger, "balances on the chain equal the ledger"),
        (result.homes_worse_off == 0 if result.island is None else result.island.shed_wh == 0, worse),
        (result.ac_violations == 0, f"{result.ac_violations} intervals beyond a network limit"),
    )
    text = Text()
    for holds, what in checks:
        text.append("  yes  " if holds else "  NO   ", style="green" if holds else "bold red")
        text.append(what + "\n")
    per_trade = f"{result.gas_per_trade:.0f} gas for each of {result.trades} trades"
    text.append(f"       settled in {result.batches} batch{'es' if result.batches != 1 else ''}, {per_trade}\n")
    return text


def _time(result: DemoResult) -> Text:
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.spent.items())
    return Text(f"{result.seconds:.1f} s in all ({spent}); {result.memory_mb:.0f} MB\n", style="dim")


def _money(nano: int) -> str:
    return f"{nano / NANO:z,.2f}"


def _energy(energy_wh: int) -> str:
    return f"{energy_wh / 1000:,.1f} kWh"


def _percent(share: float) -> str:
    return f"{share:.1%}"
