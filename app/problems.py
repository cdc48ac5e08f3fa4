"""Errors of the API as RFC 9457 problem details: `application/problem+json`, always with a sentence that helps."""

from typing import Any

from flask import Response, json
from werkzeug.exceptions import HTTPException


class ProblemError(HTTPException):
    """An error with more to say: `code` is the HTTP status, `slug` names the kind of problem for programs."""

    def __init__(self, status: int, slug: str, detail: str, **members: Any) -> None:  # noqa: ANN401  JSON members
        super().__init__(detail)
        self.code = status
        self.slug = slug
        self.members = members


def problem_response(error: HTTPException) -> Response:
    """An HTTP error as a problem document."""
    status = error.code or 500
    body: dict[str, Any] = {
        "type": f"urn:commonwatt:problem:{getattr(error, 'slug', error.name.lower().replace(' ', '-'))}",
        "title": error.name,
        "status": status,
        "detail": error.description or error.name,
    }
    body |= getattr(error, "members", {})
    response = Response(json.dumps(body), status=status, content_type="application/problem+json")
    for name, value in error.get_headers():
        if name != "Content-Type":  # which methods are allowed, when to come again
            response.headers[name] = value
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
