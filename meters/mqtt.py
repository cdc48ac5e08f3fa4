"""Readings for home automation: published to an MQTT broker, and announced as Home Assistant discovers sensors.

It only tells: nothing that arrives from a broker changes anything here. A broker that is away costs nothing but what it
would have heard; settlement has its own way, through the outbox. Needs the package `paho-mqtt` (extra `mqtt`).
Format: Home Assistant, "MQTT discovery" and "MQTT sensor".
"""

import json
import logging
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from meters.gateway_config import ConfigError, MeterConfig, MqttConfig
from meters.profile import load_profile
from meters.reading import MeterReading

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
LONGEST_WAIT_S = 10
"""How long it may take until a broker that is back is noticed."""
AT_LEAST_ONCE = 1
DEVICE_CLASSES = {"wh": "energy", "w": "power", "v": "voltage", "a": "current", "hz": "frequency"}
UNITS = {"wh": "Wh", "w": "W", "v": "V", "a": "A", "hz": "Hz"}

log = logging.getLogger(__name__)


class MqttPublisher:
    """Tells one broker what the meters of the gateway `name` show. A thread of paho's keeps the connection.

    Raises ConfigError if the password file or the certificate cannot be read.
    """

    def __init__(self, config: MqttConfig, name: str) -> None:
        self._config = config
        self._name = name
        self._announced: dict[str, str] = {}
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"commonwatt-{name}")
        self._client.reconnect_delay_set(1, LONGEST_WAIT_S)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.will_set(self._alive, "offline", qos=AT_LEAST_ONCE, retain=True)
        self._where = urlsplit(config.broker)
        try:
            if config.user:
                password = (
                    Path(config.password_file).read_text(encoding="utf-8").strip() if config.password_file else None
                )
                self._client.username_pw_set(config.user, password)
            if self._where.scheme == "mqtts":
                self._client.tls_set(ca_certs=config.ca or None)
        except OSError as error:
            raise ConfigError((f"mqtt: {error.filename or config.ca}: {error.strerror}",)) from error

    @property
    def _alive(self) -> str:
        return f"{self._config.prefix}/{self._name}/status"

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._client.connect_async(self._where.hostname or "", self._where.port or DEFAULT_PORTS[self._where.scheme])
        self._client.loop_start()

    def announce(self, meters: Sequence[MeterConfig]) -> None:
        """Have Home Assistant know these meters and forget those that were announced before and are gone."""
        wanted = {
            topic: json.dumps(document)
            for meter in meters
            for topic, document in discovery(meter, self._config, self._name).items()
        }
        gone = dict.fromkeys(self._announced.keys() - wanted.keys(), "")
        self._announced = wanted
        for topic, document in (gone | wanted).items():
            self._publish(topic, document, retain=True)

    def tell(self, device: str, reading: MeterReading) -> None:
        """Publish what a meter showed."""
        document = {**reading.values, "quality": reading.quality.value, "read_at": reading.read_at.isoformat()}
        self._publish(state_topic(self._config, self._name, device), json.dumps(document), retain=True)

    def close(self) -> None:
        """Say goodbye and disconnect."""
        self._publish(self._alive, "offline", retain=True)
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, topic: str, text: str, *, retain: bool) -> None:
        if self._client.is_connected():
            self._client.publish(topic, text, qos=AT_LEAST_ONCE, retain=retain)

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: paho.ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        if code.is_failure:
            log.warning("mqtt: %s refuses this gateway: %s", self._config.broker, code)
            return
        log.info("mqtt: connected to %s", self._config.broker)
        self._publish(self._alive, "online", retain=True)
        for topic, document in self._announced.items():
            self._publish(topic, document, retain=True)

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, _more: Properties | None
    ) -> None:
        if code.is_failure:
            log.warning("mqtt: connection to %s lost: %s", self._config.broker, code)


def state_topic(config: MqttConfig, name: str, device: str) -> str:
    """Where the readings of a device go."""
    return f"{config.prefix}/{name}/{_word(device)}"


def discovery(meter: MeterConfig, config: MqttConfig, name: str) -> Mapping[str, Mapping[str, object]]:
    """What announces the sensors of a meter: topic to document, one for each quantity its profile has."""
    profile = load_profile(meter.profile)
    unique = f"commonwatt_{_word(name)}_{_word(meter.device)}"
    device = {
        "identifiers": [unique],
        "name": meter.device,
        "manufacturer": profile.vendor,
        "model": profile.model,
    }
    documents: dict[str, Mapping[str, object]] = {}
    for quantity in profile.quantities:
        title, _, unit = quantity.rpartition("_")
        documents[f"{config.discovery}/sensor/{unique}/{quantity}/config"] = {
            "name": title.replace("_", " "),
            "unique_id": f"{unique}_{quantity}",
            "state_topic": state_topic(config, name, meter.device),
            "value_template": f"{{{{ value_json.{quantity} }}}}",
            "unit_of_measurement": UNITS[unit],
            "device_class": DEVICE_CLASSES[unit],
            "state_class": "total_increasing" if unit == "wh" else "measurement",
            "availability_topic": f"{config.prefix}/{name}/status",
            "device": device,
            "origin": {"name": "Commonwatt", "sw_version": metadata.version("commonwatt")},
        }
    return documents


def _word(text: str) -> str:
    """What may stand in a topic and an identifier of Home Assistant: [a-zA-Z0-9_-]."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text)
