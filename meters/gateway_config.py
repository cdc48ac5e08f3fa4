"""What a gateway is told in `gateway.toml`, checked before anything is done with it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from meters.address import AddressError, BusAddress
from meters.control_profile import SUNSPEC, control_profile_names
from meters.interval import MARKET_TIME_UNITS_MINUTES
from meters.profile import Profile, ProfileError, load_profile
from meters.toml_tables import TableReader

DEVICE_ID_MAX = 255
"""Modbus TCP devices may answer at 0 and 248 to 255 too; serial ones only at 1 to 247."""


class ConfigError(Exception):
    """A configuration with mistakes: `problems` has one line each, naming file and key and saying what to do."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlConfig:
    """An inverter that obeys set-points of its meter's device, told as `profile` says (`meters.control_profile`)."""

    address: str
    device_id: int = 1
    profile: str = SUNSPEC


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConfig:
    """One meter.

    device            the name the platform knows it by, e.g. D017
    address           tcp://HOST:PORT, rtu:///dev/ttyUSB0?baud=9600, rtutcp://HOST:PORT or tls://HOST:802?ca=FILE
    connection_w      rating of the connection in W (3 x 63 A by default): more energy than that is an error
    allow_unverified  read a meter whose profile is not verified; its readings are marked suspect
    """

    device: str
    profile: str
    address: str
    device_id: int = 1
    connection_w: float = 43_500
    allow_unverified: bool = False
    control: ControlConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedConfig:
    """A meter that cannot be read: its readings come from files (`commonwatt readings import`)."""

    device: str
    connection_w: float = 43_500


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """A broker that hears every reading.

    broker     mqtt://HOST:PORT or mqtts://HOST:PORT
    ca         who signed the broker's certificate, a file; by default whom the machine trusts
    prefix     first word of the topics of readings
    discovery  first word of the topics in which Home Assistant looks for new sensors
    """

    broker: str
    user: str = ""
    password_file: str = ""
    ca: str = ""
    prefix: str = "commonwatt"
    discovery: str = "homeassistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """A gateway: where it keeps its state, whom it delivers to, and its meters.

    poll_s     seconds between reads inside an interval; every boundary is read besides
    timeout_s  how long a device may take to answer
    keep_days  how long acknowledged readings stay in the outbox
    """

    name: str
    state_dir: Path
    server: str = ""
    interval_minutes: int = 15
    poll_s: float = 60.0
    timeout_s: float = 0.5
    keep_days: int = 60
    mqtt: MqttConfig | None = None
    meters: tuple[MeterConfig, ...] = ()
    imported: tuple[ImportedConfig, ...] = ()

    @classmethod
    def load(cls, path: Path) -> "GatewayConfig":
        """Read and check a file. Raises ConfigError with everything that is wrong with it."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError((f"{path}: {error.strerror}",)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError((f"{path}: {error}",)) from error
        reader = _Reader(path)
        config = reader.config(document)
        problems = check(config, where=str(path))
        if reader.problems:
            # What is missing is reported as missing, not a second time as empty.
            problems = (*reader.problems, *(problem for problem in problems if not _is_empty(problem)))
        if problems:
            raise ConfigError(problems)
        return config


class _Reader(TableReader):
    """Reads a gateway's tables."""

    def config(self, document: Mapping[str, Any]) -> GatewayConfig:
        self.known(document, {"gateway", "meter", "mqtt", "imported"}, "")
        table = document.get("gateway", {})
        meters = document.get("meter", [])
        imported = document.get("imported", [])
        if not isinstance(table, dict) or not isinstance(meters, list) or not isinstance(imported, list):
            self.problem("", "use one [gateway] table, one [[meter]] or [[imported]] table for each meter")
            table, meters, imported = {}, [], []
        values = self.values(table, GatewayConfig, "gateway", rename={"state": "state_dir"})
        state = Path(str(values.pop("state_dir", ".")))
        return GatewayConfig(
            **{"name": "", **values},
            state_dir=state if state.is_absolute() else self.path.parent / state,
            mqtt=self._mqtt(document.get("mqtt")),
            meters=tuple(self._meter(meter, f"meter {number}") for number, meter in enumerate(meters, 1)),
            imported=tuple(self._imported(meter, f"imported {number}") for number, meter in enumerate(imported, 1)),
        )

    def _imported(self, table: Mapping[str, Any], where: str) -> ImportedConfig:
        return ImportedConfig(**{"device": "", **self.values(table, ImportedConfig, where)})

    def _mqtt(self, table: Mapping[str, Any] | None) -> MqttConfig | None:
        return None if table is None else MqttConfig(**{"broker": "", **self.values(table, MqttConfig, "mqtt")})

    def _meter(self, table: Mapping[str, Any], where: str) -> MeterConfig:
        values = self.values(table, MeterConfig, where, tables={"control"})
        control = table.get("control")
        if control is not None:
            values["control"] = ControlConfig(
                **{"address": "", **self.values(control, ControlConfig, f"{where}, control")}
            )
        return MeterConfig(**{"device": "", "profile": "", "address": "", **values})


def _is_empty(problem: str) -> bool:
    return " is empty" in problem or "''" in problem


def check(config: GatewayConfig, *, where: str = "configuration") -> tuple[str, ...]:
    """Everything that is wrong with a configuration, one line each; () if nothing is."""
    problems = []
    if not config.name:
        problems.append(f"{where}, gateway: name is empty")
    if config.interval_minutes not in MARKET_TIME_UNITS_MINUTES:
        allowed = ", ".join(str(minutes) for minutes in MARKET_TIME_UNITS_MINUTES)
        problems.append(f"{where}, gateway: interval_minutes = {config.interval_minutes} is none of {allowed}")
    if config.server and not config.server.startswith(("http://", "https://")):
        problems.append(f"{where}, gateway: server = {config.server!r} should start with https://")
    for name, value in (("poll_s", config.poll_s), ("timeout_s", config.timeout_s), ("keep_days", config.keep_days)):
        if value <= 0:
            problems.append(f"{where}, gateway: {name} = {value} should be above 0")
    problems += [f"{where}, mqtt: {problem}" for problem in _mqtt_problems(config.mqtt)]
    for number, meter in enumerate(config.meters, 1):
        problems += [f"{where}, meter {number}: {problem}" for problem in _meter_problems(meter)]
    for number, source in enumerate(config.imported, 1):
        problems += [f"{where}, imported {number}: {problem}" for problem in _imported_problems(source)]
    return (*problems, *(f"{where}: {problem}" for problem in _doubles(config)))


def _imported_problems(meter: ImportedConfig) -> list[str]:
    problems = []
    if not meter.device:
        problems.append("device is empty: give the name the platform knows this meter by")
    if meter.connection_w <= 0:
        problems.append(f"connection_w = {meter.connection_w} should be above 0")
    return problems


def config_to_run(path: Path) -> GatewayConfig:
    """Read and check a file that is to be run. Raises ConfigError also without a server or without meters."""
    config = GatewayConfig.load(path)
    problems = []
    if not config.server:
        problems.append(f"{path}, gateway: server is missing: to whom should readings be delivered?")
    if not config.meters:
        problems.append(f"{path}: there is no [[meter]] table, nothing to read")
    if problems:
        raise ConfigError(tuple(problems))
    return config


def restart_problems(old: GatewayConfig, new: GatewayConfig) -> tuple[str, ...]:
    """What a running gateway cannot take over from a new configuration."""
    names = {
        "name": "name",
        "server": "server",
        "state_dir": "state",
        "interval_minutes": "interval_minutes",
        "mqtt": "[mqtt]",
    }
    return tuple(
        f"{key} = {getattr(new, name)} was {getattr(old, name)}: restart the gateway to change it"
        for name, key in names.items()
        if getattr(new, name) != getattr(old, name)
    )


def _mqtt_problems(mqtt: MqttConfig | None) -> list[str]:
    if mqtt is None:
        return []
    problems = []
    if not re.fullmatch(r"mqtts?://([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?", mqtt.broker):
        problems.append(f"broker = {mqtt.broker!r} should be like mqtt://192.168.1.5:1883")
    for name, topic in (("prefix", mqtt.prefix), ("discovery", mqtt.discovery)):
        if not topic or set(topic) & set("+#/"):
            problems.append(f"{name} = {topic!r} should be one word of a topic")
    if find_spec("paho") is None:
        problems.append("the package paho-mqtt is missing: pip install 'commonwatt[mqtt]'")
    return problems


def _meter_problems(meter: MeterConfig) -> list[str]:
    problems = []
    if not meter.device:
        problems.append("device is empty: give the name the platform knows this meter by")
    try:
        problems += _profile_problems(meter, load_profile(meter.profile))
    except ProfileError as error:
        problems.append(str(error))
    problems += _place_problems(meter.address, meter.device_id)
    if meter.control is not None:
        problems += [f"control: {line}" for line in _control_problems(meter.control)]
    if meter.connection_w <= 0:
        problems.append(f"connection_w = {meter.connection_w} should be above 0")
    return problems


def _profile_problems(meter: MeterConfig, profile: Profile) -> list[str]:
    if profile.verified or meter.allow_unverified:
        return []
    remedy = "allow_unverified = true reads it all the same and marks every reading suspect"
    return [f"profile {profile.name} is not verified ({'; '.join(profile.problems)}): it may not settle; {remedy}"]


def _place_problems(address: str, device_id: int) -> list[str]:
    problems = []
    try:
        BusAddress.parse(address)
    except AddressError as error:
        problems.append(str(error))
    if not 0 <= device_id <= DEVICE_ID_MAX:
        problems.append(f"device_id = {device_id} is not in 0..{DEVICE_ID_MAX}")
    return problems


def _control_problems(control: ControlConfig) -> list[str]:
    problems = _place_problems(control.address, control.device_id)
    if control.profile not in control_profile_names():
        known = ", ".join(control_profile_names())
        problems.append(f"there is no control profile {control.profile!r}: known are {known}")
    return problems


def _doubles(config: GatewayConfig) -> list[str]:
    problems = []
    seen: dict[object, str] = {}
    for meter in config.meters:
        for what in (meter.device, (meter.address, meter.device_id)):
            if what in seen:
                name = what if isinstance(what, str) else f"{what[0]} device_id {what[1]}"
                problems.append(f"two meters are {name}")
            seen[what] = meter.device
    for source in config.imported:
        if source.device in seen:
            problems.append(f"two meters are {source.device}")
        seen[source.device] = source.device
    return problems
