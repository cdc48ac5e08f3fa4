"""The section [mail]: defaults that are safe, and refusals that name the key."""

from pathlib import Path

import pytest

from app.errors import InputError
from app.mail_settings import MailSettings
from tests.app.configurations import ANNA, COMMUNITY, settings_from

SERVER = '\n[mail]\nhost = "mail.example.org"\n'
SENDER = 'sender = "Hill Road <energy@example.org>"\n'
ACCOUNT = 'user = "energy"\npassword_file = "mail-password"\n'  # pragma: allowlist secret


def test_a_server_is_spoken_to_encrypted_unless_said_otherwise(tmp_path: Path) -> None:
    (tmp_path / "mail-password").write_text("x")
    settings = settings_from(tmp_path, COMMUNITY + SERVER + SENDER + ACCOUNT + ANNA)
    assert settings.mail == MailSettings(
        host="mail.example.org",
        port=587,
        sender="Hill Road <energy@example.org>",
        encryption="starttls",
        user="energy",
        password_file=tmp_path / "mail-password",
    )
    assert settings.mail.domain == "example.org"


def test_without_the_section_there_is_no_mail(tmp_path: Path) -> None:
    assert settings_from(tmp_path, COMMUNITY + ANNA).mail is None


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("", "mail.sender: is missing"),
        ('sender = "nobody"', "mail.sender"),
        (SENDER + 'encryption = "ssl"', "mail.encryption: is 'ssl': use one of starttls, tls, none"),
        (SENDER + "port = 0", "mail.port"),
        (SENDER + 'user = "energy"', "name both or neither"),
        (SENDER + ACCOUNT.replace("mail-password", "absent"), "absent does not exist"),
        (SENDER + ACCOUNT + 'encryption = "none"', "a password is sent encrypted only"),
        (SENDER + 'password = "x"', "mail.password: is unknown"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, lines: str, says: str) -> None:
    (tmp_path / "mail-password").write_text("x")
    with pytest.raises(InputError, match=says):
        settings_from(tmp_path, COMMUNITY + SERVER + lines + "\n")
