"""A real SMTP server on loopback that keeps what it takes, and certificates for it."""

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

USER, PASSWORD = "hill", "letters-go-out"  # pragma: allowlist secret


class Postbox:
    """What the server took; `answers` by recipient are given in place of taking a letter."""

    def __init__(self) -> None:
        self.letters: list[Message] = []
        self.answers: dict[str, str] = {}
        self.encrypted: list[bool] = []

    async def handle_RCPT(  # noqa: N802 the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 likewise
        self.letters.append(message_from_bytes(bytes(envelope.content or b"")))
        self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"


def _knows(_server: object, _session: object, _envelope: object, _mechanism: str, data: object) -> AuthResult:
    known = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)


@contextmanager
def mail_server(
    postbox: Postbox, *, port: int = 0, encryption: str = "none", folder: Path | None = None, auth: bool = False
) -> Iterator[int]:
    """A server that answers on loopback; yields its port."""
    context = None if folder is None else certified(folder)
    options = {"auth_require_tls": encryption != "none", "authenticator": _knows} if auth else {}
    controller = Controller(
        postbox,
        hostname="127.0.0.1",
        port=port or free_port(),
        ssl_context=context if encryption == "tls" else None,
        tls_context=context if encryption == "starttls" else None,
        auth_required=auth,
        **options,
    )
    if encryption == "tls":  # encrypted from the first byte, which aiosmtpd does not count as TLS by itself
        controller.SMTP_kwargs["auth_require_tls"] = False
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def certified(folder: Path) -> ssl.SSLContext:
    """A context with a certificate of its own for 127.0.0.1, which is written to `folder`/ca.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context
