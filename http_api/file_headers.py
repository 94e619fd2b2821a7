"""Under which headers a file is handed over that a model's code has named and filled. Pure.

Nothing of it may be shown by a browser as a page of this origin: it is always an attachment, its type is one of a few
that its first bytes agree with, and a policy forbids whatever a page could do.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from contracts.steps import RunFile

MOST_FILE_BYTES = 30_000_000
"""Of one file. The platform copies an answer several times on its way out of the worker, and an instance has 512 MB or
2 GB for all of them.
"""

BYTES = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_TEXT = b""
_ZIP = b"PK\x03\x04"
_TYPES: dict[str, tuple[str, tuple[bytes, ...]]] = {
    ".png": ("image/png", (b"\x89PNG\r\n\x1a\n",)),
    ".jpg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".jpeg": ("image/jpeg", (b"\xff\xd8\xff",)),
    ".gif": ("image/gif", (b"GIF87a", b"GIF89a")),
    ".webp": ("image/webp", (b"RIFF",)),
    ".pdf": ("application/pdf", (b"%PDF-",)),
    ".zip": ("application/zip", (_ZIP,)),
    ".docx": (f"{_OFFICE}.wordprocessingml.document", (_ZIP,)),
    ".xlsx": (f"{_OFFICE}.spreadsheetml.sheet", (_ZIP,)),
    ".pptx": (f"{_OFFICE}.presentationml.presentation", (_ZIP,)),
    ".csv": ("text/csv; charset=utf-8", (_TEXT,)),
    ".txt": ("text/plain; charset=utf-8", (_TEXT,)),
    ".md": ("text/plain; charset=utf-8", (_TEXT,)),
    ".log": ("text/plain; charset=utf-8", (_TEXT,)),
    ".json": ("application/json", (_TEXT,)),
}
MEDIA_TYPES = (BYTES, *dict.fromkeys(kind.partition(";")[0] for kind, _ in _TYPES.values()))
"""All types that a file may be handed over as."""

_LONGEST_STEM = 100
_LONGEST_ENDING = 12
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""Names that Windows takes for devices, whatever ending they have."""


def file_headers(file: RunFile, file_id: str) -> dict[str, str]:
    """Return the headers of the answer."""
    name = safe_name(file.name) or file_id
    ascii_name = re.sub(r"[^\x20-\x7e]", "_", name)
    return {
        "Content-Type": content_type(name, file.content),
        "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def safe_name(given: str) -> str:
    """Return the name without its folders and whatever a shell, a browser or a file system could misread; empty where
    nothing is left.
    """
    last = re.split(r"[/\\]", given.encode("utf-8", "ignore").decode())[-1]
    visible = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C")
    name = re.sub(r"[\"'`<>:|?*%;$&]|[^\S ]", "_", visible).strip(". ").lstrip("-~")
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    path = PurePosixPath(name)
    ending = path.suffix if len(path.suffix) <= _LONGEST_ENDING else ""
    return name.removesuffix(ending)[:_LONGEST_STEM].rstrip(". ") + ending if name else ""


def content_type(name: str, content: bytes) -> str:
    """Return the type of the name's ending, where the file begins like one of those; else that of mere bytes."""
    kind, beginnings = _TYPES.get(PurePosixPath(name).suffix.lower(), (BYTES, (_TEXT,)))
    if kind == BYTES or not content.startswith(beginnings):
        return BYTES
    if beginnings == (_TEXT,) and not _is_text(content):
        return BYTES
    return BYTES if kind == "image/webp" and content[8:12] != b"WEBP" else kind


def _is_text(content: bytes) -> bool:
    if b"\x00" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
