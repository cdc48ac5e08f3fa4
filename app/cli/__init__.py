"""`commonwatt`: every command group is one file here, imported only when it is asked for.

A gateway on a small board has the base distribution only, so nothing outside it is imported at this level.
"""

import ast
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import click

from app.errors import INTERRUPTED, InputError

__all__ = ["InputError", "main", "refusing"]

OWN_PACKAGES = frozenset({"app", "contracts", "grid", "matching", "meters"})
INSTALL_HINT = "pip install 'commonwatt[platform]'"
HELP = {
    "backup": "Write database, keys and chain of a community into one archive.",
    "chain": "Serve and inspect the settlement chain.",
    "clear": "Clear one interval: a book of orders under network limits.",
    "demo": "Live a day in the life of a community.",
    "erase": "Erase what ties the past of the ledger to a member.",
    "gateway": "Read meters, sign their readings and deliver them.",
    "grid": "List networks and check injections against their limits.",
    "init": "Write an example commonwatt.toml and the first operator's sign-in link.",
    "ledger": "Let another ledger take over from the community's.",
    "meter": "Find, read, scan and simulate Modbus meters.",
    "readings": "Import readings of meters that no gateway can read.",
    "restore": "Restore an archive into an empty directory and verify it.",
    "settlement": "Take in what settlement needs from elsewhere.",
    "statement": "Write a member's statement for a month.",
    "up": "Run a whole community in one process.",
    "verify": "Recompute a statement from device signature to cents.",
}
ELSEWHERE = {"restore": ("backup", "restore_command")}


class OneLineError(click.ClickException):
    """Prints `Error: ...` on standard error and ends with exit code 2."""

    exit_code = 2


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Turn the given exceptions, whose messages are meant for people, into one-line errors."""
    try:
        yield
    except kinds as error:
        raise InputError(str(error)) from error


class LazyGroup(click.Group):
    """Finds `NAME` in `app/cli/NAME.py` as its attribute `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *HELP, *_files()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        if known is not None or (cmd_name not in HELP and cmd_name not in _files()):
            return known
        file, attribute = ELSEWHERE.get(cmd_name, (cmd_name.replace("-", "_"), "command"))
        command = getattr(_load(cmd_name, file), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from their files' first lines: `--help` imports none of them."""
        rows = [(name, HELP.get(name) or _first_line(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise OneLineError(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except OSError as error:
            if error.filename is None:
                raise
            raise OneLineError(f"{error.filename}: {error.strerror}") from error


def _files() -> frozenset[str]:
    here = Path(__file__).parent
    return frozenset(path.stem.replace("_", "-") for path in here.glob("*.py") if not path.stem.startswith("_"))


def _first_line(name: str) -> str:
    source = (Path(__file__).parent / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def _load(name: str, file: str) -> ModuleType:
    module = f"app.cli.{file}"
    if find_spec(module) is None:
        raise OneLineError(f"this installation has no command {name!r}: {INSTALL_HINT}")
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in OWN_PACKAGES:
            raise
        raise OneLineError(f"command {name!r} needs the package {package!r}: {INSTALL_HINT}") from error


def _version() -> str:
    try:
        return metadata.version("commonwatt")
    except metadata.PackageNotFoundError:
        return "not installed"


@click.group(cls=LazyGroup, epilog="Example: commonwatt demo", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version=_version(), prog_name="commonwatt")
def main() -> None:
    """A peer-to-peer energy market that a neighbourhood runs itself."""
