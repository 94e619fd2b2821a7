"""What a message of the wire says (foundry-api.md, section 1.4). Pure."""

from __future__ import annotations

import re
from typing import Any

from contracts.runs import Answer, Attachment
from foundry.classic.fields import id_of, obj, objects
from foundry.harmless import harmless


def answer_of(message: dict[str, Any]) -> Answer:
    """Return the message as an answer: its text parts joined by line ends, and what else is in it."""
    texts: list[str] = []
    annotations: list[dict[str, Any]] = []
    attachments: list[Attachment] = []
    for part in objects(message.get("content")):
        kind = part.get("type")
        body = obj(part.get(kind)) if isinstance(kind, str) else {}
        match kind:
            case "text":
                found = objects(harmless(body.get("annotations")))
                texts.append(_without_citation_marks(str(body.get("value") or ""), found))
                annotations += found
            case "image_file":
                attachments.append(Attachment(kind=kind, id=str(body.get("file_id") or "")))
            case "image_url":
                attachments.append(Attachment(kind=kind, id=str(body.get("url") or "")))
            case str():
                attachments.append(Attachment(kind=kind, id=str(body.get("file_id") or body.get("id") or "")))
    attached = [a.get("file_id") for a in objects(message.get("attachments"))]
    attachments += [Attachment(kind="file", id=file_id) for file_id in attached if isinstance(file_id, str)]
    return Answer(
        found=True,
        text="\n".join(texts),
        message_id=id_of(message, "id"),
        annotations=annotations,
        attachments=attachments,
    )


def _without_citation_marks(text: str, annotations: list[dict[str, Any]]) -> str:
    """Leave out marks such as `【4:0†source】`: they mean nothing to a reader, and the annotations hold what they refer
    to.
    """
    for annotation in annotations:
        mark = annotation.get("text")
        if isinstance(mark, str) and re.fullmatch(r"【[^】]*】", mark):
            text = text.replace(mark, "")
    return text
