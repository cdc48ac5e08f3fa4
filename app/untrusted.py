"""What every request is held to before anybody looks at it: its size, its JSON, and texts that a database can store."""

from collections.abc import Iterator

from flask import Flask, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest

from contracts.untrusted_json import read_json

POST_BYTES_MAX = 1024 * 1024
READINGS_BYTES_MAX = 8 * 1024 * 1024
"""Gateways send up to 20 000 readings at once: between one and two million bytes."""
STATEMENT_BYTES_MAX = 16 * 1024 * 1024
"""A month of quarter-hours has about six million bytes, and an older statement may come with it."""
NETWORK_BYTES_MAX = 8 * 1024 * 1024
"""A low-voltage network as pandapower writes it has up to some million bytes."""
_LARGER = {
    "operator.founding_given": NETWORK_BYTES_MAX,
    "gateway_api.post_readings": READINGS_BYTES_MAX,
    "household.check_bill": STATEMENT_BYTES_MAX,
}


class UntrustedJson(DefaultJSONProvider):
    """Reads what strangers wrote: see `contracts.untrusted_json`."""

    def loads(self, s: str | bytes, **kwargs: object) -> object:
        """The value in `s`. Raises BadRequest for everything that is not safe JSON."""
        assert not kwargs
        try:
            return read_json(s)
        except ValueError as error:
            raise BadRequest(f"This is no JSON that can be read: {error}.") from error


def hold_requests_to_limits(app: Flask) -> None:
    """Refuse requests that are too large or hold what cannot be stored."""
    app.json = UntrustedJson(app)
    app.config["MAX_CONTENT_LENGTH"] = POST_BYTES_MAX

    @app.before_request
    def check() -> None:
        if request.endpoint in _LARGER:
            request.max_content_length = _LARGER[request.endpoint]
        if any("\0" in text for text in _texts()):
            raise BadRequest("A text holds the character zero.")


def _texts() -> Iterator[str]:
    yield request.path
    for values in (request.args, request.form):
        for name, value in values.items(multi=True):
            yield name
            yield value
