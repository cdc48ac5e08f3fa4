"""Passkeys: keys in a person's own devices, bound to this site's address, that sign in without a name or password.

Challenges are signed and timed, so that asking for one stores nothing; each can be answered once. A passkey has to be
discoverable and to verify its user (a finger, a face, a code of the device): it is the device and its owner in one.
Source: W3C Web Authentication, Level 3, sections 7.1 and 7.2, as py_webauthn checks them.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import ColumnElement, Connection, delete, select, update
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.auth import hash_of
from app.errors import InputError
from app.storage import tables
from app.storage.store.bulk import inserting
from app.storage.store.members import Participant, participant
from app.storage.tables import core_table

PASSKEYS = core_table(tables.PasskeyRow)
SPENT = core_table(tables.SpentChallengeRow)
CHALLENGE_S = 300
PASSKEYS_MAX = 20
NAME_CHARACTERS_MAX = 60
SIGN_IN = "sign in"


class PasskeyRefusedError(Exception):
    """Why an answer of a passkey was not accepted; for the audit log, not for the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A passkey of a person as the security page lists it."""

    id: str
    name: str
    created_s: int
    used_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What passkeys are bound to: the address people open. `key` signs challenges.

    A passkey is bound to a name: a site that is opened by a number, such as 127.0.0.1, has none.
    """

    address: str
    name: str
    key: str

    @property
    def domain(self) -> str:
        return urlsplit(self.address).hostname or ""

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def takes_passkeys(self) -> bool:
        """Whether browsers make passkeys for this address: a name, encrypted unless it is this machine's own."""
        is_name = any(character.isalpha() for character in self.domain) and ":" not in self.domain
        return is_name and (self.origin.startswith("https://") or self.domain == "localhost")


def creation_options(connection: Connection, site: Site, person: Participant) -> str:
    """What the browser is asked to make a passkey with, as JSON."""
    known = passkeys_of(connection, person.id)
    options = generate_registration_options(
        rp_id=site.domain,
        rp_name=site.name,
        user_id=user_handle(site, person.id),
        user_name=person.email or person.id,
        user_display_name=person.display_name,
        challenge=_challenge(site, f"make {person.id}"),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            require_resident_key=True,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each.id)) for each in known],
    )
    return options_to_json(options)


def add_passkey(
    connection: Connection, site: Site, person: Participant, credential: object, *, name: str, now_s: int
) -> str:
    """Take up the passkey that the browser made; its name.

    Raises PasskeyRefusedError if it was not made for this challenge, site and person; InputError for a name that is
    too long, and for too many passkeys.
    """
    name = _name(name)
    if len(passkeys_of(connection, person.id)) >= PASSKEYS_MAX:
        raise InputError(f"{PASSKEYS_MAX} passkeys are the most: delete one first")
    challenge = _spend(connection, site, credential, f"make {person.id}", now_s=now_s)
    try:
        verified = verify_registration_response(
            credential=json.dumps(credential),
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise PasskeyRefusedError(str(error)) from error
    credential_id = bytes_to_base64url(verified.credential_id)
    if connection.execute(select(PASSKEYS.c.name).where(PASSKEYS.c.credential_id == credential_id)).first():
        raise PasskeyRefusedError("the passkey is known already")
    row = {
        "credential_id": credential_id,
        "participant_id": person.id,
        "name": name,
        "public_key": bytes_to_base64url(verified.credential_public_key),
        "sign_count": verified.sign_count,
        "created_s": now_s,
        "used_s": None,
    }
    connection.execute(PASSKEYS.insert(), row)
    return name


def request_options(site: Site) -> str:
    """What the browser is asked to sign in with, as JSON: any passkey that it has for this site."""
    options = generate_authentication_options(
        rp_id=site.domain,
        challenge=_challenge(site, SIGN_IN),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def sign_in_with_passkey(connection: Connection, site: Site, credential: object, *, now_s: int) -> Participant:
    """The person whose passkey answered. Raises PasskeyRefusedError with the reason."""
    challenge = _spend(connection, site, credential, SIGN_IN, now_s=now_s)
    query = select(PASSKEYS).where(PASSKEYS.c.credential_id == _id(credential))
    row = connection.execute(query.with_for_update()).mappings().first()
    if row is None:
        raise PasskeyRefusedError("the passkey is not known")
    try:
        verified = verify_authentication_response(
            credential=json.dumps(credential),
            expected_challenge=challenge,
            expected_rp_id=site.domain,
            expected_origin=site.origin,
            credential_public_key=base64url_to_bytes(row["public_key"]),
            credential_current_sign_count=row["sign_count"],
            require_user_verification=True,
        )
        handle = base64url_to_bytes(str(_response(credential)["userHandle"]))
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise PasskeyRefusedError(f"{row['participant_id']}: {error}") from error
    if not secrets.compare_digest(handle, user_handle(site, row["participant_id"])):
        raise PasskeyRefusedError(f"{row['participant_id']}: the passkey was made for somebody else")
    used = {"sign_count": verified.new_sign_count, "used_s": now_s}
    connection.execute(update(PASSKEYS).where(PASSKEYS.c.credential_id == row["credential_id"]).values(**used))
    person = participant(connection, row["participant_id"])
    assert person is not None
    return person


def passkeys_of(connection: Connection, participant_id: str) -> tuple[Passkey, ...]:
    """A person's passkeys, the oldest first."""
    query = select(PASSKEYS).where(PASSKEYS.c.participant_id == participant_id)
    rows = connection.execute(query.order_by(PASSKEYS.c.created_s, PASSKEYS.c.credential_id)).mappings()
    return tuple(
        Passkey(id=row["credential_id"], name=row["name"], created_s=row["created_s"], used_s=row["used_s"])
        for row in rows
    )


def rename_passkey(connection: Connection, participant_id: str, credential_id: str, name: str) -> bool:
    """Call one of this person's passkeys something else; whether there is such a one. Raises InputError."""
    changed = update(PASSKEYS).where(_own(participant_id, credential_id)).values(name=_name(name))
    return connection.execute(changed).rowcount > 0


def delete_passkey(connection: Connection, participant_id: str, credential_id: str) -> bool:
    """Forget one of this person's passkeys; whether there was such a one."""
    return connection.execute(delete(PASSKEYS).where(_own(participant_id, credential_id))).rowcount > 0


def user_handle(site: Site, participant_id: str) -> bytes:
    """How a person's devices know the account: says nothing about the person."""
    return hashlib.sha256(f"{site.key}:passkeys of:{participant_id}".encode()).digest()


def _own(participant_id: str, credential_id: str) -> ColumnElement[bool]:
    return (PASSKEYS.c.participant_id == participant_id) & (PASSKEYS.c.credential_id == credential_id)


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise InputError(f"give the passkey a name of at most {NAME_CHARACTERS_MAX} characters")
    return name


def _signer(site: Site) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(site.key, salt="challenge of a passkey")


def _challenge(site: Site, purpose: str) -> bytes:
    return str(_signer(site).dumps([purpose, secrets.token_urlsafe(24)])).encode()


def _spend(connection: Connection, site: Site, credential: object, purpose: str, *, now_s: int) -> bytes:
    """The challenge that a credential answers, if it is ours, fresh, for this purpose, and answered first now."""
    try:
        sent = base64url_to_bytes(str(_response(credential)["clientDataJSON"]))
        challenge = parse_client_data_json(sent).challenge
        meant, _ = _signer(site).loads(challenge, max_age=CHALLENGE_S)
    except (BadData, WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise PasskeyRefusedError("the challenge is not one of ours, or too old") from error
    if meant != purpose:
        raise PasskeyRefusedError("the challenge was for something else")
    connection.execute(delete(SPENT).where(SPENT.c.expires_s <= now_s))
    # Kept for longer than a challenge is valid: the clocks of signature and database may differ a little.
    row = {"challenge_hash": hash_of(challenge.decode()), "expires_s": now_s + 2 * CHALLENGE_S}
    spent = inserting(connection, SPENT).values(**row).on_conflict_do_nothing()
    if not connection.execute(spent).rowcount:
        raise PasskeyRefusedError("the challenge was answered before")
    return challenge


def _id(credential: object) -> str:
    return str(credential.get("id")) if isinstance(credential, Mapping) else ""


def _response(credential: object) -> Mapping[str, object]:
    response = credential.get("response") if isinstance(credential, Mapping) else None
    if not isinstance(response, Mapping):
        raise PasskeyRefusedError("this is no answer of a passkey")
    return response
