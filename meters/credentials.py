"""Who a gateway is: its key, made on the device and never leaving it, and what the platform gave it."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from coincurve import PrivateKey

from meters.api import Enrolment
from meters.signing import SigningDomain, address_of

FILE_NAME = "credentials.json"


class CredentialsError(Exception):
    """Credentials that are missing or damaged; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A gateway's secp256k1 key (32 bytes) and, once enrolled, its name, token and the domain it signs for."""

    key: bytes
    gateway: str = ""
    token: str = ""
    domain: SigningDomain | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Credentials(address={self.address}, gateway={self.gateway!r})"

    @property
    def address(self) -> str:
        """Checksummed address of the key: what the operator approves."""
        return address_of(self.key)

    def enrolled(self, enrolment: Enrolment) -> "Credentials":
        """The same key with what the platform gave."""
        return replace(self, gateway=enrolment.gateway, token=enrolment.token, domain=enrolment.domain)


def new_credentials() -> Credentials:
    """A fresh key."""
    return Credentials(key=PrivateKey().secret)


def load_credentials(state_dir: Path) -> Credentials:
    """Read the credentials of a gateway. Raises CredentialsError if there are none or they are damaged."""
    path = state_dir / FILE_NAME
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        domain = kept["domain"]
        return Credentials(
            key=bytes.fromhex(kept["key"]),
            gateway=kept["gateway"],
            token=kept["token"],
            domain=None if domain is None else SigningDomain(**domain),
        )
    except FileNotFoundError as error:
        raise CredentialsError(f"{path} does not exist: run `commonwatt gateway enroll` first") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CredentialsError(f"{path} is damaged ({error}): restore it, or enroll again as a new gateway") from error


def save_credentials(state_dir: Path, credentials: Credentials) -> Path:
    """Write the credentials so that only this user can read them; replaces the file in one step."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = state_dir / FILE_NAME
    domain = credentials.domain
    document = {
        "gateway": credentials.gateway,
        "token": credentials.token,
        "key": credentials.key.hex(),
        "domain": None
        if domain is None
        else {"chain_id": domain.chain_id, "verifying_contract": domain.verifying_contract},
    }
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    return path
