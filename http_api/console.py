"""`GET /api/console`: a page for people who watch runs and answer their questions, and the files that make it up.

The page holds no data and is anonymous, as its files are: it calls this API with the key that its user types, or with
the cookie of Entra. What it does with answers of models is held in by the policy here: no script but ours, no request
to anybody else, no text that becomes HTML (console.md).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func

from contracts.codes import ErrorCode
from http_api.answers import ApiError, answering
from http_api.urls import path_of
from settings import console_enabled

blueprint = df.Blueprint()

FOLDER = Path(__file__).resolve().parents[1] / "console"
PAGE = "index.html"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"}
"""Of the files that are served: what lies beside them (licences, checksums) is not."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, and asked for anew: the files of two versions would not fit together
}


@dataclass(frozen=True)
class File:
    """A file as it is served."""

    content: bytes
    media_type: str
    tag: str


@functools.cache
def files() -> dict[str, File]:
    """Return all that is served, by name; read once."""
    found = {}
    for path in sorted(FOLDER.iterdir()):
        if media_type := _TYPES.get(path.suffix):
            content = path.read_bytes()
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[path.name] = File(content, f"{media_type}; charset=utf-8", tag)
    return found


@blueprint.route(route="console", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
async def console(req: func.HttpRequest) -> func.HttpResponse:
    """Hand over the page."""
    _refuse_where_switched_off()
    if path_of(req.url).endswith("/"):  # its files are named from here
        return func.HttpResponse(status_code=308, headers={**HEADERS, "Location": "../console"})
    return _answer(req, files()[PAGE], {"Link": _modules()})


@blueprint.route(route="console/{file}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@answering
async def console_file(req: func.HttpRequest) -> func.HttpResponse:
    """Hand over one of the page's files."""
    _refuse_where_switched_off()
    name = req.route_params["file"]
    file = files().get(name) if name != PAGE else None
    if file is None:
        raise ApiError(404, ErrorCode.NOT_FOUND, "the console has no such file", target="file")
    return _answer(req, file)


def _refuse_where_switched_off() -> None:
    if not console_enabled():
        raise ApiError(404, ErrorCode.NOT_FOUND, "there is no console here: CONSOLE_ENABLED is not true")


@functools.cache
def _modules() -> str:
    """Name all modules, so that browsers load them at once and not as one imports the other."""
    return ", ".join(f"<console/{name}>; rel=modulepreload" for name in files() if name.endswith(".mjs"))


def _answer(req: func.HttpRequest, file: File, more: Mapping[str, str] | None = None) -> func.HttpResponse:
    headers = {**HEADERS, "ETag": file.tag, **(more or {})}
    if is_known(file.tag, req.headers.get("if-none-match")):
        return func.HttpResponse(status_code=304, headers=headers)
    return func.HttpResponse(file.content, headers={**headers, "Content-Type": file.media_type})


def is_known(tag: str, if_none_match: str | None) -> bool:
    """Say whether the caller holds what has this tag (RFC 9110, section 13.1.2). Pure."""
    known = {text.strip().removeprefix("W/") for text in (if_none_match or "").split(",")}
    return bool(known & {tag, "*"})
