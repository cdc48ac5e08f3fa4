"""Where a bus is: `tcp://`, `rtu://`, `rtutcp://` and `tls://` addresses, and the pymodbus client for each."""

import ssl
import termios
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import serial
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.framer import FramerType
from pymodbus.transport import CommParams, CommType

TracePacket = Callable[[bool, bytes], bytes]
TraceConnect = Callable[[bool], None]

DEFAULT_PORTS = {"tcp": 502, "rtutcp": 502, "tls": 802}
SERIAL_OPTIONS = {"baud": "9600", "parity": "N", "stop": "1", "bytes": "8"}
TLS_OPTIONS = {"ca": "", "cert": "", "key": ""}
BITS_PER_CHARACTER = 11
EXAMPLE = "tcp://192.168.1.20:502, rtu:///dev/ttyUSB0?baud=9600, rtutcp://HOST:PORT or tls://HOST:802?ca=FILE"


class AddressError(ValueError):
    """An address nobody can read; the message shows what is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusAddress:
    """One physical bus. `target` is a host or a serial device, `options` the part after `?`."""

    scheme: str
    target: str
    port: int
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "BusAddress":
        """Read an address. Raises AddressError naming what is wrong with it."""
        parts = urlsplit(text)
        if parts.scheme not in {"tcp", "rtu", "rtutcp", "tls"}:
            raise AddressError(f"{text!r} is no meter address: use {EXAMPLE}")
        known = {"rtu": SERIAL_OPTIONS, "tls": TLS_OPTIONS}.get(parts.scheme, {})
        given = dict(parse_qsl(parts.query))
        if unknown := [name for name in given if name not in known]:
            raise AddressError(f"{text!r}: unknown option {unknown[0]!r}; {parts.scheme}:// knows {sorted(known)}")
        if parts.scheme == "rtu":
            if not parts.path or parts.netloc:
                raise AddressError(f"{text!r}: a serial device has three slashes, rtu:///dev/ttyUSB0")
            target, port = parts.path, 0
        else:
            target, port = _host_and_port(text, DEFAULT_PORTS[parts.scheme])
        return cls(scheme=parts.scheme, target=target, port=port, options=tuple({**known, **given}.items()))

    def __str__(self) -> str:
        where = self.target if self.scheme == "rtu" else f"{self.target}:{self.port}"
        return f"{self.scheme}://{where}"

    @property
    def is_rtu_framed(self) -> bool:
        """Frames carry no transaction id, so that a late reply can only be told by unit, function and length."""
        return self.scheme in {"rtu", "rtutcp"}

    @property
    def quiet_s(self) -> float:
        """Silence a serial bus needs between frames: 3.5 characters, at least 1.75 ms; 0 elsewhere."""
        if self.scheme != "rtu":
            return 0.0
        return max(0.00175, 3.5 * BITS_PER_CHARACTER / int(dict(self.options)["baud"]))

    def takes_settings(self) -> bool:
        """Whether a serial line that can be opened at all takes this speed and parity; True for every other bus."""
        if self.scheme != "rtu":
            return True
        options = dict(self.options)
        line = serial.Serial(baudrate=_whole(self, "baud", options["baud"]), bytesize=int(options["bytes"]))
        line.port = self.target
        try:
            line.parity, line.stopbits = options["parity"], int(options["stop"])
            line.open()
            # Set a second time: some drivers complain only when what they were given is not what they took.
            line.timeout = 0
        except (termios.error, ValueError):
            return False
        except serial.SerialException:
            return True
        finally:
            line.close()
        return True

    def client(self, *, timeout_s: float, trace_packet: TracePacket, trace_connect: TraceConnect) -> ModbusBaseClient:
        """A pymodbus client that neither retries nor reconnects by itself.

        Raises AddressError if the options are wrong or certificates cannot be read.
        """
        options = dict(self.options)
        if self.scheme == "rtu":
            return AsyncModbusSerialClient(
                self.target,
                framer=FramerType.RTU,
                baudrate=_whole(self, "baud", options["baud"]),
                parity=options["parity"],
                stopbits=_whole(self, "stop", options["stop"]),
                bytesize=_whole(self, "bytes", options["bytes"]),
                timeout=timeout_s,
                retries=0,
                reconnect_delay=0,
                trace_packet=trace_packet,
                trace_connect=trace_connect,
            )
        return _StreamClient(
            self.target,
            self.port,
            framer=FramerType.RTU if self.scheme == "rtutcp" else FramerType.SOCKET,
            timeout_s=timeout_s,
            tls=_tls_context(self, options) if self.scheme == "tls" else None,
            trace_packet=trace_packet,
            trace_connect=trace_connect,
        )


class _StreamClient(AsyncModbusTcpClient):
    """Modbus over a TCP or TLS stream.

    pymodbus's own TLS client leaves out the MBAP header, which Modbus/TCP Security (MB-TCP-Security-v21, 5) keeps: so
    the TCP framing is used inside TLS.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        framer: FramerType,
        timeout_s: float,
        tls: ssl.SSLContext | None,
        trace_packet: TracePacket,
        trace_connect: TraceConnect,
    ) -> None:
        self.comm_params = CommParams(
            comm_type=CommType.TCP if tls is None else CommType.TLS,
            comm_name="meter",
            host=host,
            port=port,
            sslctx=tls,
            reconnect_delay=0.0,
            reconnect_delay_max=0.0,
            timeout_connect=timeout_s,
        )
        super().__init__(host, framer=framer, retries=0, trace_packet=trace_packet, trace_connect=trace_connect)


def _host_and_port(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(text)
    try:
        port = parts.port or default_port
    except ValueError as error:
        raise AddressError(f"{text!r}: {error}") from error
    if not parts.hostname or parts.path not in {"", "/"}:
        raise AddressError(f"{text!r} names no host: use {EXAMPLE}")
    return parts.hostname, port


def _whole(address: BusAddress, name: str, value: str) -> int:
    if not value.isdigit():
        raise AddressError(f"{address}: {name}={value} is not a whole number")
    return int(value)


def _tls_context(address: BusAddress, options: dict[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options["ca"] or None)
        if options["cert"]:
            context.load_cert_chain(options["cert"], options["key"] or None)
    except (OSError, ssl.SSLError) as error:
        raise AddressError(f"{address}: certificate files cannot be read: {error}") from error
    return context
