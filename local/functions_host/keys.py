"""Function keys: generated once, kept in the state folder, asked for only with `--auth`."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from local.functions_host.errors import HostError


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of this host. `function` is one key that opens every function, as a host key does."""

    master: str
    host: str
    function: str
    system: str

    def level(self, given: str | None) -> str:
        """Name the key that was given: master, host, function, system or none."""
        if given is not None:
            shown = given.encode(errors="surrogatepass")  # a header may be no UTF-8
            for name, key in asdict(self).items():
                if hmac.compare_digest(shown, key.encode()):
                    return str(name)
        return "none"


def given_key(headers: Mapping[str, str], code: str | None) -> str | None:
    """The key of a request: the header wins over `code=`, even where it is wrong [M]."""
    return headers.get("x-functions-key", code)


def load_keys(path: Path | None) -> Keys:
    """Read the keys from `path`, or make new ones there; without a path they live as long as the process."""
    if path is not None and path.is_file():
        try:
            return Keys(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise HostError(f"the key file {path} cannot be read ({error}): delete it to get new keys") from error
    keys = Keys(*(secrets.token_urlsafe(32) for _ in range(4)))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(keys), file)
    return keys


def masked(key: str) -> str:
    """A key as it may be shown."""
    return f"{key[:4]}…{key[-2:]}"
