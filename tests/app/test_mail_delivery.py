"""Letters against a real mail server: taken once, encrypted where said, and never lost while the server is away."""

import dataclasses
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from app.audit import entries
from app.auth import spend_sign_in_code
from app.config import Settings
from app.mail import LETTERS, LINK, Letter, Mailbox, mailbox, post
from app.mail_delivery import Postman
from app.mail_settings import MailSettings
from app.storage.database import reading, writing
from tests.app.mail_server import PASSWORD, USER, Postbox, free_port, mail_server
from tests.app.neighbourhood import NOON_S, StandingClock

ANNA = Letter(to="anna@example.org", subject="Your bill for June is here", text="It says 25.70 €.\n")


def _postman(settings: Settings, engine: Engine, clock: StandingClock, mail: MailSettings) -> Postman:
    return Postman(dataclasses.replace(settings, mail=mail), engine, clock)


def _plain(port: int) -> MailSettings:
    return MailSettings(host="127.0.0.1", port=port, sender="Hill Road <energy@example.org>", encryption="none")


def _post(engine: Engine, *letters: Letter) -> None:
    with writing(engine) as connection:
        for letter in letters:
            assert post(connection, letter, now_s=NOON_S)


def _waiting(engine: Engine) -> Mailbox:
    with reading(engine) as connection:
        return mailbox(connection)


def test_a_letter_arrives_as_it_was_written_and_leaves_nothing_behind(
    any_community: Engine, settings: Settings, clock: StandingClock
) -> None:
    postbox = Postbox()
    _post(any_community, ANNA)
    with mail_server(postbox) as port:
        postman = _postman(settings, any_community, clock, _plain(port))
        assert (postman.deliver(), postman.deliver()) == (1, 0)
    (letter,) = postbox.letters
    assert (letter["To"], letter["From"]) == ("anna@example.org", "Hill Road <energy@example.org>")
    assert letter["Subject"] == "Your bill for June is here"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"] == "Mon, 16 Jun 2025 12:00:00 +0000"
    assert letter["Message-ID"].endswith("@example.org>")
    assert bytes(letter.get_payload(decode=True)).decode() == "It says 25.70 €.\r\n"
    assert _waiting(any_community) == Mailbox(waiting=0, oldest_s=None, failure="")


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_user_and_password_are_given_over_an_encrypted_connection(
    community: Engine, settings: Settings, clock: StandingClock, tmp_path: Path, encryption: str
) -> None:
    postbox = Postbox()
    (tmp_path / "password").write_text(PASSWORD + "\n")
    _post(community, ANNA)
    with mail_server(postbox, encryption=encryption, folder=tmp_path, auth=True) as port:
        mail = MailSettings(
            host="127.0.0.1",
            port=port,
            sender="energy@example.org",
            encryption=encryption,
            user=USER,
            password_file=tmp_path / "password",
            ca_file=tmp_path / "ca.pem",
        )
        assert _postman(settings, community, clock, dataclasses.replace(mail, ca_file=None)).deliver() == 0
        assert "certificate" in _waiting(community).failure.lower()
        clock.now_s += 60
        assert _postman(settings, community, clock, mail).deliver() == 1
    assert postbox.encrypted == [True]


def test_a_wrong_password_makes_letters_wait(
    community: Engine, settings: Settings, clock: StandingClock, tmp_path: Path
) -> None:
    postbox = Postbox()
    (tmp_path / "password").write_text("guess")
    _post(community, ANNA)
    with mail_server(postbox, encryption="starttls", folder=tmp_path, auth=True) as port:
        mail = MailSettings(
            host="127.0.0.1",
            port=port,
            sender="energy@example.org",
            user=USER,
            password_file=tmp_path / "password",
            ca_file=tmp_path / "ca.pem",
        )
        assert _postman(settings, community, clock, mail).deliver() == 0
    assert postbox.letters == []
    assert "535" in _waiting(community).failure


def test_a_server_without_encryption_gets_nothing_where_encryption_is_configured(
    community: Engine, settings: Settings, clock: StandingClock
) -> None:
    postbox = Postbox()
    _post(community, ANNA)
    with mail_server(postbox) as port:
        mail = dataclasses.replace(_plain(port), encryption="starttls")
        assert _postman(settings, community, clock, mail).deliver() == 0
    assert postbox.letters == []
    assert _waiting(community).waiting == 1


def test_letters_wait_for_a_dead_server_and_go_out_when_it_is_back(
    community: Engine, settings: Settings, clock: StandingClock
) -> None:
    port, postbox = free_port(), Postbox()
    postman = _postman(settings, community, clock, _plain(port))
    _post(community, ANNA, Letter(to="bela@example.org", subject="Paused", text="x"))
    for _ in range(5):
        assert postman.deliver() == 0
        clock.now_s += 600
    waiting = _waiting(community)
    assert (waiting.waiting, waiting.oldest_s) == (2, NOON_S)
    assert f"127.0.0.1:{port}" in waiting.failure
    clock.now_s += 3600
    with mail_server(postbox, port=port):
        assert postman.deliver() == 2
    assert {letter["To"] for letter in postbox.letters} == {"anna@example.org", "bela@example.org"}


def test_what_the_server_will_never_take_is_given_up_and_noted_and_the_others_go_out(
    community: Engine, settings: Settings, clock: StandingClock
) -> None:
    postbox = Postbox()
    postbox.answers = {"gone@example.org": "550 no such box", "full@example.org": "452 box is full"}
    gone, full = (dataclasses.replace(ANNA, to=f"{name}@example.org") for name in ("gone", "full"))
    _post(community, gone, full, ANNA)
    with mail_server(postbox) as port:
        postman = _postman(settings, community, clock, _plain(port))
        assert postman.deliver() == 1
        assert _waiting(community) == Mailbox(waiting=1, oldest_s=NOON_S, failure="452 box is full")
        postbox.answers = {}
        assert postman.deliver() == 0
        clock.now_s += 60
        assert postman.deliver() == 1
    assert [letter["To"] for letter in postbox.letters] == ["anna@example.org", "full@example.org"]
    with reading(community) as connection:
        (entry,) = entries(connection)
    assert (entry.action, entry.subject) == ("letter undeliverable", "gone@example.org")
    assert "550 no such box" in entry.detail


def test_a_letter_that_tells_nothing_any_more_is_not_sent(
    community: Engine, settings: Settings, clock: StandingClock
) -> None:
    postbox = Postbox()
    _post(community, dataclasses.replace(ANNA, worth_s=3600))
    clock.now_s += 3600
    with mail_server(postbox) as port:
        assert _postman(settings, community, clock, _plain(port)).deliver() == 0
    assert postbox.letters == []
    assert _waiting(community).waiting == 0


def test_a_link_to_sign_in_is_made_when_the_letter_goes_and_is_never_stored(
    community: Engine, settings: Settings, clock: StandingClock
) -> None:
    postbox = Postbox()
    _post(community, dataclasses.replace(ANNA, text=f"Open {LINK} once.", sign_in_for="anna"))
    with reading(community) as connection:
        assert connection.execute(select(LETTERS.c.text)).scalar_one() == f"Open {LINK} once."
    with mail_server(postbox) as port:
        _postman(settings, community, clock, _plain(port)).deliver()
    address = bytes(postbox.letters[0].get_payload(decode=True)).decode().split()[1]
    start, _, code = address.rpartition("/")
    assert start == f"{settings.web.base_url}/sign-in/link"
    with writing(community) as connection:
        person = spend_sign_in_code(connection, code, now_s=clock.now_s)
    assert person is not None
    assert person.id == "anna"


def test_several_postmen_deliver_every_letter_once(
    any_community: Engine, settings: Settings, clock: StandingClock
) -> None:
    postbox = Postbox()
    _post(any_community, *(dataclasses.replace(ANNA, to=f"a{i}@example.org") for i in range(12)))
    with mail_server(postbox) as port:
        postmen = [_postman(settings, any_community, clock, _plain(port)) for _ in range(3)]
        threads = [threading.Thread(target=postman.deliver) for postman in postmen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(letter["To"] for letter in postbox.letters) == sorted(f"a{i}@example.org" for i in range(12))


def test_a_letter_goes_only_if_the_deed_it_tells_of_is_done(community: Engine) -> None:
    def fail() -> None:
        with writing(community) as connection:
            post(connection, ANNA, now_s=NOON_S)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert _waiting(community).waiting == 0


def test_a_subject_cannot_add_headers(community: Engine, settings: Settings, clock: StandingClock) -> None:
    postbox = Postbox()
    _post(community, dataclasses.replace(ANNA, subject="Hello\r\nBcc: everybody@example.org"))
    with mail_server(postbox) as port:
        _postman(settings, community, clock, _plain(port)).deliver()
    assert postbox.letters[0]["Subject"] == "Hello Bcc: everybody@example.org"
    assert postbox.letters[0]["Bcc"] is None


@pytest.mark.parametrize(
    "address",
    ["", "anna", "anna@", "@example.org", "a@b.org, c@d.org", "a@b.org\nBcc: c@d.org", "Anna <a@b.org>", "ä@b.org"],
)
def test_what_is_no_address_is_noted_and_stops_nobody(community: Engine, address: str) -> None:
    with writing(community) as connection:
        assert not post(connection, dataclasses.replace(ANNA, to=address), now_s=NOON_S)
    assert _waiting(community).waiting == 0
    with reading(community) as connection:
        assert [entry.action for entry in entries(connection)] == ["letter undeliverable"]
