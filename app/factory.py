"""The web application: API and pages over one database, with one clock."""

from typing import Any

from apiflask import APIFlask, HTTPError
from flask import Response, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import Engine, text
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from app import web
from app.access import Access, access, csrf, declare, enforce_access, is_api_call
from app.api import register_api
from app.auth_pages import auth_pages, limiter
from app.chain_window import forwarding_rpc
from app.config import Settings
from app.guess_limits import guesses
from app.openapi import complete_spec
from app.passkey_pages import passkey_pages
from app.platform import EXTENSION, Platform, RpcDispatcher, platform
from app.problems import ProblemError, problem_response
from app.security_headers import add_security_headers
from app.security_pages import security
from app.serving import tell_own_time
from app.sessions import set_up_sessions
from app.storage.database import reading
from app.untrusted import hold_requests_to_limits
from meters.clock import Clock, system_clock

__all__ = ["Platform", "create_app", "create_deployed_app"]

# The assets have a blueprint of their own. APIFlask's annotation knows no None, Flask does.
NO_STATIC_FOLDER: dict[str, Any] = {"static_folder": None}
PAGES = {
    "assets": Access.PUBLIC,
    "public": Access.PUBLIC,
    "household": Access.HOUSEHOLD,
    "operator": Access.OPERATOR,
}


def create_app(settings: Settings, engine: Engine, clock: Clock, *, chain_rpc: RpcDispatcher | None = None) -> APIFlask:
    """The application over `engine`, whose schema is at head. `chain_rpc` answers read-only JSON-RPC for verifiers."""
    app = APIFlask(
        "app",
        title="Commonwatt",
        version="1",
        spec_path="/api/v1/openapi.json",
        docs_path=None,
        json_errors=False,
        template_folder="web/templates",
        **NO_STATIC_FOLDER,
    )
    app.config.update(SECRET_KEY=settings.secret_key)
    app.extensions[EXTENSION] = Platform(settings=settings, engine=engine, clock=clock, chain_rpc=chain_rpc)
    proxies = settings.web.trusted_proxies
    if proxies:
        vars(app)["wsgi_app"] = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)
    hold_requests_to_limits(app)
    set_up_sessions(app, settings.web)
    add_security_headers(app, is_encrypted=settings.web.is_encrypted)
    if clock is not system_clock:
        tell_own_time(app, clock)
    app.before_request(enforce_access)
    csrf.init_app(app)
    limiter.init_app(app)
    guesses.init_app(app)
    _answer_errors(app)
    app.add_url_rule("/healthz", "healthz", access(Access.PUBLIC)(app.doc(hide=True)(healthz)))
    register_api(app, csrf)
    complete_spec(app)
    for pages in (auth_pages, passkey_pages, security):
        app.register_blueprint(pages)
    web.register(app)
    for name, rule in PAGES.items():
        declare(app.blueprints[name], rule)
    for blueprint in app.blueprints.values():
        # APIFlask asks this of every blueprint that has hooks, and Flask's own have no answer.
        vars(blueprint).setdefault("enable_openapi", False)
    return app


def create_deployed_app(settings: Settings, engine: Engine, clock: Clock) -> APIFlask:
    """The application of a process of its own, with a window onto the chain that another serves, if one does."""
    rpc = forwarding_rpc(settings.chain_url) if settings.chain_url else None
    return create_app(settings, engine, clock, chain_rpc=rpc)


def healthz() -> ResponseReturnValue:
    """Answers `ok` while the database answers; for load balancers and health checks."""
    with reading(platform().engine) as connection:
        connection.execute(text("SELECT 1"))
    return Response("ok\n", content_type="text/plain; charset=utf-8")


def _answer_errors(app: APIFlask) -> None:
    @app.error_processor
    def invalid(error: HTTPError) -> Response:
        fields: dict[str, list[str]] = next(iter(error.detail.values()), {})
        places = "; ".join(f"{place}: {', '.join(faults)}" for place, faults in fields.items())
        return problem_response(ProblemError(error.status_code or 422, "invalid", places or str(error.message)))

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        if error.response is not None:
            return error.get_response()
        return problem_response(error) if is_api_call() else _error_page(error)


def _error_page(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    page = render_template("errors/error.html", code=code, title=error.name, text=error.description)
    return page, code
