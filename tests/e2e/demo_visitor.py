"""A visitor of a served demonstration, over HTTP."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

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


def strangers_verdict(url: str, document: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """What the script says of a statement that the web application at `url` hands out, run alone in `folder`."""
    script, statement = folder / "verify_statement.py", folder / "bill.json"
    script.write_bytes(httpx.get(f"{url}/verify_statement.py", timeout=20).content)
    statement.write_text(json.dumps(document))
    command = [sys.executable, "-I", str(script), str(statement), "--rpc", f"{url}/api/v1/public/chain"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
