"""How fast signed readings are made, verified and stored: batches of 96 as a gateway posts them, into SQLite."""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from app.storage.database import open_database
from app.storage.ingest import ingest_batches
from tests.app.neighbourhood import NOON_S, as_json, found_community, readings_from, signed

BATCHES = 200
READINGS_PER_BATCH = 96


def chained_batches() -> list[dict[str, object]]:
    """Consecutive batches of one device, each linked to the one before."""
    batches: list[dict[str, object]] = []
    previous = None
    for number in range(BATCHES):
        first = number * READINGS_PER_BATCH
        registers = [(1_000_000 + 1_000 * (first + i), 500 * (first + i)) for i in range(READINGS_PER_BATCH)]
        readings = readings_from(registers, first_seq=first, start_s=NOON_S - 900 + 900 * first)
        batch = signed(readings) if previous is None else signed(readings, previous)
        previous = batch.head
        batches.append(as_json(batch))
    return batches


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    started = time.perf_counter()
    batches = chained_batches()
    signing_s = time.perf_counter() - started
    now = datetime.fromtimestamp(NOON_S + 900 * BATCHES * READINGS_PER_BATCH, UTC)
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder) / 'community.sqlite'}")
        found_community(engine)
        started = time.perf_counter()
        results = [
            result
            for first in range(0, BATCHES, 20)
            for result in ingest_batches(engine, {"batches": batches[first : first + 20]}, now)
        ]
        ingest_s = time.perf_counter() - started
        engine.dispose()
    refused = [result for result in results if result.status != "accepted"]
    if refused:
        sys.stderr.write(f"{len(refused)} batches were not accepted, the first: {refused[0]}\n")
        raise SystemExit(1)
    readings = BATCHES * READINGS_PER_BATCH
    measures = {
        "readings signed per s": round(readings / signing_s),
        "readings verified and stored per s": round(readings / ingest_s),
        "batches of 96 verified and stored per s": round(BATCHES / ingest_s),
    }
    sys.stdout.write(json.dumps(measures) + "\n")


if __name__ == "__main__":
    main()
