"""An operator's first steps with the compose stack: refused without a configuration, helped by init, signed in."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from compose_postgres import Postgres
from compose_processes import ROOT, Stack, read_services

CONFIG = "/etc/commonwatt/commonwatt.toml"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Database and chain of a community that nobody has described yet."""
    root = tmp_path_factory.mktemp("compose")
    (root / "community").mkdir()
    subprocess.run([str(ROOT / "deploy/make-secrets"), str(root / "secrets")], check=True, capture_output=True)
    secrets = {path.name: path for path in (root / "secrets").iterdir()}
    community = {"COMMONWATT_COMMUNITY": str(root / "community")}
    stack = Stack(root=root, services=read_services(secrets, "--profile", "init", **community))
    try:
        Postgres(stack).prepare()
        stack.start("chain")
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def said(stack: Stack) -> str:
    """What init said; what it wrote is where the other services look for it."""
    stack.start("init")
    stack.wait_completed("init")
    shutil.copytree(stack.place("init", "/etc/commonwatt"), stack.root / "community", dirs_exist_ok=True)
    return stack.log("init")


def test_a_worker_without_a_configuration_says_how_to_write_one(stack: Stack) -> None:
    stack.start("worker")
    assert stack.processes["worker"].wait(60) == 2
    assert "commonwatt.toml does not exist: write one with `commonwatt init`" in stack.log("worker")
    assert "Traceback" not in stack.log("worker")


def test_init_writes_an_example_and_says_what_is_missing(stack: Stack, said: str) -> None:
    assert "[[members]]" in stack.place("init", CONFIG).read_text(encoding="utf-8")
    assert "the meter's address tcp://192.0.2.11:502 is the example's" in said


def test_the_link_signs_the_operator_in_once(stack: Stack, said: str) -> None:
    stack.start("web")
    stack.wait_healthy("web")
    path = re.search(r"/sign-in/link/\S+", said)[0]
    first = _followed(stack, path)
    assert (first.status_code, first.headers["Location"]) == (302, "/password")
    assert _followed(stack, path).status_code == 401


def _followed(stack: Stack, path: str) -> httpx.Response:
    """The answer to the click that the link's page asks for, in a browser of its own."""
    with httpx.Client(base_url=f"http://{stack.address('web', 8000)}") as browser:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(path).text)[1]
        return browser.post(path, data={"csrf_token": token}, headers={"Referer": str(browser.base_url)})
