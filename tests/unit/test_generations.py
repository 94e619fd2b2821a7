"""What of a request agents of either generation do not take."""

import pytest

from contracts.request import RunOptions
from tests.unit.test_contracts import OPTIONS
from validation.field_errors import InvalidRequestError
from validation.generations import refuse_unfit, unfit_for
from validation.start_request import parse_request

IMAGE = {"type": "image_url", "image_url": {"url": "https://contoso.com/x.png"}}
FILE = {"type": "image_file", "image_file": {"file_id": "assistant-1"}}


def unfit(generation, **fields):
    request = parse_request({"user_message": "hi", **fields})
    return {error.target: error.message for error in unfit_for(request, generation)}


@pytest.mark.parametrize("option", sorted(set(RunOptions.__struct_fields__) - {"structured_inputs"}))
def test_every_option_but_their_own_is_refused_by_second_generation_agents_with_advice(option):
    options = {option: OPTIONS[option]}
    assert unfit("classic", run_options=options) == {}
    [(target, message)] = unfit("responses", run_options=options).items()
    assert target == f"run_options.{option}"
    assert message.startswith("is not taken by second-generation agents: ")
    assert len(message.partition(": ")[2]) >= len("leave it out")


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("temperature", "set it on a version of the agent"),
        ("instructions", "set it on a version of the agent"),
        ("additional_instructions", "structured_inputs"),
        ("additional_messages", "put it into the message"),
        ("tool_resources", "give its files to tools of a version of the agent"),
    ],
)
def test_the_advice_fits_the_option(option, advice):
    assert advice in unfit("responses", run_options={option: OPTIONS[option]})[f"run_options.{option}"]


def test_what_fills_templates_is_refused_by_classic_agents():
    options = {"structured_inputs": {"tone": "dry"}}
    assert unfit("responses", run_options=options) == {}
    assert "additional_instructions" in unfit("classic", run_options=options)["run_options.structured_inputs"]


def test_files_have_no_counterpart_and_images_by_url_have():
    attachments = [{"file_id": "assistant-1", "tools": [{"type": "file_search"}]}]
    fields = {"content": [IMAGE, {"type": "text", "text": "see"}, FILE], "attachments": attachments}
    assert unfit("classic", **fields) == {}
    found = unfit("responses", **fields)
    assert list(found) == ["attachments", "content[2].image_file"]
    assert "image_url" in found["content[2].image_file"]
    assert unfit("responses", content=[IMAGE]) == {}


@pytest.mark.parametrize(
    ("thread_id", "generation", "says"),
    [
        ("thread_1", "responses", "is a thread of classic agents, and the agent is of the second generation"),
        ("conv_1", "classic", "is a conversation of second-generation agents, and the agent is a classic one"),
    ],
)
def test_a_thread_of_the_other_generation_is_told_with_what_to_do(thread_id, generation, says):
    [(target, message)] = unfit(generation, thread_id=thread_id).items()
    assert target == "thread_id"
    assert message.startswith(says)
    assert "start without thread_id" in message
    assert "name an agent of the other generation" in message


@pytest.mark.parametrize(("thread_id", "generation"), [("thread_1", "classic"), ("conv_1", "responses")])
def test_a_thread_of_the_agents_generation_is_taken(thread_id, generation):
    assert unfit(generation, thread_id=thread_id, delete_thread="on_success", metadata={"a": "b"}) == {}


def test_all_that_is_refused_is_told_at_once():
    request = parse_request({"user_message": "hi", "thread_id": "thread_1", "run_options": {"top_p": 1, "model": "m"}})
    with pytest.raises(InvalidRequestError) as caught:
        refuse_unfit(request, "responses")
    assert [error.target for error in caught.value.details] == ["run_options.model", "run_options.top_p", "thread_id"]
    refuse_unfit(request, "classic")
