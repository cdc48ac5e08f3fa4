"""The REST interface, version 1. Described at /api/v1/openapi.json and /api/v1/docs."""

from apiflask import APIBlueprint
from flask import Flask
from flask_wtf.csrf import CSRFProtect

from app.access import Access, declare
from app.api.accounts import account_api
from app.api.battery_reports import battery_api
from app.api.envelopes import envelope_api
from app.api.erasures import erasure_api
from app.api.feeds import feed_api
from app.api.files import file_api
from app.api.gateways import gateway_api
from app.api.history import history_api
from app.api.households import household_api
from app.api.meter_health import health_api
from app.api.orders import order_api
from app.api.public import public_api
from app.api.settlement import settlement_api
from app.api.statement_files import statement_api
from app.api.tokens import token_api
from app.api.windows import window_api

PREFIX = "/api/v1"
BLUEPRINTS: tuple[APIBlueprint, ...] = (
    public_api,
    token_api,
    gateway_api,
    battery_api,
    health_api,
    order_api,
    window_api,
    household_api,
    history_api,
    envelope_api,
    file_api,
    feed_api,
    statement_api,
    settlement_api,
    erasure_api,
    account_api,
)


def register_api(app: Flask, csrf: CSRFProtect) -> None:
    """Add the API. Forged requests are stopped by the access rules: tokens and signatures cannot be forged."""
    for blueprint in BLUEPRINTS:
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint, url_prefix=PREFIX)
    declare(app.blueprints["openapi"], Access.PUBLIC)
