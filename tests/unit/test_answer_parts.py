"""What a message says: texts, files, refusals, and the name of whatever is not understood."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.runs import AnswerMessage, Attachment
from contracts.wire import to_wire
from foundry.answers import message_of
from tests.unit.scripted import no_deadline


def text(value, *annotations):
    return {"type": "text", "text": {"value": value, "annotations": list(annotations)}}


def image(file_id):
    return {"type": "image_file", "image_file": {"file_id": file_id}}


def message(*content, id="msg_1", role="assistant", run_id="run_1", **fields):  # noqa: A002
    return {"id": id, "role": role, "run_id": run_id, "content": list(content), **fields}


def said(*content, **fields):
    return message_of(message(*content, **fields))


def test_all_texts_are_joined_and_an_image_may_come_first():
    found = said(image("file_1"), text("one"), image("file_2"), text("two"))
    assert found == AnswerMessage(
        id="msg_1",
        text="one\ntwo",
        attachments=[Attachment(kind="image_file", id="file_1"), Attachment(kind="image_file", id="file_2")],
    )


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": {"value": "hello", "annotations": []}},
        {"type": "text", "text": {"value": "hello"}},
        {"type": "text", "text": {"value": "hello", "annotations": None}},
        {"type": "text", "text": "hello"},
        {"type": "text", "text": {"text": "hello"}},
        {"type": "text", "value": "hello"},
        {"type": "text", "text": ["hel", "lo"]},
        {"type": "output_text", "text": "hello", "annotations": []},
        {"type": "output_text", "output_text": {"value": "hello"}},
        {"type": "input_text", "text": "hello"},
        {"type": "markdown", "markdown": "hello"},
        {"type": "markdown", "markdown": {"content": [{"text": {"value": "hello"}}]}},
        {"type": None, "text": {"value": "hello"}},
        {"text": "hello"},
        {"value": "hello"},
        {"object": "content_part", "value": "hello"},
        {"type": 5, "text": "hello"},
        "hello",
    ],
)
def test_text_is_found_however_it_is_spelled(part):
    found = said(part)
    assert (found.text.replace("\n", ""), found.not_understood, found.refusal) == ("hello", [], False)


@pytest.mark.parametrize(
    ("content", "expected"),
    [("hello", "hello"), (["one", "two"], "one\ntwo"), (text("hello"), "hello"), ([], ""), (None, "")],
)
def test_content_may_be_a_text_a_part_or_a_list(content, expected):
    found = message_of({"id": "msg_1", "content": content})
    assert (found.text, found.not_understood) == (expected, [])


@pytest.mark.parametrize(
    "given",
    [
        message({"type": "refusal", "refusal": "I cannot."}),
        message({"type": "refusal", "refusal": {"value": "I cannot."}}),
        message({"type": "refusal", "text": "I cannot."}),
        message({"refusal": "I cannot."}),
        message(refusal="I cannot."),
        {"id": "msg_1", "content": None, "refusal": "I cannot."},
    ],
)
def test_a_refusal_is_text_with_a_flag(given):
    found = message_of(given)
    assert (found.text, found.refusal, found.not_understood) == ("I cannot.", True, [])


def test_a_refusal_may_follow_a_text():
    found = said(text("First:"), {"type": "refusal", "refusal": "no."})
    assert (found.text, found.refusal) == ("First:\nno.", True)
    assert not said(text("a text"), refusal=None).refusal


@pytest.mark.parametrize(
    ("part", "kind", "id_"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/y.png"}}, "image_url", "https://x/y.png"),
        ({"type": "image_url", "image_url": "https://x/y.png"}, "image_url", "https://x/y.png"),
        ({"type": "image_file", "image_file": "file_1"}, "image_file", "file_1"),
        ({"type": "image_file", "file_id": "file_1"}, "image_file", "file_1"),
        ({"image_file": {"file_id": "file_1"}}, "image_file", "file_1"),
        ({"type": "audio", "audio": {"id": "audio_1"}}, "audio", "audio_1"),
        ({"type": "audio", "audio": "file-abc123"}, "audio", "file-abc123"),
        ({"type": "video", "video": "https://x/y.mp4"}, "video", "https://x/y.mp4"),
        ({"type": "output_image", "image_url": {"url": "data:image/png;base64,AA=="}}, "output_image",
         "data:image/png;base64,AA=="),
        ({"type": "file", "file": {"file_id": "file_1"}}, "file", "file_1"),
        ({"type": "thing", "id": "thing_1"}, "thing", "thing_1"),
        ({"file_id": "file_1"}, "object", "file_1"),
    ],
)  # fmt: skip
def test_what_has_an_id_or_a_url_is_an_attachment(part, kind, id_):
    found = said(part)
    assert (found.attachments, found.text, found.not_understood) == ([Attachment(kind=kind, id=id_)], "", [])


def test_a_part_may_be_both_text_and_file():
    found = said({"type": "audio", "id": "part_1", "audio": {"file_id": "file_1", "transcript": "hello"}})
    assert (found.text, found.attachments) == ("hello", [Attachment(kind="audio", id="file_1")])


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ({"type": "hologram", "hologram": {"depth": 3}}, "hologram"),
        ({"type": "hologram"}, "hologram"),
        ({"type": "hologram", "hologram": 5}, "hologram"),
        ({"type": "text"}, "text"),
        ({"type": "text", "text": None}, "text"),
        ({"type": "text", "text": {"value": None}}, "text"),
        ({"type": "refusal", "refusal": None}, "refusal"),
        ({"type": "image_file", "image_file": {"file_id": None}}, "image_file"),
        ({"type": "image_url", "image_url": {}}, "image_url"),
        ({"type": 5}, "object"),
        ({}, "object"),
        (None, "null"),
        (5, "number"),
        (True, "boolean"),
        ([["x"]], "list"),
        ({"type": "x" * 5000}, "x" * 64),
    ],
)
def test_what_is_not_understood_is_named(part, name):
    found = said(part, text("after"))
    assert (found.not_understood, found.text) == ([name], "after")


def test_names_are_told_once_and_not_without_end():
    assert said({"type": "a"}, {"type": "b"}, {"type": "a"}).not_understood == ["a", "b"]
    assert len(said(*({"type": f"t{n}"} for n in range(1000))).not_understood) == 20


def test_a_number_in_place_of_a_list_is_named():
    assert message_of({"id": "m", "content": 5}).not_understood == ["number"]
    assert message_of({"id": "m", "content": True}).not_understood == ["boolean"]


def test_attached_files_and_files_that_annotations_lead_to_are_listed_once():
    path = {"type": "file_path", "text": "sandbox:/mnt/x.csv", "file_path": {"file_id": "file_2"}}
    cited = {"type": "file_citation", "text": "x", "file_citation": {"file_id": "file_9"}}
    found = said(
        image("file_1"),
        text("See sandbox:/mnt/x.csv", path, cited, path),
        attachments=[{"file_id": "file_3", "tools": []}, {"file_id": "file_1"}, "file_4"],
    )
    assert found.attachments == [
        Attachment(kind="image_file", id="file_1"),
        Attachment(kind="file", id="file_3"),
        Attachment(kind="file", id="file_4"),
        Attachment(kind="file_path", id="file_2"),
    ]


@pytest.mark.parametrize("attached", [5, [None], [{}], [{"file_id": None}]])
def test_an_attachment_without_an_id_is_named(attached):
    assert said(attachments=attached).not_understood == ["attachment"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"incomplete_details": {"reason": "max_tokens"}}, "max_tokens"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "in_progress"}, "in_progress"),
        ({"status": "completed", "incomplete_details": None}, ""),
        ({"status": 5, "incomplete_details": {"reason": "two words"}}, ""),
        ({"incomplete_details": "x"}, ""),
        ({"status": {}}, ""),
        ({}, ""),
    ],
)
def test_a_message_that_is_not_whole_says_why(fields, why):
    assert said(text("The sky"), **fields).incomplete == why


def test_a_message_that_says_nothing_at_all_may_grow():
    assert said().may_grow
    assert said(text("half"), status="in_progress").may_grow
    whole = [
        said(text("x")),
        said(image("f")),
        said({"type": "hologram"}),
        said({"type": "refusal", "refusal": ""}),
        said(status="incomplete"),
        AnswerMessage(id="m", text=None),
    ]
    assert not any(message.may_grow for message in whole)


def test_annotations_of_a_text_that_is_null_are_kept():
    path = {"type": "file_path", "text": "x", "file_path": {"file_id": "file_2"}}
    found = said({"type": "text", "text": {"value": None, "annotations": [path]}})
    assert (found.text, len(found.annotations), found.attachments[0].id) == ("", 1, "file_2")


@pytest.mark.parametrize("id_", [None, "", 5, {}, "x" * 5000])
def test_an_odd_id_costs_no_message(id_):
    found = said(text("hello"), id=id_)
    assert found.text == "hello"
    assert len(found.id) <= 256


words = st.sampled_from(["type", "text", "value", "refusal", "image_file", "file_id", "url", "id", "annotations"])
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=3) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@no_deadline
@given(st.lists(junk.filter(lambda part: part != "")), junk)
def test_no_part_vanishes(content, attachments):
    found = message_of({"id": "msg_1", "content": content, "attachments": attachments})
    json.dumps(to_wire(found))
    for part in content:
        alone = message_of({"id": "msg_1", "content": [part]})
        empty = '""' in json.dumps(part)
        assert alone.text or alone.attachments or alone.annotations or alone.not_understood or empty
