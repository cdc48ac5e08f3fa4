"""Addresses of members: kept by the platform for who has no wallet, or a wallet of their own, bound by a signature.

Nobody needs gas: the community's key sends every transaction. A member without a wallet has a key all the same, derived
from a secret of the platform and the member's name, and stored encrypted under a passphrase of this member alone, so
that neither the database nor a copy of it holds a key. A wallet is bound by signing a message (EIP-4361) that names
this site, this member, the chain and a number used once.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import digest
from secrets import token_hex

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.address import is_checksum_address
from sqlalchemy import Connection

from app.audit import AuditEntry, record
from app.errors import InputError
from app.storage.store.community import the_community
from app.storage.store.members import participant, participants, set_account_address
from app.storage.store.wallets import (
    MemberKey,
    WalletChallenge,
    WalletMove,
    add_member_key,
    add_wallet_move,
    challenge_of,
    save_challenge,
    spend_challenge,
)

CHALLENGE_S = 600
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYSTORE_ITERATIONS = 1_000
"""The passphrase has 256 random bits: guessing is no danger, and hundreds of members are served at once."""


class WalletRefusedError(InputError):
    """A wallet that is not bound. `slug` names the rule for programs, the message explains it to people."""

    def __init__(self, slug: str, message: str) -> None:
        super().__init__(message)
        self.slug = slug


def keep_keys(connection: Connection, secret: bytes, *, now_s: int) -> int:
    """Give every member with a lane and without an address a key of the platform; how many."""
    without = [person for person in participants(connection) if person.lane is not None and not person.account_address]
    for person in without:
        key = member_key(secret, person.id)
        address = str(Account.from_key(key).address)
        keystore = Account.encrypt(key, _passphrase(secret, person.id), kdf="pbkdf2", iterations=KEYSTORE_ITERATIONS)
        add_member_key(
            connection,
            MemberKey(participant_id=person.id, address=address, keystore_json=json.dumps(keystore), made_s=now_s),
        )
        set_account_address(connection, person.id, address)
    return len(without)


def member_key(secret: bytes, participant_id: str) -> bytes:
    """The member's private key: the same for the same secret and member, and nothing of another's."""
    for counter in range(256):
        key = digest(secret, f"commonwatt/member-key/{counter}/{participant_id}".encode(), "sha256")
        if 0 < int.from_bytes(key) < SECP256K1_ORDER:
            return key
    raise AssertionError("no key in 256 draws")


def opened_key(secret: bytes, stored: MemberKey) -> bytes:
    """The private key in a stored keystore. Raises ValueError for another secret."""
    return bytes(Account.decrypt(json.loads(stored.keystore_json), _passphrase(secret, stored.participant_id)))


def _passphrase(secret: bytes, participant_id: str) -> str:
    return digest(secret, f"commonwatt/keystore/{participant_id}".encode(), "sha256").hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Who asks for the signature: host and address of the web application."""

    domain: str
    uri: str


def begin_binding(connection: Connection, participant_id: str, address: str, *, site: Site, now_s: int) -> str:
    """The message to sign with the wallet at `address`; it is good for ten minutes and once.

    Raises WalletRefusedError.
    """
    if not is_checksum_address(address):
        raise WalletRefusedError("address", "That is no address with a right checksum: copy it from the wallet.")
    if any(person.account_address == address and person.id != participant_id for person in participants(connection)):
        raise WalletRefusedError("address-taken", "This address belongs to another member.")
    community = the_community(connection)
    issued, expires = (datetime.fromtimestamp(at_s, UTC) for at_s in (now_s, now_s + CHALLENGE_S))
    message = (
        f"{site.domain} wants you to sign in with your Ethereum account:\n{address}\n\n"
        f"Bind this wallet to member {participant_id} of {community.name}. It costs nothing and moves nothing.\n\n"
        f"URI: {site.uri}\nVersion: 1\nChain ID: {community.chain_id or 0}\nNonce: {token_hex(16)}\n"
        f"Issued At: {issued:%Y-%m-%dT%H:%M:%SZ}\nExpiration Time: {expires:%Y-%m-%dT%H:%M:%SZ}"
    )
    save_challenge(
        connection,
        WalletChallenge(participant_id=participant_id, address=address, message=message, expires_s=now_s + CHALLENGE_S),
    )
    return message


def bind_wallet(connection: Connection, participant_id: str, signature: str, *, now_s: int) -> str:
    """Bind the wallet whose signature is under the message that was asked for last; its address.

    A message binds once and lasts until it expires. Raises WalletRefusedError, and then nothing has changed.
    """
    challenge = challenge_of(connection, participant_id)
    if challenge is None:
        raise WalletRefusedError("no-message", "Ask for a message to sign first.")
    if now_s >= challenge.expires_s:
        raise WalletRefusedError("expired", "This message is too old: ask for a new one.")
    try:
        signer = Account.recover_message(
            encode_defunct(text=challenge.message), signature=bytes.fromhex(signature.removeprefix("0x"))
        )
    except Exception as error:  # the library has many ways to say that it is none
        raise WalletRefusedError("signature", "That is no signature: copy it whole, beginning with 0x.") from error
    if signer != challenge.address:
        raise WalletRefusedError("other-wallet", f"This was signed by {signer}, not by {challenge.address}.")
    spend_challenge(connection, participant_id)
    member = participant(connection, participant_id)
    before = None if member is None else member.account_address
    set_account_address(connection, participant_id, challenge.address)
    add_wallet_move(connection, WalletMove(participant_id=participant_id, before=before, after=challenge.address))
    detail = f"{challenge.address} in place of {before or 'none'}"
    entry = AuditEntry(at_s=now_s, actor=participant_id, action="wallet bound", subject=participant_id, detail=detail)
    record(connection, entry)
    return challenge.address
