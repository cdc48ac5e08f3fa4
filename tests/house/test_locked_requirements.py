"""The lock holds what pyproject.toml asks for, each file by hash, and says nowhere from where."""

import re
import tomllib

import pytest
from house_sources import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENTRY = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ;[^\\]*)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BASE = PROJECT["dependencies"]
EXTRAS = PROJECT["optional-dependencies"]
HOLDS = {
    "gateway": BASE,
    "gateway-mqtt": BASE + EXTRAS["mqtt"],
    "server": BASE + EXTRAS["platform"],
    "platform": BASE + EXTRAS["platform"] + EXTRAS["dev"],
}


def locked(name: str) -> dict[str, str]:
    """Version of each package in a lock file. Every line of it must be understood."""
    content = (ROOT / f"locked/{name}.txt").read_text(encoding="utf-8")
    rest = ENTRY.sub("", content)
    strange = [line for line in rest.splitlines() if line and not line.lstrip().startswith("#")]
    assert not strange, f"locked/{name}.txt: {strange[:3]}"
    return {canonicalize_name(package): version for package, version, _ in ENTRY.findall(content)}


def unmet(requirements: list[str], versions: dict[str, str]) -> list[str]:
    """Requirements that a lock does not satisfy."""
    wanted = [Requirement(text) for text in requirements]
    return [
        str(need)
        for need in wanted
        if not need.specifier.contains(versions.get(canonicalize_name(need.name), "0"), prereleases=True)
        or canonicalize_name(need.name) not in versions
    ]


@pytest.mark.parametrize("name", HOLDS)
def test_the_lock_satisfies_what_the_project_asks_for(name: str) -> None:
    assert not unmet(HOLDS[name], locked(name)), "run `make lock` and commit locked/"


def test_a_requirement_that_is_not_locked_is_found() -> None:
    versions = {"click": "8.1.0"}
    assert unmet(["click>=8", "flask>=3", "click>=9"], versions) == ["flask>=3", "click>=9"]


@pytest.mark.parametrize("name", ["gateway", "gateway-mqtt", "server"])
def test_smaller_locks_hold_the_versions_of_the_large_one(name: str) -> None:
    everything = locked("platform")
    assert not {package: version for package, version in locked(name).items() if everything[package] != version}


def test_a_gateway_is_spared_what_only_the_platform_needs() -> None:
    assert not {"numpy", "flask", "web3", "pandapower", "pyomo", "sqlalchemy", "paho-mqtt"} & set(locked("gateway"))
    assert not {"pytest", "mypy", "playwright"} & set(locked("server"))


@pytest.mark.parametrize("name", [*HOLDS, "bootstrap"])
def test_no_lock_says_from_where_to_download(name: str) -> None:
    content = (ROOT / f"locked/{name}.txt").read_text(encoding="utf-8")
    assert locked(name)
    assert not re.search(r"https?://|--index|--find-links|--extra-index", content)
