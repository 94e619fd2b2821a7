"""The shared-key signature of a request to a storage account, as Azure defines it. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


@dataclass(frozen=True)
class SignedRequest:
    """What the signature covers: the path as sent, the query decoded, names of headers in small letters."""

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]


def authorization(account: str, key: str, request: SignedRequest) -> str:
    """Return the value that the header `Authorization` must have; the key is base64."""
    signature = hmac.new(base64.b64decode(key), _signed(account, request).encode(), hashlib.sha256)
    return f"SharedKey {account}:{base64.b64encode(signature.digest()).decode()}"


def _signed(account: str, request: SignedRequest) -> str:
    headers = request.headers
    values = [headers.get(name, "") for name in _SIGNED]
    if values[2] == "0":
        values[2] = ""
    own = sorted((name, value) for name, value in headers.items() if name.startswith("x-ms-"))
    parameters: dict[str, list[str]] = {}
    for name, value in request.query:
        parameters.setdefault(name.lower(), []).append(value)
    resource = [
        f"/{account}{request.path}",
        *(f"{name}:{','.join(sorted(v))}" for name, v in sorted(parameters.items())),
    ]
    return "\n".join([request.method, *values, *(f"{name}:{value}" for name, value in own), "\n".join(resource)])
