"""Request bodies: which fields each call takes, and the service's words where one is wrong.

A check takes a value and the path of its parameter, and returns the value or raises `ServiceError` 400.
Limits are those of the service's documentation (quotas-limits) and swagger. A field that is null counts as
absent.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.foundry_emulator.answers import text_block
from local.foundry_emulator.errors import ServiceError, invalid

Check = Callable[[Any, str], Any]

MAX_MESSAGE_CHARACTERS = 1_500_000
MAX_TOOLS = 128
FILE_PURPOSES = ("assistants", "assistants_output", "vision")
MAX_OUTPUTS_BYTES = 524_288  # of all outputs of one answer
MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512


def _wrong_type(param: str, expected: str, value: Any) -> ServiceError:
    names: dict[type, str] = {
        bool: "a boolean", str: "a string", int: "an integer", float: "a number",
        list: "an array", dict: "an object", type(None): "null",
    }  # fmt: skip
    got = names.get(type(value), "something else")
    return invalid(
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.",
        param=param,
        code="invalid_type",
    )


def anything(value: Any, param: str) -> Any:
    """Accept any JSON."""
    del param
    return value


def text(*, longest: int | None = None, shortest: int = 0) -> Check:
    """Accept a string of bounded length."""

    def check(value: Any, param: str) -> Any:
        if not isinstance(value, str):
            raise _wrong_type(param, "a string", value)
        if longest is not None and len(value) > longest:
            raise invalid(
                f"Invalid '{param}': string too long. Expected a string with maximum length {longest}, "
                f"but got a string with length {len(value)} instead.",
                param=param,
                code="string_above_max_length",
            )
        if len(value) < shortest:
            raise invalid(
                f"Invalid '{param}': string too short. Expected a string with minimum length {shortest}, "
                f"but got a string with length {len(value)} instead.",
                param=param,
                code="string_below_min_length",
            )
        return value

    return check


def one_of(*choices: str) -> Check:
    """Accept one of these words."""

    def check(value: Any, param: str) -> Any:
        if value in choices:
            return value
        listed = " and ".join(f"'{choice}'" for choice in choices)
        raise invalid(
            f"Invalid value: {str(value)[:100]!r}. Supported values are: {listed}.",
            param=param,
            code="invalid_value",
        )

    return check


def boolean(value: Any, param: str) -> Any:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise _wrong_type(param, "a boolean", value)
    return value


def number(low: float, high: float) -> Check:
    """Accept a number within bounds."""

    def check(value: Any, param: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(param, "a decimal", value)
        _bounds(value, param, low, high, "decimal")
        return value

    return check


def integer(low: int) -> Check:
    """Accept an integer of at least `low`."""

    def check(value: Any, param: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(param, "an integer", value)
        _bounds(value, param, low, None, "integer")
        return value

    return check


def _bounds(value: float, param: str, low: float, high: float | None, kind: str) -> None:
    if value < low:
        side, sign, limit = "below minimum", ">=", low
    elif high is not None and value > high:
        side, sign, limit = "above maximum", "<=", high
    else:
        return
    raise invalid(
        f"Invalid '{param}': {kind} {side} value. Expected a value {sign} {limit}, but got {value} instead.",
        param=param,
        code=f"{kind}_{side.split()[0]}_{side.split()[1][:3]}_value",
    )


def mapping(value: Any, param: str) -> Any:
    """Accept an object."""
    if not isinstance(value, dict):
        raise _wrong_type(param, "an object", value)
    return value


def array(item: Check, *, longest: int | None = None, too_long: str = "array_above_max_length") -> Check:
    """Accept an array of checked items."""

    def check(value: Any, param: str) -> Any:
        if not isinstance(value, list):
            raise _wrong_type(param, "an array", value)
        if longest is not None and len(value) > longest:
            raise invalid(
                f"Invalid '{param}': array too long. Expected an array with maximum length {longest}, "
                f"but got an array with length {len(value)} instead.",
                param=param,
                code=too_long,
            )
        return [item(one, f"{param}[{index}]") for index, one in enumerate(value)]

    return check


def metadata(value: Any, param: str) -> Any:
    """Accept at most 16 pairs of strings, keys up to 64 and values up to 512 characters."""
    mapping(value, param)
    if len(value) > MAX_METADATA_PAIRS:
        raise invalid(
            f"Invalid '{param}': too many properties. Expected an object with at most {MAX_METADATA_PAIRS} "
            f"properties, but got an object with {len(value)} properties instead.",
            param=param,
            code="object_above_max_properties",
        )
    for key, one in value.items():
        text(longest=MAX_METADATA_KEY)(key, f"{param}.{key[:100]}")
        text(longest=MAX_METADATA_VALUE)(one, f"{param}.{key}")
    return value


def headers(value: Any, param: str) -> Any:
    """Accept an object of texts."""
    mapping(value, param)
    return {name: text()(one, f"{param}.{name[:100]}") for name, one in value.items()}


@dataclass(frozen=True)
class Body:
    """The fields of an object: a check each, and which must be there."""

    fields: Mapping[str, Check]
    required: tuple[str, ...] = ()

    def __call__(self, value: Any, param: str = "") -> dict[str, Any]:
        """Check an object; unknown fields are refused by name."""
        if not isinstance(value, dict):
            raise _wrong_type(param or "body", "an object", value)
        prefix = f"{param}." if param else ""
        for name in value:
            if name not in self.fields:
                shown = f"{prefix}{name}"[:200]
                raise invalid(f"Unknown parameter: '{shown}'.", param=shown, code="unknown_parameter")
        for name in self.required:
            if value.get(name) is None:
                raise invalid(
                    f"Missing required parameter: '{prefix}{name}'.",
                    param=f"{prefix}{name}",
                    code="missing_required_parameter",
                )
        return {name: self.fields[name](one, prefix + name) for name, one in value.items() if one is not None}


def url(value: Any, param: str) -> Any:
    """Accept the address of an image, or the image itself as base64."""
    text(shortest=1)(value, param)
    if not re.match(r"(https?://|data:image/[a-z+.-]+;base64,).", value):
        raise invalid(
            f"Invalid '{param}'. Expected a valid URL, but got a value with an invalid format.",
            param=param,
            code="invalid_value",
        )
    return value


def _image(key: str) -> Body:
    image = Body(
        {key: text(shortest=1) if key == "file_id" else url, "detail": one_of("auto", "low", "high")}, required=(key,)
    )
    kind = "image_file" if key == "file_id" else "image_url"
    return Body({"type": anything, kind: image}, required=(kind,))


_BLOCKS = {
    "text": Body({"type": anything, "text": text(longest=MAX_MESSAGE_CHARACTERS)}, required=("text",)),
    "image_file": _image("file_id"),
    "image_url": _image("url"),
}


def _block(value: Any, param: str) -> Any:
    mapping(value, param)
    kind = one_of(*_BLOCKS)(value.get("type"), f"{param}.type")
    block = _BLOCKS[kind](value, param)
    return text_block(block["text"]) if kind == "text" else block


def content(value: Any, param: str) -> Any:
    """Accept a string or content blocks, and return blocks in the shape that the service answers with."""
    if isinstance(value, str):
        value = [{"type": "text", "text": value}]
    if not isinstance(value, list):
        raise _wrong_type(param, "a string or an array", value)
    if not value:
        raise invalid(
            f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param=param,
            code="empty_array",
        )
    size = sum(len(one["text"]) for one in value if isinstance(one, dict) and isinstance(one.get("text"), str))
    if size > MAX_MESSAGE_CHARACTERS:
        raise invalid(
            f"The content holds {size} characters, more than the {MAX_MESSAGE_CHARACTERS} allowed.",
            param=param,
            code="content_size_exceeded",
        )
    if size == 0 and all(isinstance(one, dict) and one.get("type") == "text" for one in value):
        raise invalid("Message content must be non-empty.", param=param)
    return [_block(one, f"{param}[{index}]") for index, one in enumerate(value)]


_TOOL_FIELDS = (
    "type function code_interpreter file_search bing_grounding bing_custom_search azure_ai_search openapi "
    "mcp azure_function connected_agent deep_research sharepoint_grounding fabric_dataagent server_label "
    "server_url allowed_tools require_approval headers"
)
_TOOL = Body(dict.fromkeys(_TOOL_FIELDS.split(), anything), required=("type",))
_TOOLS = array(_TOOL, longest=MAX_TOOLS, too_long="tool_limit_exceeded")

_FILE_IDS = array(text(shortest=1), longest=20)
TOOL_RESOURCES = Body(
    {
        "code_interpreter": Body({"file_ids": _FILE_IDS, "data_sources": array(mapping)}),
        "file_search": Body(
            {"vector_store_ids": array(text(shortest=1), longest=1), "vector_stores": array(mapping, longest=1)}
        ),
        "azure_ai_search": Body({"indexes": array(mapping, longest=1)}),
        "mcp": array(
            Body({"server_label": text(shortest=1), "headers": headers, "require_approval": anything}),
        ),
    }
)


def _attachment(value: Any, param: str) -> Any:
    found = _ATTACHMENT(value, param)
    if ("file_id" in found) == ("data_source" in found):
        raise invalid(f"Exactly one of 'file_id' and 'data_source' is needed in '{param}'.", param=param)
    return found


_ATTACHED_TOOL = Body({"type": one_of("code_interpreter", "file_search")}, required=("type",))
_ATTACHMENT = Body(
    {"file_id": text(shortest=1), "data_source": mapping, "tools": array(_ATTACHED_TOOL)}, required=("tools",)
)


_AGENT_FIELDS: dict[str, Check] = {
    "model": text(shortest=1),
    "name": text(longest=256),
    "description": text(longest=512),
    "instructions": text(longest=256_000),
    "tools": _TOOLS,
    "tool_resources": TOOL_RESOURCES,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "response_format": anything,
    "metadata": metadata,
}
CREATE_AGENT = Body(_AGENT_FIELDS, required=("model",))
UPDATE_AGENT = Body(_AGENT_FIELDS)

CREATE_MESSAGE = Body(
    {
        "role": one_of("user", "assistant"),
        "content": content,
        "attachments": array(_attachment),
        "metadata": metadata,
    },
    required=("role", "content"),
)
CREATE_THREAD = Body(
    {"messages": array(CREATE_MESSAGE), "tool_resources": TOOL_RESOURCES, "metadata": metadata},
)
UPDATE_THREAD = Body({"tool_resources": TOOL_RESOURCES, "metadata": metadata})
UPDATE_METADATA = Body({"metadata": metadata})

_RUN_FIELDS: dict[str, Check] = {
    "assistant_id": text(shortest=1),
    "model": text(shortest=1),
    "instructions": text(longest=256_000),
    "additional_instructions": text(longest=256_000),
    "additional_messages": array(CREATE_MESSAGE),
    "tools": _TOOLS,
    "tool_resources": TOOL_RESOURCES,
    "stream": boolean,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "max_prompt_tokens": integer(256),
    "max_completion_tokens": integer(256),
    "truncation_strategy": Body(
        {"type": one_of("auto", "last_messages"), "last_messages": integer(1)}, required=("type",)
    ),
    "tool_choice": anything,
    "response_format": anything,
    "parallel_tool_calls": boolean,
    "metadata": metadata,
}
CREATE_RUN = Body(_RUN_FIELDS, required=("assistant_id",))
_THREAD_RUN_FIELDS = {name: check for name, check in _RUN_FIELDS.items() if name != "additional_messages"}
CREATE_THREAD_AND_RUN = Body({**_THREAD_RUN_FIELDS, "thread": CREATE_THREAD}, required=("assistant_id",))

SUBMIT_TOOL_OUTPUTS = Body(
    {
        "stream": boolean,
        "tool_outputs": array(
            Body(
                {"tool_call_id": text(), "output": text(), "type": one_of("function_call_output")},
                required=("tool_call_id",),
            )
        ),
        "tool_approvals": array(
            Body(
                {"tool_call_id": text(), "approve": boolean, "headers": headers},
                required=("tool_call_id", "approve"),
            )
        ),
    }
)


def file_ids_in(body: Mapping[str, Any]) -> list[str]:
    """Return the ids of all files that a checked body names, those of its messages and tool resources too."""
    images = [part["image_file"] for part in body.get("content", []) if part["type"] == "image_file"]
    named = [one["file_id"] for one in (*images, *body.get("attachments", [])) if "file_id" in one]
    named += body.get("tool_resources", {}).get("code_interpreter", {}).get("file_ids", [])
    inside = [*body.get("messages", []), *body.get("additional_messages", [])]
    for inner in inside + ([body["thread"]] if "thread" in body else []):
        named += file_ids_in(inner)
    return named


def parse_json(raw: bytes) -> Any:
    """Read a body; an empty one counts as an empty object."""
    if not raw.strip():
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise invalid(
            "We could not parse the JSON body of your request. The API expects a JSON payload, but what was "
            "sent was not valid JSON."
        ) from error
