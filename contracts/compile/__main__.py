"""`python -m contracts.compile [--check]`: write the artefacts, or compare them with what the sources compile to."""

import json
import subprocess
import sys
from pathlib import Path

import click
from eth_utils.crypto import keccak

HERE = Path(__file__).parent
ARTIFACTS = HERE.parent / "artifacts"


class CompilerUnavailableError(RuntimeError):
    """node or npm is missing, or the packages could not be installed."""


def _run(*command: str) -> str:
    try:
        finished = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)  # noqa: S603 fixed commands
    except FileNotFoundError as missing:
        raise CompilerUnavailableError(f"{command[0]} is not installed: install Node.js 18 or newer") from missing
    if finished.returncode:
        raise CompilerUnavailableError(f"{' '.join(command)} failed:\n{finished.stderr.strip()}")
    return finished.stdout


def install_packages() -> None:
    """Install solc and OpenZeppelin as package-lock.json pins them, if they are not there yet."""
    installed = HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        _run("npm", "ci", "--no-audit", "--no-fund")


def compiled_artifacts() -> dict[str, str]:
    """Artefact text by contract name, compiled from the sources now."""
    install_packages()
    output = json.loads(_run("node", "compile.js"))
    artifacts = {}
    for name, contract in output["contracts"].items():
        document = {
            "contract": name,
            "solc": output["solc"],
            "settings": output["settings"],
            **({"runtime_hash": "0x" + keccak(hexstr=contract["runtime"]).hex()} if contract["runtime"] else {}),
            "abi": contract["abi"],
            "bytecode": contract["bytecode"],
        }
        artifacts[name] = json.dumps(document, indent=1) + "\n"
    return artifacts


@click.command()
@click.option("--check", is_flag=True, help="Compare only; exit 1 and name the contract if one differs.")
def command(*, check: bool) -> None:
    """Compile the contracts with the pinned solc.

    Example: python -m contracts.compile --check
    """
    try:
        artifacts = compiled_artifacts()
    except CompilerUnavailableError as unavailable:
        click.echo(str(unavailable), err=True)
        sys.exit(2)
    different = []
    for name, text in artifacts.items():
        path = ARTIFACTS / f"{name}.json"
        if check:
            if not path.exists() or path.read_text() != text:
                different.append(name)
        else:
            ARTIFACTS.mkdir(exist_ok=True)
            path.write_text(text)
    if different:
        click.echo(f"not compiled from the sources as they are: {', '.join(different)}", err=True)
        sys.exit(1)
    click.echo(f"{len(artifacts)} contracts {'agree with the sources' if check else 'written'}")


if __name__ == "__main__":
    command()
