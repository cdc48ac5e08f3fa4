"""Tokens for programs of members and operators."""

from typing import Any

from apiflask import APIBlueprint
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from app.access import Access, access, token_holder, viewer
from app.access_tokens import DAY_S, TokenNote, issue_token, revoke_token, tokens_of
from app.api.idempotency import once, request_caller, takes_key
from app.api.token_schemas import TokenAnswer, TokenNoteAnswer, TokenRequest, TokensAnswer
from app.auth import authenticate
from app.errors import InputError
from app.guess_limits import SIGN_IN_LIMITS, guesses, guesses_per_account
from app.platform import platform
from app.problems import ProblemError
from app.scopes import Scope, chosen_scopes
from app.storage.database import reading, writing

token_api = APIBlueprint("token_api", __name__, tag="Tokens")


@token_api.post("/tokens")
@access(Access.PUBLIC)
@guesses_per_account  # counts after the sender, which stands below: what that refuses is no guess at the account
@guesses.limit(SIGN_IN_LIMITS)
@token_api.input(TokenRequest)
@token_api.output(TokenAnswer, status_code=201)
@token_api.doc(responses={401: "Email or password is wrong"})
@takes_key
def create_token(json_data: TokenRequest) -> TokenAnswer:
    """Exchange email and password for a token."""
    with reading(platform().engine) as connection:  # checking takes time, in which nobody else may have to wait
        person = authenticate(connection, json_data.email, json_data.password)
    if person is None:
        raise ProblemError(401, "wrong-credentials", "Email or password is wrong.")
    now_s = platform().now_s()

    def issued(connection: Connection) -> TokenAnswer:
        scopes = None if json_data.scopes is None else chosen_scopes(person, json_data.scopes)
        token, note = issue_token(
            connection, person.id, name=json_data.name, now_s=now_s, scopes=scopes, lifetime_s=json_data.days * DAY_S
        )
        return TokenAnswer(token=token, **_described(note))

    try:
        return once(TokenAnswer, issued, caller=request_caller())
    except InputError as error:
        raise ProblemError(422, "invalid", str(error)) from error


@token_api.get("/tokens")
@access(Access.SIGNED_IN, Scope.TOKENS)
@token_api.output(TokensAnswer)
def list_tokens() -> TokensAnswer:
    """Your tokens, what they may do, and when they were last used."""
    with reading(platform().engine) as connection:
        notes = tokens_of(connection, viewer().id)
    return TokensAnswer(tokens=[TokenNoteAnswer(**_described(note)) for note in notes])


@token_api.delete("/tokens/current")
@access(Access.SIGNED_IN, Scope.ANY)
@token_api.doc(responses={204: "revoked"})
def delete_token() -> ResponseReturnValue:
    """Revoke the token this request is sent with."""
    holder = token_holder()
    if holder is None:
        raise ProblemError(400, "no-token", "Send the token to be revoked: Authorization: Bearer TOKEN.")
    _revoke(holder.token.id)
    return "", 204


@token_api.delete("/tokens/<token_id>")
@access(Access.SIGNED_IN, Scope.TOKENS)
@token_api.doc(responses={204: "revoked"})
def delete_one_token(token_id: str) -> ResponseReturnValue:
    """Revoke a token of yours by its id."""
    if not _revoke(token_id):
        raise ProblemError(404, "no-such-token", "You have no token of that id.")
    return "", 204


def _revoke(token_id: str) -> bool:
    with writing(platform().engine) as connection:
        return revoke_token(connection, viewer().id, token_id, now_s=platform().now_s())


def _described(note: TokenNote) -> dict[str, Any]:
    return {
        "id": note.id,
        "name": note.name,
        "scopes": sorted(note.scopes),
        "created_s": note.created_s,
        "expires_s": note.expires_s,
        "used_s": note.used_s,
    }
