"""The compose stack gives no service more than it needs, and the image is what the services expect."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from house_sources import ROOT

Service = dict[str, object]
JOBS = {"enrol", "init"}
"""Services that end when they have done their work."""


@pytest.fixture(scope="module")
def stack() -> dict[str, dict[str, Service]]:
    """The compose file with every profile, as Compose itself resolves it."""
    program = Path(sys.executable).with_name("docker-compose")
    command = [str(program), "--profile", "*", "config", "--format", "json"]
    resolved = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(resolved))


def weaknesses(service: Service) -> list[str]:
    """What a service may do that it need not, or lacks that it needs."""
    user = str(service.get("user", ""))
    checks = {
        "its root file system can be written": service.get("read_only") is True,
        "it keeps capabilities": service.get("cap_drop") == ["ALL"] and not service.get("cap_add"),
        "it may gain privileges": "no-new-privileges:true" in (service.get("security_opt") or []),
        "it runs as root": bool(re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)),
        "nobody sees whether it is healthy": bool(service.get("healthcheck")),
        "it stays down after a crash": service.get("restart") == "unless-stopped",
        "its image moves by itself": not str(service.get("image")).endswith(":latest")
        and ":" in str(service.get("image")),
        "it is privileged": not service.get("privileged") and service.get("network_mode") != "host",
    }
    return [problem for problem, fine in checks.items() if not fine]


def test_no_service_has_a_weakness(stack) -> None:
    found = {name: set(weaknesses(service)) for name, service in stack["services"].items()}
    of_jobs = {"nobody sees whether it is healthy", "it stays down after a crash"}
    assert {name: problems for name, problems in found.items() if problems} == dict.fromkeys(JOBS, of_jobs)


def test_whoever_needs_a_job_waits_until_it_has_ended_well(stack) -> None:
    conditions = {
        (other, wish["condition"])
        for service in stack["services"].values()
        for other, wish in (service.get("depends_on") or {}).items()
    }
    assert conditions == {
        ("postgres", "service_healthy"),
        ("chain", "service_healthy"),
        ("worker", "service_healthy"),
        ("web", "service_healthy"),
        ("enrol", "service_completed_successfully"),
    }


def test_only_init_may_write_into_the_community_s_folder(stack) -> None:
    writers = {
        name
        for name, service in stack["services"].items()
        for volume in service.get("volumes") or []
        if volume["type"] == "bind" and not volume.get("read_only")
    }
    assert writers == {"init"}


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("read_only", False, "its root file system can be written"),
        ("cap_drop", [], "it keeps capabilities"),
        ("cap_add", ["NET_ADMIN"], "it keeps capabilities"),
        ("security_opt", None, "it may gain privileges"),
        ("user", "0:0", "it runs as root"),
        ("healthcheck", None, "nobody sees whether it is healthy"),
        ("restart", "no", "it stays down after a crash"),
        ("image", "commonwatt:latest", "its image moves by itself"),
        ("privileged", True, "it is privileged"),
    ],
)
def test_a_planted_weakness_is_found(stack, key: str, value: object, problem: str) -> None:
    service = copy.deepcopy(stack["services"]["web"])
    service[key] = value
    assert weaknesses(service) == [problem]


def test_secrets_are_files_and_never_environment(stack) -> None:
    assert stack["secrets"]
    assert all("file" in secret for secret in stack["secrets"].values())
    for name, service in stack["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN", variable):
                assert variable.endswith("_FILE"), f"{name} has {variable} in its environment"
                mounted = {f"/run/secrets/{secret['source']}" for secret in service["secrets"]}
                assert value in mounted, f"{name} names {value}, which is not mounted"


def test_only_the_web_service_is_published_and_only_on_this_machine(stack) -> None:
    published = {name: service["ports"] for name, service in stack["services"].items() if service.get("ports")}
    assert set(published) == {"web"}
    assert {port["host_ip"] for port in published["web"]} == {"127.0.0.1"}


def test_database_and_chain_are_out_of_reach_of_gateways_and_meters(stack) -> None:
    networks = {name: set(service["networks"]) for name, service in stack["services"].items()}
    assert networks["postgres"] == networks["chain"] == {"inside"}
    assert stack["networks"]["inside"]["internal"] is True
    platform = {"postgres", "chain", "web", "worker", *JOBS}
    assert all("inside" not in networks[name] for name in networks if name not in platform)
    assert all("outside" not in networks[name] for name in JOBS)


def test_what_must_survive_is_on_a_named_volume(stack) -> None:
    mounted = {
        (name, volume["target"])
        for name, service in stack["services"].items()
        for volume in service.get("volumes") or []
        if volume["type"] == "volume"
    }
    assert {
        ("postgres", "/var/lib/postgresql/data"),
        ("chain", "/var/lib/commonwatt/chain"),
        ("worker", "/var/lib/commonwatt"),
        ("gateway", "/var/lib/commonwatt/gateway"),
    } <= mounted


def test_the_image_runs_as_the_user_that_the_services_name(stack) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user = re.findall(r"^USER (\S+)$", dockerfile, flags=re.MULTILINE)[-1]
    own = [service for service in stack["services"].values() if str(service["image"]).startswith("commonwatt")]
    assert {service["user"] for service in own} == {user}


def test_secrets_are_made_once_and_only_their_owner_reaches_them(tmp_path: Path) -> None:
    program, folder = str(ROOT / "deploy/make-secrets"), tmp_path / "secrets"
    subprocess.run([program, str(folder)], check=True, capture_output=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run([program, str(folder)], check=True, capture_output=True)
    assert first == {path.name: path.read_text() for path in folder.iterdir()}
    assert all(len(secret) == 64 for secret in first.values())
    assert len(set(first.values())) == len(first)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_secrets_that_are_made_are_those_that_the_stack_names(stack, tmp_path: Path) -> None:
    subprocess.run([str(ROOT / "deploy/make-secrets"), str(tmp_path / "secrets")], check=True, capture_output=True)
    assert {path.name for path in (tmp_path / "secrets").iterdir()} == set(stack["secrets"])
