"""What a message of the wire says (foundry-api.md, section 1.4): all of it. Pure.

What is not understood is named: a part that vanished would look like an answer of nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from contracts.runs import UNFINISHED, AnswerMessage, Attachment
from foundry.citations import without_marks
from foundry.fields import obj, objects, word
from foundry.harmless import harmless

_TEXTS = ("text", "output_text", "refusal")
"""Types of parts that are nothing but text."""

_TELLING = (*_TEXTS, "image_file", "image_url")
"""Fields that tell the type of a part that does not name it."""

_TEXT_FIELDS = ("value", "text", "refusal", "content", "transcript", "summary")
_FILE_FIELDS = ("file_id", "url", "file", "image_url", "image_file")
_ID_FIELDS = (*_FILE_FIELDS, "id")
_FILES_OF_ANNOTATIONS = frozenset({"file_path", "container_file_citation"})
"""Files that the run has made; those that it cites were there before."""

_AN_ID_OR_URL = re.compile(r"(?:[a-z]{2,16}[-_][A-Za-z0-9_-]{1,128}|(?:https?|data):\S+)\Z")
_DEEPEST = 4
_LONGEST_NAME = 64
_MOST_NAMES = 20


def message_of(message: dict[str, Any]) -> AnswerMessage:
    """Return the message: its text parts joined by line ends, and what else is in it."""
    parts = [_part(given) for given in _listed(message.get("content"))]
    if isinstance(refused := message.get("refusal"), str) and refused:
        parts.append(_Part("refusal", text=refused))
    texts: list[str] = []
    annotations: list[dict[str, Any]] = []
    offset = 0
    for part in parts:
        if part.text is not None:
            text, placed = without_marks(part.text, part.annotations, part=len(texts), offset=offset)
            texts.append(text)
            annotations += placed
            offset += len(text) + 1
    files = [_attached(given) for given in _listed(message.get("attachments"))]
    found = [part.attachment for part in parts] + files + [_file_of(annotation) for annotation in annotations]
    not_understood = [part.kind for part in parts if part.is_nothing] + ["attachment" for f in files if f is None]
    return AnswerMessage(
        id=str(message.get("id") or "")[:256],
        text="\n".join(texts),
        refusal=any(part.kind == "refusal" for part in parts),
        annotations=annotations,
        attachments=_each_once(found),
        not_understood=list(dict.fromkeys(not_understood))[:_MOST_NAMES],
        incomplete=_why_incomplete(message),
    )


def _why_incomplete(message: dict[str, Any]) -> str:
    """Return why the message is not whole; empty where nothing says so: the service seldom tells."""
    reason = word(obj(message.get("incomplete_details")).get("reason"))
    status = message.get("status")
    return reason or (str(status) if status in (UNFINISHED, "incomplete") else "")


@dataclass(frozen=True)
class _Part:
    """One part of a message's content, as far as it is understood."""

    kind: str
    text: str | None = None
    annotations: list[dict[str, Any]] = field(default_factory=list)
    attachment: Attachment | None = None

    @property
    def is_nothing(self) -> bool:
        return self.text is None and self.attachment is None


def _part(given: Any) -> _Part:
    if isinstance(given, str):
        return _Part("text", text=given)
    if not isinstance(given, dict):
        return _Part(_kind_of_json(given))
    kind = given.get("type")
    if not isinstance(kind, str) or not kind:
        kind = next((name for name in _TELLING if name in given), None)
    body = given.get(kind) if kind else None
    if kind in _TEXTS:
        return _text_part(kind, body, given)
    name = kind[:_LONGEST_NAME] if kind else "object"
    if isinstance(body, str) and body:
        is_id = kind in _TELLING or _AN_ID_OR_URL.match(body)
        return _Part(name, attachment=Attachment(kind=name, id=body)) if is_id else _Part(name, text=body)
    text = next((text for holder in (body, given) if (text := _text_in(holder, numbers=False)) is not None), None)
    found = next((i for holder in (body, given) for i in _ids_in(holder, _FILE_FIELDS if text else _ID_FIELDS)), None)
    return _Part(name, text=text, attachment=Attachment(kind=name, id=found) if found else None)


def _text_part(kind: str, body: Any, given: dict[str, Any]) -> _Part:
    annotations = [a for holder in (body, given) for a in objects(harmless(obj(holder).get("annotations")))]
    text = _text_in(body if kind in given else given)
    return _Part(kind, text="" if text is None and annotations else text, annotations=annotations)


def _text_in(value: Any, depth: int = _DEEPEST, *, numbers: bool = True) -> str | None:
    """Return the text that stands somewhere in the value; None where there is none. A number counts as one, too."""
    match value:
        case str():
            return value
        case int() | float() if numbers and not isinstance(value, bool):
            return str(value)
        case list() if depth:
            found = [text for item in value if (text := _text_in(item, depth - 1, numbers=numbers)) is not None]
            return "\n".join(found) if found else None
        case dict() if depth:
            texts = (_text_in(value.get(name), depth - 1, numbers=numbers) for name in _TEXT_FIELDS)
            return next((text for text in texts if text is not None), None)
        case _:
            return None


def _ids_in(value: Any, names: Iterable[str], depth: int = _DEEPEST) -> Iterator[str]:
    """Yield the ids and URLs that stand in the object under these names, and in objects under them."""
    for name in names if isinstance(value, dict) and depth else ():
        found = value.get(name)
        if isinstance(found, str) and found:
            yield found
        else:
            yield from _ids_in(found, _ID_FIELDS, depth - 1)


def _attached(given: Any) -> Attachment | None:
    """Return the file that a message has attached."""
    found = given if isinstance(given, str) else next(_ids_in(given, _ID_FIELDS), "")
    return Attachment(kind="file", id=found) if found else None


def _file_of(annotation: dict[str, Any]) -> Attachment | None:
    """Return the file that the run has made, if the annotation leads to one."""
    kind = annotation.get("type")
    if kind not in _FILES_OF_ANNOTATIONS:
        return None
    found = next((i for holder in (annotation.get(kind), annotation) for i in _ids_in(holder, ("file_id",))), None)
    return Attachment(kind=kind, id=found) if found else None


def _each_once(found: Iterable[Attachment | None]) -> list[Attachment]:
    known: dict[str, Attachment] = {}
    for attachment in found:
        if attachment:
            known.setdefault(attachment.id, attachment)
    return list(known.values())


def _listed(value: Any) -> list[Any]:
    """Return the items of a list; something else counts as the only one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _kind_of_json(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case list():
            return "list"
        case _:
            return "number"
