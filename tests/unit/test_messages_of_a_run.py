"""Which messages of a thread are the answer of a run."""

import pytest

from contracts.runs import Answer, PostedMessage, Stamp
from tests.unit.scripted import reply, service_of
from tests.unit.test_answer_parts import message, text

THREAD, RUN = "thread_1", "run_1"
OURS = PostedMessage(stamp=Stamp(instance_id="i1", operation_id="o:message"))
OUR_MESSAGE = {"id": "u1", "role": "user", "content": [], "metadata": OURS.stamp.as_metadata()}
THEIRS = {"id": "u2", "role": "user", "content": [], "metadata": {}}


def page(*items, last_id=None):
    return reply(200, {"data": list(items), "has_more": last_id is not None, "last_id": last_id})


@pytest.mark.parametrize("role", ["assistant", "agent", "tool", None])
def test_whatever_the_service_calls_its_role_the_runs_message_is_the_answer(role):
    service, _ = service_of(page(message(text("mine"), role=role)))
    assert service.get_answer(THREAD, RUN).text == "mine"


def test_what_was_sent_along_with_the_run_is_no_answer():
    stamp = Stamp(instance_id="i1", operation_id="o:run-0").as_metadata()
    sent_along = message(text("As an example."), id="msg_0", metadata=stamp)
    service, _ = service_of(page(message(text("mine")), sent_along))
    assert [m.text for m in service.get_answer(THREAD, RUN).messages] == ["mine"]
    service, _ = service_of(page(sent_along))
    assert service.get_answer(THREAD, RUN) == Answer()


def test_an_answer_that_is_far_down_a_shared_thread_is_found():
    pages = [page(THEIRS, last_id="u2"), page(THEIRS, last_id="u3")]
    service, network = service_of(*pages, page(message(text("mine"))))
    answer = service.get_answer(THREAD, RUN, OURS)
    assert (answer.text, answer.of_another_message) == ("mine", False)
    assert [f"run_id={RUN}" in request.url for request in network.requests] == [False, False, True]


def test_an_answer_that_reaches_far_down_a_shared_thread_is_whole():
    pages = [page(message(text("three")), last_id="u2"), page(message(text("two")), last_id="u3")]
    service, _ = service_of(*pages, page(*(message(text(t)) for t in ("three", "two", "one"))))
    assert [m.text for m in service.get_answer(THREAD, RUN, OURS).messages] == ["one", "two", "three"]


def test_a_run_that_has_not_written_yet_costs_one_look():
    service, network = service_of(page(OUR_MESSAGE, THEIRS, last_id="u2"))
    assert service.get_answer(THREAD, RUN, OURS) == Answer()
    assert len(network.requests) == 1
