"""docker-compose.yml without an engine: each service's exact command, environment and health check as processes.

What an engine would do is done by hand, and only that: service names become loopback addresses, named volumes and
secret files become directories, a service starts when those it depends on are healthy. As root each process also gets
a mount name space that is read-only except for its own volumes, no capabilities and no new privileges, as the file
demands. The database is a real PostgreSQL run from a package.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LOOPBACK = "127.0.0.1"
PORT = re.compile(r"(?<![\w.-])([a-z][a-z0-9-]*|0\.0\.0\.0|127\.0\.0\.1):(\d{2,5})(?!\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of the compose file as Compose resolved it; times in seconds."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    health_check: tuple[str, ...]  # empty for a service that ends when its work is done
    volumes: Mapping[str, str]  # target in the container -> name of the volume
    files: Mapping[str, Path]  # target in the container -> file or folder that is mounted there
    written: frozenset[str]  # targets of folders that the service may write to
    depends_on: Mapping[str, str]  # service -> what must be true of it
    writable: tuple[str, ...]  # temporary file systems


def read_services(mounted: Mapping[str, Path], *arguments: str, **variables: str) -> dict[str, Service]:
    """The services of docker-compose.yml, resolved by Compose with these arguments and environment variables.

    `mounted` gives the files that stand for the secrets of these names.
    """
    resolved = subprocess.run(
        [str(BIN / "docker-compose"), *arguments, "config", "--format", "json"],
        cwd=ROOT,
        env={"PATH": os.defpath, "HOME": "/nonexistent", **variables},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    document = json.loads(resolved)
    secrets = {name: mounted.get(name, Path(entry["file"])) for name, entry in document["secrets"].items()}
    return {name: _service(name, body, secrets) for name, body in document["services"].items()}


def _service(name: str, body: dict, secrets: Mapping[str, Path]) -> Service:
    files = {f"/run/secrets/{mount['source']}": secrets[mount["source"]] for mount in body.get("secrets") or []}
    folders = [mount for mount in body.get("volumes") or [] if mount["type"] == "bind"]
    files |= {mount["target"]: Path(mount["source"]) for mount in folders}
    test = body["healthcheck"]["test"] if "healthcheck" in body else ["CMD"]
    assert test[0] == "CMD", f"{name}: the health check is {test[0]}, use CMD"
    return Service(
        name=name,
        command=tuple(body.get("command") or ()),
        environment={key: str(value) for key, value in (body.get("environment") or {}).items()},
        health_check=tuple(test[1:]),
        volumes={v["target"]: v["source"] for v in body.get("volumes") or [] if v["type"] == "volume"},
        files=files,
        written=frozenset(mount["target"] for mount in folders if not mount.get("read_only")),
        depends_on={other: wish["condition"] for other, wish in (body.get("depends_on") or {}).items()},
        writable=tuple(entry.split(":")[0] for entry in body.get("tmpfs") or ()),
    )


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def image_environment() -> dict[str, str]:
    """What the Dockerfile's last ENV instruction sets, except the search path."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    block = re.findall(r"^ENV ((?:.*\\\n)*.*)$", dockerfile, flags=re.MULTILINE)[-1]
    return {key: value for key, value in re.findall(r"(\w+)=(\S+)", block) if key != "PATH"}


def confinement(writable: list[Path]) -> list[str]:
    """Command words that take the rest of the machine's files and all capabilities away, where this user may."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        return []
    binds = " && ".join(f"mount --bind '{path}' '{path}'" for path in writable)
    script = f'{binds} && mount -o remount,ro,bind / && exec "$@"'
    drop = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "confined", *drop]


@dataclass
class Stack:
    """The services of one compose file, as processes below one directory."""

    root: Path
    services: Mapping[str, Service]
    added: dict[str, dict[str, str]] = field(default_factory=dict)  # what a service's image sets, if it is not ours
    clock: Path | None = None  # the clock of a rehearsal, in a folder that every service may write to
    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    healthy: set[str] = field(default_factory=set)  # since they were started
    closing: ExitStack = field(default_factory=ExitStack)  # what goes when the last process has ended

    def address(self, service: str, port: int) -> str:
        """Where a service's port is on this machine."""
        return f"{LOOPBACK}:{self.ports.setdefault((service, port), free_port())}"

    def local(self, service: Service, text: str) -> str:
        """A word of the compose file in terms of this machine: addresses, volumes, mounted files."""

        def address(match: re.Match[str]) -> str:
            host, port = match[1], int(match[2])
            named = service.name if host in {"0.0.0.0", LOOPBACK} else host  # noqa: S104  the text of the file, not a bind
            return self.address(named, port) if named in self.services else match[0]

        places = self._places(service)
        targets = "|".join(re.escape(target) for target in sorted(places, key=len, reverse=True))
        text = PORT.sub(address, text)
        return re.sub(rf"(?<![\w./-])({targets})(?![\w-])", lambda match: str(places[match[1]]), text)

    def _places(self, service: Service) -> dict[str, Path]:
        places = {target: self.root / "volumes" / volume for target, volume in service.volumes.items()}
        places |= {target: self.root / "files" / service.name / target.strip("/") for target in service.files}
        places |= dict.fromkeys(service.writable, self.root / "tmp" / service.name)
        home = {"/var/lib/commonwatt": self.root / "image" / service.name, "/var/cache/commonwatt": self.root / "cache"}
        return home | places

    def place(self, name: str, target: str) -> Path:
        """Where a path in a service's container is on this machine."""
        return Path(self.local(self.services[name], target))

    def prepare(self, service: Service) -> list[Path]:
        """Make the directories and files a service will find; returns those it may write to."""
        for target, source in service.files.items():
            self._mount(service, source, self._places(service)[target])
        writable = [self._places(service)[target] for target in (*service.volumes, *service.written)]
        writable.append(self.root / "tmp" / service.name)
        if self.clock is not None:
            writable.append(self.clock.parent)
        for folder in [*writable, *self._places(service).values()]:
            if folder not in {self._places(service)[target] for target in service.files}:
                folder.mkdir(parents=True, exist_ok=True)
        return writable

    def _mount(self, service: Service, source: Path, copy: Path) -> None:
        """Copy a file or a folder's files, with the addresses that hold here; what a service wrote stays."""
        if source.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
            for file in source.iterdir():
                self._mount(service, file, copy / file.name)
        elif not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(self.local(service, source.read_text(encoding="utf-8")), encoding="utf-8")

    def environment(self, service: Service) -> dict[str, str]:
        """Exactly what the image and the compose file set, and nothing of this shell's."""
        merged = image_environment() | dict(service.environment)
        local = {key: self.local(service, value) for key, value in merged.items()}
        local["PATH"] = os.pathsep.join([str(BIN), "/usr/bin", "/bin", "/usr/sbin", "/sbin"])
        local["TMPDIR"] = str(self.root / "tmp" / service.name)
        if self.clock is not None:
            local["COMMONWATT_CLOCK_FILE"] = str(self.clock)
        return local | self.added.get(service.name, {})

    def start(self, name: str) -> None:
        """Start a service as its container would be, when what it depends on is as it wants it."""
        service = self.services[name]
        for other, condition in service.depends_on.items():
            if condition == "service_completed_successfully":
                self.wait_completed(other)
            else:
                self.wait_healthy(other)
        writable = self.prepare(service)
        words = [self.local(service, word) for word in service.command]
        (self.root / "logs").mkdir(exist_ok=True)
        with (self.root / "logs" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*confinement(writable), *words],
                cwd=self._places(service)["/var/lib/commonwatt"],
                env=self.environment(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_healthy(self, name: str) -> bool:
        """Run a service's own health check, once."""
        service = self.services[name]
        words = [self.local(service, word) for word in service.health_check]
        checked = subprocess.run(
            [*confinement(self.prepare(service)), *words],
            env=self.environment(service),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return checked.returncode == 0

    def wait_healthy(self, name: str, seconds: float = 90) -> None:
        """Wait until a service's health check passes; fails with the end of its log."""
        if name in self.healthy:
            return
        deadline = time.monotonic() + seconds
        while not self.is_healthy(name):
            process = self.processes[name]
            assert process.poll() is None, f"{name} ended with {process.returncode}\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy after {seconds} s\n{self.log(name)}"
            time.sleep(0.3)
        self.healthy.add(name)

    def wait_completed(self, name: str, seconds: float = 90) -> None:
        """Wait until a service that ends by itself has ended well; fails with the end of its log."""
        code = self.processes[name].wait(seconds)
        assert code == 0, f"{name} ended with {code}\n{self.log(name)}"

    def log(self, name: str) -> str:
        """The end of what a service has said."""
        return (self.root / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-4000:]

    def kill(self, name: str) -> None:
        """End a service as a power cut would: every process of it at once, no chance to say anything."""
        process = self.processes.pop(name)
        self.healthy.discard(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)

    def stop(self) -> None:
        """End what still runs: politely, and after ten seconds not."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for name in list(self.processes):
            with suppress(subprocess.TimeoutExpired):
                self.processes[name].wait(10)
            self.kill(name)
        self.closing.close()


def waiting_for(seconds: float, step_s: float = 0.3) -> Iterator[None]:
    """Yields until the time is over, for loops that look again and again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(step_s)
