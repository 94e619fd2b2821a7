"""The form in which clients upload files: multipart/form-data, as far as the service needs it."""

import re
from dataclasses import dataclass, field

from local.foundry_emulator.errors import invalid

_BOUNDARY = re.compile(r'multipart/form-data\b.*?\bboundary="?([^";]+)"?', re.IGNORECASE)
_PARAMETER = re.compile(r'\b(name|filename)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Form:
    """A form: texts by name, and the one file."""

    texts: dict[str, str] = field(default_factory=dict)
    filename: str = ""
    content: bytes | None = None


def parse_form(content_type: str, raw: bytes) -> Form:
    """Read a form, or raise `ServiceError` 400."""
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise invalid("Invalid Content-Type: expected multipart/form-data with a boundary.")
    texts: dict[str, str] = {}
    filename, content = "", None
    delimiter = b"\r\n--" + found[1].encode()
    for part in (b"\r\n" + raw).split(delimiter)[1:-1]:
        head, separator, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = dict(_PARAMETER.findall(head.decode("utf-8", "replace")))
        if not separator or "name" not in named:
            raise invalid("We could not parse the form of your request.")
        if named["name"] == "file":
            filename, content = named.get("filename", ""), body
        else:
            texts[named["name"]] = body.decode("utf-8", "replace")
    return Form(texts, filename, content)
