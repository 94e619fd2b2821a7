"""Hook of azd, after it has deployed: asks the app whether it can work, and prints what is wrong.

1. A call without key or token is refused with 401, whatever AUTH_MODE says: an old page says that Flex lets it through.
2. `GET /api/health/ready` is asked with the app's key until all is fine, for five minutes: a role takes some to count.
   With Entra only an allowed client is let in, so somebody asks by hand.

Only the standard library and the Azure CLI are used.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

from infra.azure_cli import AzureCli, NoAzureCliError, az

TRIES, PAUSE_SECONDS = 20, 15.0

Ask = Callable[[str, Mapping[str, str]], tuple[int, bytes]]
"""Takes a URL and headers; returns status and body. 0: no answer."""


def main(environment: Mapping[str, str], cli: AzureCli, ask: Ask, pause: Callable[[float], None]) -> int:
    """Print how the app is; return 1 where it cannot work, or lets anybody in."""
    url = f"{environment['FUNCTION_APP_URL']}/api/health/ready"
    status = until(lambda: ask(url, {})[0], lambda s: s == 401, pause)
    if status != 401:
        return said(f"{url} answers {status or 'nothing'} without key or token, not 401: {meaning(status)}", 1)
    if environment.get("AUTH_MODE") == "entra":
        return said(f"Closed to callers without a token. Ask with that of an allowed client: {url}", 0)
    key = key_of(environment, cli)
    if key is None:
        return said(f"No key could be had, so nobody was asked. Ask by hand, as docs/operations.md says: {url}", 0)
    status, body = until(lambda: ask(url, {"x-functions-key": key}), lambda answer: answer[0] == 200, pause)
    return said(report(status, body), 0 if status == 200 else 1)


def until(look: Callable[[], Any], fine: Callable[[Any], bool], pause: Callable[[float], None]) -> Any:
    """Look until what is seen is fine, or the tries are used up; return what was seen last."""
    for _ in range(TRIES - 1):
        seen = look()
        if fine(seen):
            return seen
        pause(PAUSE_SECONDS)
    return look()


def key_of(environment: Mapping[str, str], cli: AzureCli) -> str | None:
    """Return the default function key, None where this machine or its user cannot read it."""
    app = ["--name", environment["FUNCTION_APP_NAME"], "--resource-group", environment["AZURE_RESOURCE_GROUP"]]
    try:
        keys = cli("functionapp", "keys", "list", *app)
    except NoAzureCliError:
        return None
    key: str | None = (keys or {}).get("functionKeys", {}).get("default")
    return key


def meaning(status: int) -> str:
    """Return what an answer to a call without key or token means."""
    match status:
        case 200 | 503:
            return "ANYBODY IS LET IN. Stop the app (az functionapp stop) and look at AUTH_MODE and HTTP_AUTH_LEVEL"
        case 404:
            return "the app has loaded no function (docs/runbook.md, The app is silent)"
        case _:
            return "the app does not run (docs/runbook.md, The app is silent)"


def report(status: int, body: bytes) -> str:
    """Return what the app says of itself, a line for each check."""
    try:
        checks = json.loads(body)["checks"]
        lines = [f"  {'ok' if c['ok'] else 'WRONG'}  {c['name']}: {c['message']}" for c in checks]
    except (ValueError, KeyError, TypeError):
        lines = [f"  no readable answer, status {status or 'none'}"]
    return "\n".join(["The app is ready:" if status == 200 else "The app cannot work yet:", *lines])


def said(text: str, code: int) -> int:
    """Print a text; return the exit code."""
    print(text, file=sys.stderr if code else sys.stdout)
    return code


def over_http(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Ask the app."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - https, of the deployment's outputs
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


if __name__ == "__main__":
    sys.exit(main(os.environ, az, over_http, time.sleep))
