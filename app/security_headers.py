"""Headers that tell browsers what this site never does: load from elsewhere, be framed, leak its addresses."""

from flask import Flask, Response

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ONE_YEAR = "max-age=31536000; includeSubDomains"


def add_security_headers(app: Flask, *, is_encrypted: bool) -> None:
    """Put the headers on every answer; what is not a static file is never cached by others."""

    @app.after_request
    def add(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if is_encrypted:
            response.headers.setdefault("Strict-Transport-Security", ONE_YEAR)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
