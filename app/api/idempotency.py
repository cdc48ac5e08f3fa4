"""`Idempotency-Key`: a request that creates something can be sent again until an answer arrives.

The answer is stored in the transaction of the deed, so neither a lost connection nor a kill -9 in between makes two
deeds of one. Keys belong to their caller; answers may hold secrets, so they are sealed with a key that is made of the
platform's secret and of the caller's key, which is stored nowhere.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TypeVar

from Crypto.Cipher import ChaCha20_Poly1305  # nosec B413  this is pycryptodome, which is maintained
from flask import Response, after_this_request, request
from pydantic import BaseModel
from sqlalchemy import Connection

from app.access import viewer
from app.platform import platform
from app.problems import ProblemError
from app.storage.database import reading, writing
from app.storage.store.kept_answers import KeptAnswer, claim_answer, keep_answer, kept_answer

HEADER = "Idempotency-Key"
KEPT_S = 86_400
KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"

Answer = TypeVar("Answer", bound=BaseModel)
View = TypeVar("View", bound=Callable[..., object])


def takes_key(view: View) -> View:
    """Mark a view that answers through `once`: its description tells of the header."""
    vars(view)["takes_key"] = True
    return view


def once(kind: type[Answer], create: Callable[[Connection], Answer], *, caller: str | None = None) -> Answer:
    """What `create` answers, in one transaction with what it writes; the same again for the same key.

    `caller` is whose key it is, the viewer if left out. What `create` raises undoes everything, the key included.
    Raises ProblemError if the key stands for another request.
    """
    named = _named_key(caller)
    with writing(platform().engine) as connection:
        if named is None:
            return create(connection)
        wanted = _wanted(named)
        before = claim_answer(connection, wanted, now_s=platform().now_s())
        if before is not None:
            return _again(kind, before, wanted, named)
        answer = create(connection)
        keep_answer(connection, wanted.key_hash, _sealed(answer.model_dump_json(), named))
        return answer


def repeatable(kind: type[Answer], run: Callable[[], Answer]) -> Answer:
    """As `once`, for what takes transactions of its own and does nothing new when a kill makes it run again."""
    named = _named_key(None)
    if named is None:
        return run()
    with reading(platform().engine) as connection:
        before = kept_answer(connection, _hash(named), now_s=platform().now_s())
    if before is not None:
        return _again(kind, before, _wanted(named), named)
    answer = run()
    with writing(platform().engine) as connection:
        if claim_answer(connection, _wanted(named), now_s=platform().now_s()) is None:
            keep_answer(connection, _hash(named), _sealed(answer.model_dump_json(), named))
    return answer


def request_caller() -> str:
    """Whose key it is where nobody is signed in: who sends the very same request."""
    return f"request:{_request_hash()}"


def _named_key(caller: str | None) -> str | None:
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not re.fullmatch(KEY_PATTERN, key):
        raise ProblemError(422, "idempotency-key", f"{HEADER} has 1 to 255 visible ASCII characters.")
    return f"{caller or viewer().id}\n{key}"


def _wanted(named: str) -> KeptAnswer:
    expires_s = platform().now_s() + KEPT_S
    return KeptAnswer(key_hash=_hash(named), request_hash=_request_hash(), answer="", expires_s=expires_s)


def _again(kind: type[Answer], before: KeptAnswer, wanted: KeptAnswer, named: str) -> Answer:
    if before.request_hash != wanted.request_hash:
        raise ProblemError(422, "idempotency-key", f"This {HEADER} was sent with another request: take a new one.")
    try:
        answer = kind.model_validate_json(_opened(before.answer, named))
    except ValueError as error:
        said = "This was done, but its answer was sealed with an older secret of the platform."
        raise ProblemError(409, "idempotency-key", said) from error

    @after_this_request
    def mark(response: Response) -> Response:
        response.headers["Idempotent-Replayed"] = "true"
        return response

    return answer


def _request_hash() -> str:
    return _hash(f"{request.method} {request.path}\n{request.get_data().hex()}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sealing_key(named: str) -> bytes:
    return hashlib.sha256(f"{platform().settings.secret_key}\n{named}".encode()).digest()


def _sealed(text: str, named: str) -> str:
    cipher = ChaCha20_Poly1305.new(key=_sealing_key(named))
    content, tag = cipher.encrypt_and_digest(text.encode())
    return b64encode(cipher.nonce + tag + content).decode()


def _opened(sealed: str, named: str) -> bytes:
    raw = b64decode(sealed)
    cipher = ChaCha20_Poly1305.new(key=_sealing_key(named), nonce=raw[:12])
    return cipher.decrypt_and_verify(raw[28:], raw[12:28])
