"""App Service authentication before a host, as `infra/modules/app-auth.bicep` sets it up: who has its cookie is let
in, who has not is answered 401, but at the paths that the template excludes. Signing in goes over a page that posts a
form, as Entra's does: what is behind the `#` of an address does not survive that.
"""

from __future__ import annotations

import http.client
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.functions_host.harness import REPOSITORY

COOKIE = "AppServiceAuthSession"
_SESSION = f"{COOKIE}=signed-in"
_TEMPLATE = REPOSITORY / "infra" / "modules" / "app-auth.bicep"
_HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}
_FORM = (
    "<form method=post action=/.auth/login/aad/callback><input name=to value='{}'></form>"
    "<script>document.forms[0].submit()</script>"
)


def excluded_paths() -> set[str]:
    """What the template lets through unasked."""
    found = re.search(r"excludedPaths: \[(.*?)\]", _TEMPLATE.read_text("utf-8"), re.DOTALL)
    assert found
    return set(re.findall(r"'([^']+)'", found[1]))


class EasyAuth:
    """Listens on loopback, in front of a host that it opens with its key; a context manager.

    `challenges` says whether a 401 names its realm, or only `/.auth/me` tells that somebody can sign in here. The local
    host lets in no page but its own: so the origin of this one becomes its own. `posted` are the headers of the last
    POST that a session was let in with.
    """

    def __init__(self, host: str, key: str, *, challenges: bool = True) -> None:
        target, excluded, proxy = urlsplit(host), excluded_paths(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                is_known = _SESSION in (self.headers.get("Cookie") or "")
                if url.path == "/.auth/login/aad":
                    place = parse_qs(url.query)["post_login_redirect_uri"][0]
                    self._say(200, _FORM.format(place).encode(), {"Content-Type": "text/html"})
                elif url.path == "/.auth/login/aad/callback":
                    proxy.sign_ins += 1
                    cookie = f"{_SESSION}; Path=/; HttpOnly; Secure; SameSite=None"
                    self._say(302, b"", {"Location": parse_qs(body.decode())["to"][0], "Set-Cookie": cookie})
                elif url.path not in excluded and not is_known:
                    realm = {"WWW-Authenticate": f'Bearer realm="{self.headers["Host"]}"'}
                    self._say(401, b"You do not have permission to view this page.", realm if challenges else {})
                elif url.path.startswith("/.auth/"):
                    self._say(404, b"", {})  # nothing is kept: there is no token store
                else:
                    self._pass_on(body)

            def _pass_on(self, body: bytes) -> None:
                kept = {n: v for n, v in self.headers.items() if n.lower() not in ("connection", "host")}
                headers = {**kept, "x-functions-key": key}
                if self.command == "POST":
                    proxy.posted = {n.lower(): v for n, v in self.headers.items()}
                if headers.get("Origin") == proxy.url:
                    headers["Origin"] = host
                connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
                try:
                    connection.request(self.command, self.path, body or None, headers)
                    answer = connection.getresponse()
                    content, given = answer.read(), answer.getheaders()
                finally:
                    connection.close()
                self._say(answer.status, content, {n: v for n, v in given if n.lower() not in _HOP})

            def _say(self, status: int, content: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - the library's names

            def log_message(self, *_: Any) -> None:
                """Keep the test's output clean."""

        self.sign_ins = 0
        self.posted: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
