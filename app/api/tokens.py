"""Tokens for programs of members and operators."""

from apiflask import APIBlueprint
from flask import request
from flask.typing import ResponseReturnValue

from app.access import Access, access, viewer
from app.api.schemas import TokenAnswer, TokenRequest
from app.audit import AuditEntry, record
from app.auth import authenticate, issue_token, revoke_token
from app.auth_pages import SIGN_IN_LIMITS, guesses_per_account, limiter
from app.platform import platform
from app.problems import ProblemError
from app.storage.database import reading, writing

token_api = APIBlueprint("token_api", __name__, tag="Tokens")


@token_api.post("/tokens")
@access(Access.PUBLIC)
@limiter.limit(SIGN_IN_LIMITS)
@guesses_per_account
@token_api.input(TokenRequest)
@token_api.output(TokenAnswer, status_code=201)
@token_api.doc(responses={401: "Email or password is wrong"})
def create_token(json_data: TokenRequest) -> TokenAnswer:
    """Exchange email and password for a token."""
    now_s = platform().now_s()
    with reading(platform().engine) as connection:  # checking takes time, in which nobody else may have to wait
        person = authenticate(connection, json_data.email, json_data.password)
    if person is None:
        raise ProblemError(401, "wrong-credentials", "Email or password is wrong.")
    with writing(platform().engine) as connection:
        token, expires_s = issue_token(connection, person.id, name=json_data.name, now_s=now_s)
        entry = AuditEntry(at_s=now_s, actor=person.id, action="token issued", subject=json_data.name)
        record(connection, entry)
    return TokenAnswer(token=token, expires_s=expires_s)


@token_api.delete("/tokens/current")
@access(Access.SIGNED_IN)
@token_api.doc(responses={204: "revoked"})
def delete_token() -> ResponseReturnValue:
    """Revoke the token this request is sent with."""
    person = viewer()
    if request.authorization is None or not request.authorization.token:
        raise ProblemError(400, "no-token", "Send the token to be revoked: Authorization: Bearer TOKEN.")
    with writing(platform().engine) as connection:
        revoke_token(connection, request.authorization.token)
        entry = AuditEntry(at_s=platform().now_s(), actor=person.id, action="token revoked", subject=person.id)
        record(connection, entry)
    return "", 204
