"""The identity endpoint of an App Service, as `DefaultAzureCredential` asks it: hands out numbered tokens."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

SECRET = "planted-identity-header-9c1e"
TOKEN = "planted-entra-token-"


class IdentityEndpoint:
    """A context manager; `env` is what an app with a managed identity finds in its environment.

    Whoever does not show the secret header gets nothing, and while `fails` is set nobody gets a token.
    """

    def __init__(self) -> None:
        self.issued: list[str] = []
        self.fails = False
        self.refused = 0
        """How many requests got no token."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if endpoint.fails or self.headers.get("X-IDENTITY-HEADER") != SECRET:
                    endpoint.refused += 1
                    self._answer(500, {"statusCode": 500, "message": "an unexpected error occurred"})
                    return
                token = f"{TOKEN}{len(endpoint.issued)}"
                endpoint.issued.append(token)
                expires = str(int(time.time()) + 86400)
                body = {"access_token": token, "expires_on": expires, "resource": "r", "token_type": "Bearer"}
                self._answer(200, body)

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def env(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._server.server_address[1]}/msi/token"
        return {"IDENTITY_ENDPOINT": url, "IDENTITY_HEADER": SECRET, "FOUNDRY_ACCESS_TOKEN": ""}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
