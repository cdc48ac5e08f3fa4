"""The configuration's section [mail]: the server that letters are handed to."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path

from contracts.fields import FieldError, Fields

USUAL_PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""By encryption: begun after a plain greeting, from the first byte, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """A mail server, and in whose name letters go out.

    encryption     starttls, tls or none; without encryption no password is sent
    password_file  holds the password of `user`; read when a letter is sent, so that it can be changed meanwhile
    ca_file        certificates to trust in place of the system's
    """

    host: str
    port: int
    sender: str
    encryption: str = "starttls"
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None

    @property
    def domain(self) -> str:
        """What stands behind the @ of the sender."""
        return parseaddr(self.sender)[1].rpartition("@")[2]


def mail_from(section: Fields, place: Path) -> MailSettings:
    """Read the section; files are named relative to `place`. Raises FieldError naming the key and the remedy."""
    host = section.text("host")
    encryption = section.text("encryption") if section.has("encryption") else "starttls"
    if encryption not in USUAL_PORTS:
        raise FieldError(section.at("encryption"), f"is {encryption!r}: use one of {', '.join(USUAL_PORTS)}")
    port = section.integer("port", least=1, most=65_535) if section.has("port") else USUAL_PORTS[encryption]
    user = section.text("user") if section.has("user") else ""
    password_file = _file(section, "password_file", place)
    if bool(user) != (password_file is not None):
        raise FieldError(section.path, "user and password_file belong together: name both or neither")
    if user and encryption == "none":
        raise FieldError(section.at("encryption"), "is none: a password is sent encrypted only, use starttls or tls")
    settings = MailSettings(
        host=host,
        port=port,
        sender=_sender(section),
        encryption=encryption,
        user=user,
        password_file=password_file,
        ca_file=_file(section, "ca_file", place),
    )
    section.close()
    return settings


def is_mail_address(text: str) -> bool:
    """Whether a text is one address of mail, in ASCII as every server takes it, and nothing more."""
    name, address = parseaddr(text)
    local, at, domain = address.rpartition("@")
    if name or address != text or not (local and at and domain) or any(not 32 < ord(each) < 127 for each in text):
        return False
    try:
        Address(addr_spec=address)
    except (ValueError, IndexError):
        return False
    return True


def _sender(section: Fields) -> str:
    sender = section.text("sender")
    if not is_mail_address(parseaddr(sender)[1]) or not sender.isprintable():
        raise FieldError(section.at("sender"), f"is {sender!r}: write an address, or Name <address>")
    return sender


def _file(section: Fields, key: str, place: Path) -> Path | None:
    if not section.has(key):
        return None
    file = place / section.text(key)
    if not file.is_file():
        raise FieldError(section.at(key), f"{file} does not exist")
    return file
