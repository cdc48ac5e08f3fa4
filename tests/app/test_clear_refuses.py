"""`commonwatt clear` as a process of its own: what is no book is refused in one line, and the last result stays."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

HEADER = "order_id,participant,metering_point,bus,side,quantity_wh,limit_micro_per_kwh,firmness\n"
GOOD = HEADER + "a,anna,mp-1,,sell,800,120000,firm\nb,ben,mp-2,,buy,500,260000,firm\n"
ENDLESS_BYTES = 2 * 10**9
MEMORY_BYTES_MAX = 2**30  # less than the line, more than Python, numpy and Arrow reserve


def clear(orders: Path, out: Path, *, setting: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command after a line of Python that sets a limit of the process."""
    code = f"import resource\n{setting}\nfrom app.cli import main\nmain()"
    command = [sys.executable, "-c", code, "clear", str(orders), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def refused(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    for word in words:
        assert word in ended.stderr


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A directory with an older result."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "trades.csv").write_text("older trades")
    (folder / "clearing.json").write_text("older document")
    return folder


@pytest.fixture(autouse=True)
def _older_result_stays(out: Path) -> Iterator[None]:
    yield
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        "trades.csv": "older trades",
        "clearing.json": "older document",
    }


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path, out: Path) -> None:
    refused(clear(tmp_path / "nothing.csv", out), "nothing.csv cannot be read: No such file", "give a CSV file")
    refused(clear(tmp_path, out), f"{tmp_path} cannot be read: Is a directory", "give a CSV file")


def test_a_file_that_breaks_off_while_it_is_read_is_refused(out: Path) -> None:
    refused(clear(Path("/proc/self/mem"), out), "/proc/self/mem cannot be read: Input/output error")


@pytest.mark.parametrize("before", [b"", GOOD.encode()], ids=["from the start", "after two orders"])
def test_a_line_of_two_gigabytes_is_refused_before_it_fills_the_memory(
    tmp_path: Path, out: Path, before: bytes
) -> None:
    path = tmp_path / "orders.csv"
    with path.open("wb") as stream:
        stream.write(before + b"x")
        stream.truncate(ENDLESS_BYTES)  # zeros without a line's end that take no room on the disk
    setting = f"resource.setrlimit(resource.RLIMIT_DATA, ({MEMORY_BYTES_MAX},) * 2)"
    refused(clear(path, out, setting=setting), f"line {4 if before else 1}: longer than 65536 bytes")


def test_an_endless_pipe_is_refused_while_it_goes_on(tmp_path: Path, out: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with suppress(BrokenPipeError), pipe.open("wb", buffering=0) as stream:
            stream.write(GOOD.encode())
            while True:
                stream.write(b"9" * 2**20)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    refused(clear(pipe, out), "pipe line 4: longer than 65536 bytes")
    writer.join(timeout=30)
    assert not writer.is_alive()


def test_a_bad_line_in_a_pipe_is_named(tmp_path: Path, out: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(GOOD + "\na,carl,,,buy,5,100,firm\n",), daemon=True)
    writer.start()
    refused(clear(pipe, out), "pipe line 5: order_id 'a' is used twice; give each order its own")
    writer.join(timeout=30)


def test_a_full_disk_leaves_the_older_result(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + "".join(f"order-{k},p{k},m{k},,buy,5,100,firm\n" for k in range(2_000)))
    setting = "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"
    refused(clear(path, out, setting=setting), f"{out} cannot be written: File too large", "give another --out")
    assert not (tmp_path / "new").exists()
    refused(clear(path, tmp_path / "new", setting=setting), "new cannot be written")
    assert not (tmp_path / "new").exists()


def test_a_result_that_cannot_be_put_in_place_is_refused(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(GOOD)
    refused(clear(path, out / "trades.csv"), "trades.csv")
    refused(clear(path, out / "trades.csv" / "below"), "cannot be written: Not a directory")
    (tmp_path / "taken" / "clearing.json").mkdir(parents=True)
    refused(clear(path, tmp_path / "taken"), "taken cannot be written", "clearing.json is a directory")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["clearing.json"]
