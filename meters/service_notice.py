"""Telling systemd how this service is: one datagram to the socket it names (sd_notify(3)), nothing without one."""

import socket
from collections.abc import Mapping

READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def notify(notice: str, environment: Mapping[str, str]) -> None:
    """Send `notice` to the socket in NOTIFY_SOCKET. Whoever is not there to hear it is no reason to stop."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.settimeout(0)
        try:
            line.sendto(notice.encode(), address)
        except OSError:
            return
