"""What a type cannot say of the messages of a start. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.codes import ErrorCode
from contracts.messages import MAX_CHARACTERS_OF_ALL_TEXTS, ContentPart, TextPart
from contracts.request import AgentRunRequest
from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from validation.field_errors import FieldError


def reserved_keys(metadata: Any, target: str) -> list[FieldError]:
    """Return the keys of the metadata that are the app's own stamp."""
    given = metadata if isinstance(metadata, Mapping) else {}
    return [
        FieldError(code=ErrorCode.RESERVED, message="is a key of the app's own", target=f"{target}.{key}")
        for key in (METADATA_INSTANCE, METADATA_OPERATION)
        if key in given
    ]


def unfit_attachments(attachments: Any, target: str) -> list[FieldError]:
    """Return the attachments that name no file, or two."""
    errors: list[FieldError] = []
    for number, each in enumerate(attachments if isinstance(attachments, list) else []):
        if not isinstance(each, Mapping):
            continue
        given = [name for name in ("file_id", "data_source") if name in each]
        where = f"{target}[{number}]"
        if not given:
            message = "is required, or data_source is: the id of a file that was uploaded to Foundry"
            errors.append(FieldError(code=ErrorCode.REQUIRED, message=message, target=f"{where}.file_id"))
        elif len(given) > 1:
            message = "excludes file_id: give one of the two"
            errors.append(FieldError(code=ErrorCode.CONFLICT, message=message, target=f"{where}.data_source"))
    return errors


def unfit_messages(messages: Any, target: str) -> list[FieldError]:
    """Return the texts of messages that are blank, the keys of their metadata that are the app's own stamp, and
    attachments that name no one file.
    """
    errors: list[FieldError] = []
    for number, message in enumerate(messages if isinstance(messages, list) else []):
        if isinstance(message, Mapping):
            errors += reserved_keys(message.get("metadata"), f"{target}[{number}].metadata")
            errors += unfit_attachments(message.get("attachments"), f"{target}[{number}].attachments")
            content = message.get("content")
            if isinstance(content, str) and content and not content.strip():
                where = f"{target}[{number}].content"
                errors.append(
                    FieldError(code=ErrorCode.BLANK, message="must be a text that is not blank", target=where)
                )
    return errors


def too_much(request: AgentRunRequest) -> list[FieldError]:
    """Return the messages whose texts together are more than the service takes, and resources that exclude each
    other.
    """
    texts = {"content": len(request.user_message or "") + _characters(request.content or [])}
    for number, each in enumerate(request.run_options.additional_messages or []):
        parts = each.content if isinstance(each.content, list) else []
        texts[f"run_options.additional_messages[{number}].content"] = _characters(parts)
    errors = [_too_large(target, count) for target, count in texts.items() if count > MAX_CHARACTERS_OF_ALL_TEXTS]
    resources = request.run_options.tool_resources
    interpreter = resources.code_interpreter if resources else None
    if interpreter and interpreter.file_ids and interpreter.data_sources:
        where = "run_options.tool_resources.code_interpreter.data_sources"
        errors.append(
            FieldError(code=ErrorCode.CONFLICT, message="excludes file_ids: give one of the two", target=where)
        )
    return errors


def _too_large(target: str, count: int) -> FieldError:
    message = f"has {count:,} characters in its texts, at most {MAX_CHARACTERS_OF_ALL_TEXTS:,} are taken together"
    return FieldError(code=ErrorCode.TOO_LARGE, message=message, target=target)


def _characters(parts: list[ContentPart]) -> int:
    return sum(len(part.text) for part in parts if isinstance(part, TextPart))
