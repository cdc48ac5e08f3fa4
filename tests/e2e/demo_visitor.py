"""A visitor of a served demonstration, over HTTP."""

import csv
import io
import re

import httpx


class Browser:
    """Somebody who looks at the web application."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=20, follow_redirects=True)

    def sign_in(self, email: str, password: str) -> httpx.Response:
        form = self.client.get("/sign-in").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', form)
        assert token is not None
        return self.client.post("/sign-in", data={"csrf_token": token[1], "email": email, "password": password})

    def csv(self, path: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.client.get(path).text)))
