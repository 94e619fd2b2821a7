"""When a call is repeated, and how long that takes."""

from datetime import UTC, datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from client import RefusedError, UnreachableError
from client.patience import LONGEST_DELAY, LONGEST_WISH, delay_before, rest_before_look, will_pass, wished_delay
from tests.client.app import RUN_ID, URL, App, ended, error, started
from tests.unit.scripted import no_deadline, reply

RESET = requests.ConnectionError("reset")


def test_a_start_whose_answer_was_lost_is_sent_again_with_the_same_key_and_body():
    app = App(RESET, requests.ReadTimeout(), reply(503), started())
    assert app.runs.start("hi", agent="history") == RUN_ID
    assert len({r.headers["Idempotency-Key"] for r in app.requests}) == 1
    assert len({r.body for r in app.requests}) == 1
    assert len(app.requests) == 4


def test_two_starts_have_two_keys():
    app = App(started(), started())
    app.runs.start("hi")
    app.runs.start("hi")
    assert len({r.headers["Idempotency-Key"] for r in app.requests}) == 2


@pytest.mark.parametrize("number", [408, 425, 429, 500, 502, 503, 504])
def test_what_the_platform_says_of_the_moment_is_waited_out(number):
    app = App(reply(number), ended())
    assert app.runs.get(RUN_ID).succeeded
    assert len(app.clock.pauses) == len(app.notices) == 1
    assert f"answers {number}" in app.notices[0]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (400, "invalid_request"),
        (401, None),
        (403, None),
        (404, "not_found"),
        (404, None),
        (409, "already_ended"),
        (410, "run_purged"),
        (500, "internal_error"),
        (500, "configuration_error"),
        (502, "forbidden"),
    ],
)
def test_what_stays_is_told_at_once(number, code):
    app = App(error(number, code, "why") if code else reply(number))
    with pytest.raises(RefusedError) as raised:
        app.runs.get(RUN_ID)
    assert (raised.value.status, raised.value.code) == (number, code)
    assert app.clock.pauses == []


def test_a_refusal_names_every_field():
    details = [{"code": "required", "message": "is required", "target": "user_message"}]
    app = App(error(400, "invalid_request", "is wrong", details=details))
    with pytest.raises(RefusedError, match="is wrong") as raised:
        app.runs.start()
    assert raised.value.details == ("user_message: is required",)


def test_a_certificate_that_is_not_trusted_is_told_at_once():
    app = App(requests.exceptions.SSLError("certificate"))
    with pytest.raises(UnreachableError, match="certificate"):
        app.runs.get(RUN_ID)
    assert len(app.requests) == 1


def test_a_wish_of_the_app_is_kept():
    app = App(reply(429, b"", {"Retry-After": "7"}), ended())
    app.runs.get(RUN_ID)
    assert app.clock.pauses == [7.0]


def test_a_call_ends_within_its_patience():
    app = App(*[RESET] * 1000, patience=60)
    with pytest.raises(UnreachableError, match=URL):
        app.runs.get(RUN_ID)
    assert sum(app.clock.pauses) <= 60
    assert 6 <= len(app.requests) <= 30


def test_without_patience_a_call_is_made_once():
    app = App(RESET, patience=0)
    with pytest.raises(UnreachableError):
        app.runs.get(RUN_ID)
    assert len(app.requests) == 1


def test_what_fails_to_the_end_is_told_as_it_was():
    app = App(*[error(503, "store_unavailable", "no storage")] * 1000)
    with pytest.raises(RefusedError, match="no storage") as raised:
        app.runs.start("hi")
    assert raised.value.code == "store_unavailable"


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"[1]", b"", b'{"a": ', b"[" * 100_000])
def test_an_answer_of_somebody_else_is_none(body):
    app = App(reply(200, body))
    with pytest.raises(UnreachableError, match="is not the app"):
        app.runs.get(RUN_ID)
    assert len(app.requests) == 1


@pytest.mark.parametrize("body", [{}, {"instanceId": 1, "status": "Running"}, {"id": "../admin"}])
@pytest.mark.parametrize("call", ["get", "start", "page"])
def test_neither_is_another_object(call, body):
    app = App(reply(200, body))
    with pytest.raises(UnreachableError, match="is not the app"):
        {"get": lambda: app.runs.get(RUN_ID), "start": app.runs.start, "page": app.runs.page}[call]()


def test_an_answer_without_an_end_ends(monkeypatch):
    monkeypatch.setattr("client.transport.MOST_BYTES", 100)
    app = App(reply(200, b" " * 101))
    with pytest.raises(UnreachableError, match="100 bytes"):
        app.runs.get(RUN_ID)


def test_an_answer_that_drips_ends():
    app = App(reply(200, b"{}"), patience=0)
    read = app.runs._transport._read

    class Dripping:
        def read1(self, _size, decode_content):
            app.clock.now += 10
            return b" "

    class Response:
        raw = Dripping()

    with pytest.raises(UnreachableError, match="does not end"):
        read(Response(), app.clock() + 30)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("2", 2.0),
        (" 15 ", 15.0),
        ("999999999999999999999", LONGEST_WISH),
        ("-1", None),
        ("soon", None),
        ("\u0663", None),
        ("Thu, 26 Nov 2026 15:00:30 GMT", 30.0),
        ("Thu, 26 Nov 2026 14:00:00 GMT", 0.0),
        ("Thu, 26 Nov 2026 15:00:30 -0000", 30.0),
    ],
)
def test_a_wish_is_seconds_or_a_date(text, seconds):
    assert wished_delay(text, datetime(2026, 11, 26, 15, tzinfo=UTC)) == seconds


@no_deadline
@given(st.integers(0, 10_000), st.none() | st.floats(0, LONGEST_WISH), st.floats(0, 1))
def test_a_delay_is_never_short_of_the_wish_and_grows_to_ten_seconds(attempt, wish, chance):
    delay = delay_before(attempt, wish, chance)
    assert 0.25 <= delay <= max(LONGEST_DELAY, wish or 0)
    assert delay >= (wish or 0)


@no_deadline
@given(st.integers(400, 599), st.none() | st.sampled_from(["internal_error", "forbidden", "rate_limited"]))
def test_only_408_425_429_and_5xx_pass(number, code):
    if will_pass(number, code):
        assert number in (408, 425, 429, 500, 502, 503, 504)
        assert code != "forbidden"


@pytest.mark.parametrize(
    ("every", "asked", "took", "wish", "rest"),
    [
        (30, 30, 30.1, 2, 0.0),  # it was held
        (30, 30, 0.1, 2, 2),  # it was not
        (30, 30, 0.1, None, 2.0),
        (30, 30, 0.1, 0, 0.5),
        (5, 5, 0.1, 60, 5),
        (0.1, 0, 0.0, 2, 0.1),  # nobody was asked to hold it
    ],
)
def test_a_look_that_was_not_held_is_followed_by_a_rest(every, asked, took, wish, rest):
    assert rest_before_look(every, asked, took, wish) == rest
