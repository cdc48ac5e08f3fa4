"""Members need no wallet; who has one binds it by a signature that nobody else can give or use again."""

import json
import re

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from flask import Flask
from sqlalchemy import Engine

from app.audit import entries
from app.storage.database import reading, writing
from app.storage.store.members import participant
from app.storage.store.wallets import member_key_of
from app.wallets import Site, WalletRefusedError, begin_binding, bind_wallet, keep_keys, member_key, opened_key
from tests.app.neighbourhood import NOON_S, token_for
from tests.app.street_server import member, post

SECRET, OTHER_SECRET = bytes(range(32)), bytes(32)
SITE = Site(domain="energy.example.org", uri="https://energy.example.org")
WALLET: LocalAccount = Account.from_key("0x" + "5a" * 32)
THIEF: LocalAccount = Account.from_key("0x" + "6b" * 32)


def ask(engine: Engine, name: str, address: str, *, now_s: int = NOON_S) -> str:
    with writing(engine) as connection:
        return begin_binding(connection, name, address, site=SITE, now_s=now_s)


def bind(engine: Engine, name: str, signature: str, *, now_s: int = NOON_S + 60) -> str:
    with writing(engine) as connection:
        return bind_wallet(connection, name, signature, now_s=now_s)


def signed(message: str, wallet: LocalAccount = WALLET) -> str:
    return "0x" + bytes(wallet.sign_message(encode_defunct(text=message)).signature).hex()


def address_of(engine: Engine, name: str) -> str | None:
    with reading(engine) as connection:
        found = participant(connection, name)
    assert found is not None
    return found.account_address


def test_every_member_has_a_key_that_the_database_alone_does_not_tell(community: Engine) -> None:
    with writing(community) as connection:
        assert keep_keys(connection, SECRET, now_s=NOON_S) == 2
        assert keep_keys(connection, SECRET, now_s=NOON_S) == 0
    with reading(community) as connection:
        stored = {name: member_key_of(connection, name) for name in ("anna", "bela", "olga")}
    assert stored["olga"] is None
    for name in ("anna", "bela"):
        key = stored[name]
        assert key is not None
        private = opened_key(SECRET, key)
        assert Account.from_key(private).address == key.address == address_of(community, name)
        assert private.hex() not in key.keystore_json
        assert json.loads(key.keystore_json)["version"] == 3
        with pytest.raises(ValueError, match="MAC mismatch"):
            opened_key(OTHER_SECRET, key)
    assert address_of(community, "anna") != address_of(community, "bela")


def test_a_key_is_the_same_for_the_same_member_and_secret() -> None:
    assert member_key(SECRET, "anna") == member_key(SECRET, "anna")
    assert len({member_key(secret, name) for secret in (SECRET, OTHER_SECRET) for name in ("anna", "bela")}) == 4


def test_a_wallet_of_ones_own_is_bound_by_its_signature(community: Engine) -> None:
    message = ask(community, "bela", WALLET.address)
    assert message.startswith(
        f"energy.example.org wants you to sign in with your Ethereum account:\n{WALLET.address}\n"
    )
    assert "Bind this wallet to member bela of Hill Road." in message
    assert re.search(r"Chain ID: 7357\nNonce: [0-9a-f]{32}\nIssued At: 2025-06-16T12:00:00Z", message)
    assert bind(community, "bela", signed(message)) == WALLET.address
    assert address_of(community, "bela") == WALLET.address
    with reading(community) as connection:
        newest = entries(connection)[0]
    assert (newest.actor, newest.action) == ("bela", "wallet bound")


def test_a_signature_counts_once_and_only_for_the_message_asked_for_last(community: Engine) -> None:
    first = ask(community, "bela", WALLET.address)
    message = ask(community, "bela", WALLET.address)
    with pytest.raises(WalletRefusedError, match="This was signed by"):
        bind(community, "bela", signed(first))
    bind(community, "bela", signed(message))
    with pytest.raises(WalletRefusedError, match="Ask for a message to sign first"):
        bind(community, "bela", signed(message))


@pytest.mark.parametrize(
    ("signature", "late_s", "slug"),
    [
        ("other", 60, "other-wallet"),
        ("0x12", 60, "signature"),
        ("hello", 60, "signature"),
        ("", 60, "signature"),
        ("own", 600, "expired"),
    ],
)
def test_a_signature_that_does_not_bind_is_refused_and_the_address_stays(
    community: Engine, signature: str, late_s: int, slug: str
) -> None:
    message = ask(community, "bela", WALLET.address)
    given = {"other": signed(message, THIEF), "own": signed(message)}.get(signature, signature)
    with pytest.raises(WalletRefusedError) as refused:
        bind(community, "bela", given, now_s=NOON_S + late_s)
    assert refused.value.slug == slug
    assert address_of(community, "bela") is None


def test_the_message_of_one_member_binds_no_other(community: Engine) -> None:
    message = ask(community, "bela", WALLET.address)
    with pytest.raises(WalletRefusedError) as refused:
        bind(community, "anna", signed(message))
    assert refused.value.slug == "no-message"


def test_an_address_is_one_members_and_has_its_checksum(community: Engine) -> None:
    bind(community, "bela", signed(ask(community, "bela", WALLET.address)))
    for address, slug in ((WALLET.address, "address-taken"), (WALLET.address.lower(), "address"), ("0x12", "address")):
        with pytest.raises(WalletRefusedError) as refused:
            ask(community, "anna", address)
        assert refused.value.slug == slug


def test_a_wallet_is_bound_on_the_page_and_by_the_api(web_app: Flask, community: Engine) -> None:
    bela = member(web_app, "bela")
    page = post(bela, "/account", "/account/wallet", {"address": WALLET.address}).text
    found = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    assert found is not None
    post(bela, "/account", "/account/wallet/signature", {"signature": signed(found.group(1), THIEF)})
    assert "This was signed by" in bela.get("/account").text
    post(bela, "/account", "/account/wallet/signature", {"signature": signed(found.group(1))})
    assert f"Your wallet {WALLET.address} is bound" in bela.get("/account").text
    client, anna = web_app.test_client(), token_for(community, "anna")
    taken = client.post("/api/v1/account/wallet", headers=anna, json={"address": WALLET.address})
    assert (taken.status_code, taken.get_json()["type"]) == (409, "urn:commonwatt:problem:address-taken")
    asked = client.post("/api/v1/account/wallet", headers=anna, json={"address": THIEF.address}).get_json()
    bound = client.put("/api/v1/account/wallet", headers=anna, json={"signature": signed(asked["message"], THIEF)})
    assert (bound.status_code, bound.get_json()) == (200, {"address": THIEF.address})


@pytest.mark.parametrize("who", ["olga", None])
def test_only_members_bind_wallets(web_app: Flask, community: Engine, who: str | None) -> None:
    client = web_app.test_client()
    headers = {} if who is None else token_for(community, who)
    status = 401 if who is None else 403
    assert client.post("/api/v1/account/wallet", headers=headers, json={"address": "x"}).status_code == status
    assert client.put("/api/v1/account/wallet", headers=headers, json={"signature": "x"}).status_code == status
