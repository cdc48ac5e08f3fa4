"""A process that settles one batch after the other, to be killed: `ledger_writer.py DIRECTORY LAST_SEQUENCE`.

Prints `ready` before it opens anything, and `SEQUENCE BLOCK_HASH` for each batch that was acknowledged.
"""

import sys
from pathlib import Path

from chain_community import MEMBERS, open_community, random_batch


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(directory: Path, last: int) -> None:
    say("ready")
    chain, outbox, ledger = open_community(directory)
    outbox.recover()
    for sequence in range(ledger.last_sequence() + 1, last + 1):
        receipt = ledger.settle(random_batch(sequence, members=MEMBERS))
        say(f"{sequence} {receipt['blockHash'].hex()}")
    outbox.close()
    chain.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
