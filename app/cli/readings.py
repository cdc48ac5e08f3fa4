"""Import readings of meters that no gateway can read."""

import asyncio
import os
from pathlib import Path

import click

from app.cli import refusing
from app.errors import InputError
from meters.api import MeterApi
from meters.clock import Clock, clock_from_environment
from meters.credentials import Credentials, CredentialsError, load_credentials
from meters.delivery import UploadReport, deliver
from meters.gateway_config import ConfigError, GatewayConfig
from meters.imported_readings import ReadingsFileError, following, read_rows
from meters.outbox import Outbox
from meters.outbox_file import OutboxError, Parcel
from meters.signing import ReadingBatch, sign_batch

OUTBOX_NAME = "imported.sqlite"
"""Beside the outbox of what is read: a running gateway need not stop."""
EPOCH = 0


@click.group()
def command() -> None:
    """Import readings of meters that no gateway can read."""


@command.command("import", epilog="Example: commonwatt readings import june.csv --config /etc/commonwatt/gateway.toml")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--config", type=click.Path(path_type=Path), default=Path("gateway.toml"), help="Whose gateway signs them."
)
@click.option("--dry-run", is_flag=True, help="Only say what is wrong or would be imported.")
def import_command(file: Path, config: Path, *, dry_run: bool) -> None:
    """Sign the readings in FILE (CSV) as this gateway's and deliver them, marked as imported.

    FILE has the columns device,at,import_kwh,export_kwh (registers at an instant) or
    device,start,import_kwh,export_kwh (energy of intervals). What was imported before is left out, so the same file
    may be given again; one wrong line and nothing is imported. Ends with 1 if the platform does not take everything.
    """
    with refusing(ConfigError, CredentialsError, OutboxError):
        loaded = GatewayConfig.load(config)
        if not loaded.server:
            raise InputError(f"{config}, gateway: server is missing: to whom should readings be delivered?")
        credentials = load_credentials(loaded.state_dir)
        if credentials.domain is None:
            raise InputError("this gateway is not enrolled: run `commonwatt gateway enroll`")
        clock = clock_from_environment(os.environ)
        with Outbox(loaded.state_dir / OUTBOX_NAME) as outbox:
            added, there = _record(file, loaded, outbox, clock, dry_run=dry_run)
            if dry_run:
                click.echo(f"{file}: {added} readings would be imported, {there} are there already; nothing was done")
                return
            report = asyncio.run(_deliver(loaded, outbox, credentials, clock))
    click.echo(f"{file}: {added} readings imported, {there} were there already; {report.accepted} accepted")
    for refusal in report.refused:
        click.echo(f"{refusal.device} refused: {refusal.message or refusal.code}", err=True)
    if report.error or report.pending or report.refused:
        click.echo(
            f"{report.pending} readings wait: {report.error or 'refused'}; the same command tries again", err=True
        )
        raise SystemExit(1)


def _record(file: Path, config: GatewayConfig, outbox: Outbox, clock: Clock, *, dry_run: bool) -> tuple[int, int]:
    """Append what is new; how many readings that is, and how many rows were known."""
    known = {
        chain.device: outbox.readings(chain.device, EPOCH, 0, chain.next_seq)
        for chain in outbox.chains()
        if chain.epoch == EPOCH
    }
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = read_rows(lines, interval_s=config.interval_minutes * 60)
        rated_w = {meter.device: meter.connection_w for meter in config.imported}
        added = following(rows, known, rated_w, now_s=int(clock().timestamp()))
    except (ReadingsFileError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}") from error
    if added and not dry_run:
        outbox.record([(device, EPOCH, reading) for device, reading in added], {})
    new_ends = {(device, reading.start_s + reading.duration_s) for device, reading in added}
    return len(added), sum((row.device, row.end_s) not in new_ends for row in rows)


async def _deliver(config: GatewayConfig, outbox: Outbox, credentials: Credentials, clock: Clock) -> UploadReport:
    domain = credentials.domain
    assert domain is not None

    def sign(parcel: Parcel) -> ReadingBatch:
        return sign_batch(credentials.key, domain, parcel.readings, parcel.previous_hash)

    async with MeterApi(config.server, token=credentials.token, clock=clock) as api:
        return await deliver(outbox, api, sign, now_s=int(clock().timestamp()))
