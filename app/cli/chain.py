"""Serve and inspect the settlement chain."""

import json
import os
import signal
import threading
from pathlib import Path

import click
from web3 import Web3

from app.errors import InputError
from contracts.chain import ChainUnreachable, connect
from contracts.embedded import CHAIN_FILE, ChainDamagedError, EmbeddedChain
from contracts.rpc_server import RpcServer
from contracts.single_writer import AlreadyInUseError
from meters.clock import clock_from_environment


@click.group()
def command() -> None:
    """Serve and inspect the settlement chain.

    Example: commonwatt chain serve --state ./state --listen 127.0.0.1:8545
    """


def _open(state: Path, *, chain_id: int | None = None, create: bool) -> EmbeddedChain:
    path = state / CHAIN_FILE
    if not create and not path.exists():
        raise InputError(f"{path} does not exist: give the directory that holds the chain")
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        return EmbeddedChain(path, clock=clock_from_environment(os.environ), chain_id=chain_id)
    except (AlreadyInUseError, ChainDamagedError, OSError) as error:
        raise InputError(str(error)) from error


def _host_and_port(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, for example 127.0.0.1:8545")
    return host, int(port)


@command.command()
@click.option(
    "--state", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory of the chain."
)
@click.option("--listen", default="127.0.0.1:8545", show_default=True, callback=_host_and_port, help="HOST:PORT.")
@click.option("--chain-id", type=click.IntRange(min=1), help="Of a new chain; an existing one must agree.")
def serve(*, state: Path, listen: tuple[str, int], chain_id: int | None) -> None:
    """Serve the chain of a state directory over JSON-RPC until SIGTERM or Ctrl-C.

    Example: commonwatt chain serve --state ./state --listen 127.0.0.1:8545
    """
    host, port = listen
    chain = _open(state, chain_id=chain_id, create=True)
    try:
        server = RpcServer(chain, host, port)
    except OSError as error:
        chain.close()
        raise InputError(f"cannot listen on {host}:{port} ({error.strerror}): choose another --listen") from error
    stop = threading.Event()
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda _number, _frame: stop.set())
    click.echo(server.url)
    stop.wait()
    server.close()
    chain.close()


@command.command()
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), help="Directory of the chain.")
@click.option("--rpc", help="Address of a chain that is served, for example http://127.0.0.1:8545.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(*, state: Path | None, rpc: str | None, as_json: bool) -> None:
    """Show the chain's id, genesis and newest block; `--state` replays and so checks the whole history.

    Example: commonwatt chain show --state ./state
    """
    if (state is None) == (rpc is None):
        raise click.UsageError("give either --state DIR or --rpc URL")
    chain = _open(state, create=False) if state is not None else None
    try:
        document = _summary(connect(chain if chain is not None else rpc or ""))
    except (ChainUnreachable, ValueError) as error:
        raise InputError(str(error)) from error
    finally:
        if chain is not None:
            chain.close()
    if as_json:
        click.echo(json.dumps(document))
        return
    for key, value in document.items():
        click.echo(f"{key.replace('_', ' '):15} {value}")


def _summary(w3: Web3) -> dict[str, int | str]:
    head = w3.eth.get_block("latest")
    return {
        "chain_id": w3.eth.chain_id,
        "genesis_hash": w3.eth.get_block(0)["hash"].to_0x_hex(),
        "block_number": head["number"],
        "block_hash": head["hash"].to_0x_hex(),
        "timestamp_s": head["timestamp"],
    }
