"""Parts of a message, files, resources of tools, and ids: each mistake is named with its path, in our own words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from contracts.ids import NOTHING_PATTERN, PREFIXES
from contracts.messages import (
    MAX_ATTACHMENTS,
    MAX_CHARACTERS_OF_ALL_TEXTS,
    MAX_CONTENT_PARTS,
    MAX_IMAGE_URL_CHARACTERS,
    ImageUrl,
    ImageUrlPart,
    TextPart,
    UserMessage,
)
from contracts.request import MAX_ADDITIONAL_MESSAGES, AgentRunRequest
from contracts.wire import to_wire
from validation.field_errors import InvalidRequestError
from validation.given_ids import of_another_kind
from validation.start_request import parse_request

TEXT = {"type": "text", "text": "What is on it?"}
FILE = {"type": "image_file", "image_file": {"file_id": "assistant-Abc123", "detail": "low"}}
URL = {"type": "image_url", "image_url": {"url": "https://example.org/a.png?x=1", "detail": "auto"}}
INLINE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
ASSET = {"data_source": {"uri": "azureml://a", "type": "uri_asset"}, "tools": [{"type": "file_search"}]}
SEARCHED = {"file_id": "assistant-1", "tools": [{"type": "file_search"}, {"type": "code_interpreter"}]}
A_TEXT = "a text that is not blank, of at most 256,000 characters"
NO_FILE = "is required, or data_source is: the id of a file that was uploaded to Foundry"
KNOWN = "'text' or 'image_file' or 'image_url'"


def said_of(**fields: Any) -> dict[str, str]:
    """Return target and message of everything that is wrong with the request."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(fields)
    return {e.target: e.message for e in caught.value.details}


def said_of_part(part: Any) -> dict[str, str]:
    return said_of(content=[TEXT, part])


# --- content and attachments ---


def test_parts_and_attachments_are_taken_as_they_are():
    given = {"user_message": "hi", "content": [TEXT, FILE, URL, INLINE], "attachments": [SEARCHED, ASSET]}
    request = parse_request(given)
    assert to_wire(request) == given
    assert request.message == UserMessage(text="hi", content=request.content, attachments=request.attachments)


def test_the_user_message_is_the_first_part():
    request = parse_request({"user_message": "hi", "content": [URL]})
    assert request.message.as_content() == [
        TextPart(text="hi"),
        ImageUrlPart(image_url=ImageUrl(url="https://example.org/a.png?x=1", detail="auto")),
    ]
    assert parse_request({"user_message": "hi", "attachments": [SEARCHED]}).message.as_content() == "hi"
    assert parse_request({"content": [URL]}).message.as_content() == parse_request({"content": [URL]}).content


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "image"}, {"content[1].type": f"must be {KNOWN}"}),
        ({"type": "input_text", "text": "x"}, {"content[1].type": f"must be {KNOWN}"}),
        ({"type": None}, {"content[1].type": f"must be {KNOWN}"}),
        ({"text": "x"}, {"content[1].type": f"is required: {KNOWN}"}),
        ("x", {"content[1]": f"must be an object whose type is {KNOWN} (a text was given)"}),
        (None, {"content[1]": f"must be an object whose type is {KNOWN} (null was given)"}),
        ({"type": "text", "text": " "}, {"content[1].text": f"must be {A_TEXT}"}),
        (
            {"type": "text", "text": {"value": "x"}},
            {"content[1].text": f"must be {A_TEXT} (an object was given)"},
        ),
        ({**TEXT, "texts": 1}, {"content[1].texts": "is not a field: did you mean text?"}),
        ({"type": "image_file"}, {"content[1].image_file": "is required: an object with file_id"}),
        (
            {"type": "image_file", "image_file": {"file_id": "vs_1", "detail": "max"}},
            {
                "content[1].image_file.detail": "must be 'auto' or 'high' or 'low'",
                "content[1].image_file.file_id": "must be the id of a file, of at most 128 letters, digits, _ and - "
                "(the id of a vector store was given)",
            },
        ),
        (
            {"type": "image_url", "image_url": "https://example.org/a.png"},
            {"content[1].image_url": "must be an object with url (a text was given)"},
        ),
    ],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_named_with_its_path(part, said):
    assert said_of_part(part) == said


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x/a.png", "file:///etc/passwd", "https://", "https:///a.png", "http://a b", 5,
     "data:image/svg+xml;base64,AAAA", "data:image/png,AAAA", "data:image/png;base64,", "data:image/png;base64,AA\n",
     "data:text/html;base64,AAAA"],
)  # fmt: skip
def test_a_url_that_is_no_image_is_refused(url):
    assert list(said_of_part({"type": "image_url", "image_url": {"url": url}})) == ["content[1].image_url.url"]


@pytest.mark.parametrize("kind", ["png", "jpeg", "jpg", "gif", "webp"])
def test_an_image_may_come_in_its_url_and_be_large(kind):
    head = f"data:image/{kind};base64,"
    url = head + "A" * (MAX_IMAGE_URL_CHARACTERS - len(head))
    [part] = parse_request({"content": [{"type": "image_url", "image_url": {"url": url}}]}).content
    assert part.image_url.url == url
    [(target, message)] = said_of_part({"type": "image_url", "image_url": {"url": url + "A"}}).items()
    assert target == "content[1].image_url.url"
    assert message.endswith("(2,000,001 were given)")
    assert "AAAA" not in message


def test_there_is_a_most_of_parts_attachments_and_texts():
    assert said_of(content=[TEXT] * (MAX_CONTENT_PARTS + 1)) == {
        "content": "must be a list of 1 to 50 items (51 were given)"
    }
    assert said_of(content=[]) == {"content": "must be a list of 1 to 50 items"}
    many = [SEARCHED] * (MAX_ATTACHMENTS + 1)
    assert said_of(user_message="hi", attachments=many) == {
        "attachments": "must be a list of at most 20 items (21 were given)"
    }
    long = {"type": "text", "text": "x" * 250_000}
    assert parse_request({"content": [long] * 6})
    assert MAX_CHARACTERS_OF_ALL_TEXTS == 1_500_000
    assert said_of(user_message="hi", content=[long] * 6) == {
        "content": "has 1,500,002 characters in its texts, at most 1,500,000 are taken together"
    }


@pytest.mark.parametrize(
    ("attachment", "said"),
    [
        (
            {"file_id": "assistant-1"},
            {"attachments[0].tools": "is required: a list of 1 to 2 items"},
        ),
        ({"file_id": "assistant-1", "tools": []}, {"attachments[0].tools": "must be a list of 1 to 2 items"}),
        (
            {"tools": [{"type": "bing_grounding"}]},
            {
                "attachments[0].file_id": NO_FILE,
                "attachments[0].tools[0].type": "must be 'code_interpreter' or 'file_search'",
            },
        ),
        ({**SEARCHED, **ASSET}, {"attachments[0].data_source": "excludes file_id: give one of the two"}),
        (
            {**ASSET, "data_source": {"uri": "a"}},
            {"attachments[0].data_source.type": "is required: 'id_asset' or 'uri_asset'"},
        ),
        (
            {**SEARCHED, "file_id": "run_1"},
            {
                "attachments[0].file_id": "must be the id of a file, of at most 128 letters, digits, _ and - (the id "
                "of a run was given: its status document has thread_id and agent_id)"
            },
        ),
    ],
)
def test_an_attachment_that_does_not_fit_is_named_with_its_path(attachment, said):
    assert said_of(user_message="hi", attachments=[attachment]) == said


def test_the_prompt_is_in_no_refusal():
    secret = "the secret prompt"
    said = said_of(content=[{"type": "text", "text": [secret]}, {"type": secret}, secret])
    assert secret not in str(said)


# --- starts without a message ---


def test_what_stands_on_a_thread_is_run_without_a_message():
    request = parse_request({"thread_id": "thread_1"})
    assert request == AgentRunRequest(thread_id="thread_1")
    assert request.message is None


@pytest.mark.parametrize("fields", [{}, {"thread_id": ""}, {"thread_id": None, "user_message": None}, {"metadata": {}}])
def test_a_start_without_message_and_thread_is_refused(fields):
    [(target, message)] = said_of(**fields).items()
    assert target == "user_message"
    assert message.startswith("is required: ")
    assert message.endswith("(or give content, or a thread_id to run what is there)")


def test_a_message_that_is_empty_is_none_that_was_left_out():
    """A caller whose variable is empty shall not run what stands on the thread instead."""
    assert list(said_of(thread_id="thread_1", user_message="")) == ["user_message"]


def test_attachments_want_a_message():
    message = "is required beside attachments, or content is"
    assert said_of(thread_id="thread_1", attachments=[SEARCHED]) == {"user_message": message}


# --- run options ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"tool_resources": {"code_interpreter": {"file_ids": ["assistant-1"] * 21}}},
            {"tool_resources.code_interpreter.file_ids": "must be a list of at most 20 items (21 were given)"},
        ),
        (
            {"tool_resources": {"file_search": {"vector_store_ids": ["vs_1", "vs_2"]}}},
            {"tool_resources.file_search.vector_store_ids": "must be a list of at most 1 items (2 were given)"},
        ),
        (
            {"tool_resources": {"file_search": {"vector_store_ids": ["assistant-1"]}}},
            {
                "tool_resources.file_search.vector_store_ids[0]": "must be the id of a vector store, of at most 128 "
                "letters, digits, _ and - (the id of a file was given, which goes into content, attachments or "
                "tool_resources)"
            },
        ),
        (
            {"tool_resources": {"azure_ai_search": {"indexes": [{"top_k": 0, "query_type": "full", "name": "i"}]}}},
            {
                "tool_resources.azure_ai_search.indexes[0].name": "is not a field; known fields: index_connection_id, "
                "index_name, index_asset_id, query_type, top_k, filter",
                "tool_resources.azure_ai_search.indexes[0].query_type": "must be 'semantic' or 'simple' or 'vector' or "
                "'vector_semantic_hybrid' or 'vector_simple_hybrid'",
                "tool_resources.azure_ai_search.indexes[0].top_k": "must be a whole number from 1 to 1,000",
            },
        ),
        (
            {"tool_resources": {"mcp": [{"server_label": "x", "headers": {"Authorization": "Bearer x"}}]}},
            {
                "tool_resources.mcp": "is not a field; known fields: code_interpreter, file_search, azure_ai_search",
            },
        ),
        (
            {
                "tool_resources": {
                    "code_interpreter": {"file_ids": ["file-1"], "data_sources": [{"uri": "a", "type": "id_asset"}]}
                }
            },
            {"tool_resources.code_interpreter.data_sources": "excludes file_ids: give one of the two"},
        ),
        (
            {"include": ["everything"]},
            {"include[0]": "must be 'step_details.tool_calls[*].file_search.results[*].content'"},
        ),
        ({"include": "x"}, {"include": "must be a list of one item (a text was given)"}),
        (
            {"additional_messages": [{"role": "system", "content": "x"}]},
            {"additional_messages[0].role": "must be 'assistant' or 'user'"},
        ),
        (
            {"additional_messages": [{"role": "user", "content": "\n"}]},
            {"additional_messages[0].content": "must be a text that is not blank"},
        ),
        (
            {"additional_messages": [{"role": "user", "content": [TEXT, {"type": "x"}]}]},
            {"additional_messages[0].content[1].type": f"must be {KNOWN}"},
        ),
        (
            {"additional_messages": [{"role": "user", "content": "x", "metadata": {"durable_instance_id": "y"}}]},
            {"additional_messages[0].metadata.durable_instance_id": "is a key of the app's own"},
        ),
        (
            {
                "additional_messages": [
                    {"role": "user", "content": "x", "attachments": [{"file_id": "run_1", "tools": []}]}
                ]
            },
            {
                "additional_messages[0].attachments[0].file_id": "must be the id of a file, of at most 128 letters, "
                "digits, _ and - (the id of a run was given: its status document has thread_id and agent_id)",
                "additional_messages[0].attachments[0].tools": "must be a list of 1 to 2 items",
            },
        ),
        ({"additional_messages": []}, {"additional_messages": "must be a list of 1 to 32 items"}),
        (
            {"additional_messages": [{"role": "user", "content": "x", "attachments": [{"tools": SEARCHED["tools"]}]}]},
            {
                "additional_messages[0].attachments[0].file_id": NO_FILE,
            },
        ),
    ],
)  # fmt: skip
def test_an_option_that_does_not_fit_is_named_with_its_path(options, said):
    assert said_of(user_message="hi", run_options=options) == {f"run_options.{k}": v for k, v in said.items()}


def test_null_is_no_attachment_and_no_metadata_of_an_additional_message():
    message = {"role": "user", "content": "x"}
    request = parse_request(
        {
            "user_message": "hi",
            "run_options": {"additional_messages": [{**message, "attachments": None, "metadata": None}]},
        }
    )
    assert to_wire(request)["run_options"] == {"additional_messages": [message]}


def test_a_whole_number_may_have_a_fraction_of_zero_wherever_it_stands():
    index = {"index_name": "i", "top_k": 5.0}
    options = {
        "max_prompt_tokens": 256.0,
        "truncation_strategy": {"type": "last_messages", "last_messages": 3.0},
        "tool_resources": {"azure_ai_search": {"indexes": [index]}},
    }
    taken = to_wire(parse_request({"user_message": "hi", "run_options": options}))["run_options"]
    found = (
        taken["max_prompt_tokens"],
        taken["truncation_strategy"]["last_messages"],
        taken["tool_resources"]["azure_ai_search"]["indexes"][0]["top_k"],
    )
    assert [(type(number), number) for number in found] == [(int, 256), (int, 3), (int, 5)]
    index["top_k"] = 5.5
    assert list(said_of(user_message="hi", run_options=options)) == [
        "run_options.tool_resources.azure_ai_search.indexes[0].top_k"
    ]


def test_additional_messages_have_bounds():
    message = {"role": "user", "content": "x"}
    assert parse_request(
        {"user_message": "hi", "run_options": {"additional_messages": [message] * MAX_ADDITIONAL_MESSAGES}}
    )
    long = {"role": "user", "content": [{"type": "text", "text": "x" * 250_001}] * 6}
    assert list(said_of(user_message="hi", run_options={"additional_messages": [message, long]})) == [
        "run_options.additional_messages[1].content"
    ]


# --- ids in the wrong field ---

ANOTHER = {
    "asst_abc": "the id of an agent was given, which goes into agent_id",
    "msg_abc": "the id of a message was given, which no field takes",
    "run_abc": "the id of a run was given: its status document has thread_id and agent_id",
    "step_abc": "the id of a run step was given",
    "call_abc": "the id of a tool call was given",
    "vs_abc": "the id of a vector store was given",
    "file-abc": "the id of a file was given, which goes into content, attachments or tool_resources",
    "assistant-abc": "the id of a file was given, which goes into content, attachments or tool_resources",
    **dict.fromkeys(
        ("resp_abc", "wfresp_abc", "caresp_abc"),
        "the id of a response was given: its status document has thread_id and agent_id",
    ),
    "f603d2d291ae4a9a86935293eefe2313": "the instance id of a run was given: GET /api/runs/{instance_id} has its "
    "thread_id and agent_id",
    "fe5de8eab97f-5f4d3d0b3e6d2d0c8f6c": "the instance id of a run was given: GET /api/runs/{instance_id} has its "
    "thread_id and agent_id",
    "agent#thread_1#run_1": "a composite_run_id was given: it is agent#thread#run, and holds the thread's id between "
    "its two #",
    "https://app.example/api/runs/1": "a URL was given",
    "null": "the text of an empty variable was given: leave the field out, or send null without quotes",
}


@pytest.mark.parametrize("given", ANOTHER)
def test_what_is_no_id_of_a_thread_is_told(given):
    assert said_of(user_message="hi", thread_id=given) == {
        "thread_id": "must be the id of a thread or conversation, of at most 128 letters, digits, _ and -, such as "
        f"thread_abc123 ({ANOTHER[given]})"
    }


@pytest.mark.parametrize("given", ["thread_abc123", "conv_68f7aeb3ec5881909d8a9cd13bd2ba23"])
def test_a_thread_may_be_a_conversation(given):
    assert parse_request({"user_message": "hi", "thread_id": given}).thread_id == given
    assert of_another_kind(given, "a thread") is None
    assert "which goes into thread_id" in str(of_another_kind(given, "an agent"))


@pytest.mark.parametrize("given", NOTHING_PATTERN.replace("[Nn]", "N").replace("[Uu]", "u").split("|"))
def test_the_text_of_an_empty_variable_is_no_id(given):
    for field in ("thread_id", "agent_id"):
        assert "empty variable" in said_of(user_message="hi", **{field: given})[field]


LONG = "NttKYbqrtkykLPUKHShBkqnp"


@pytest.mark.parametrize("thing", [thing for thing in PREFIXES if thing != "an agent"])
@pytest.mark.parametrize("rest", [LONG, "a1b2c3d4e5f6a7b8c9d0e1f2"])
def test_what_is_no_id_of_an_agent_beyond_doubt_is_told(thing, rest):
    given = PREFIXES[thing].replace("(file|assistant)", "file").replace("(wf|ca)?", "wf") + rest
    message = said_of(user_message="hi", agent_id=given)["agent_id"]
    assert f"(the id of {thing} was given" in message


@pytest.mark.parametrize("given", ["run_abc123", "agent#thread_1#run_1", "f603d2d291ae4a9a86935293eefe2313"])
def test_other_ids_are_no_agent_either(given):
    assert list(said_of(user_message="hi", agent_id=given)) == ["agent_id"]


@pytest.mark.parametrize("name", ["run_report", "thread_1", "file-helper", "assistant-v2", "call_center", "Nonesuch"])
def test_what_may_be_the_name_of_an_agent_is_taken(name):
    assert parse_request({"user_message": "hi", "agent_id": name}).agent_id == name


@pytest.mark.parametrize("given", ["thread_1", "Thread_1", "threads", "run", "runs-1", "nullable", "a" * 32])
def test_other_ids_of_threads_are_taken(given):
    if given == "a" * 32:
        assert list(said_of(user_message="hi", thread_id=given)) == ["thread_id"]
    else:
        assert parse_request({"user_message": "hi", "thread_id": given}).thread_id == given


@pytest.mark.parametrize("when", ["never", "on_success", "with_history", None])
def test_when_the_thread_is_deleted_may_be_said(when):
    assert parse_request({"user_message": "hi", "delete_thread": when}).delete_thread == when
    said = said_of(user_message="hi", delete_thread="always")
    assert said == {"delete_thread": "must be 'never' or 'on_success' or 'with_history'"}


def test_the_types_can_be_taken_apart_again_and_again():
    """A union that msgspec 0.22 cannot take apart spoils the memory (`contracts.messages.TextBesideParts`)."""
    for _ in range(300):
        with pytest.raises(InvalidRequestError):
            parse_request({"run_options": {"additional_messages": [{"role": "user", "content": 5}]}})
    assert msgspec.json.schema(AgentRunRequest)
