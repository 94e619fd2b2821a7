"""What Foundry's answers mean: bodies of every kind, waiting hints of every form."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundry import errors, responses
from foundry.responses import error_of, hint_in_text, parse_json, retry_after_seconds
from tests.unit.scripted import no_deadline, raised_by

WHAT = "Foundry's GET /threads"


def error(status, body=b"", headers=None):
    return error_of(status, headers or {}, body, what=WHAT)


# --- bodies -----------------------------------------------------------------------------------------------------------


def test_the_services_own_json_gives_message_and_code():
    found = error(400, b'{"error": {"message": "Bad  \\n model", "type": "t", "param": null, "code": "invalid_model"}}')
    assert isinstance(found, errors.InvalidInputError)
    assert found.message.startswith(f"{WHAT} answered 400: Bad model. The agent's model is not deployed")
    assert found.code == "invalid_model"
    assert not found.retryable


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": "404", "message": "Resource not found"}}',
        b'{"statusCode": 404, "message": "Resource not found"}',
        b'{"error": "Resource not found"}',
        b"<html><style>p { x }</style><script>evil()</script><body><h1>Resource not found</h1></body></html>",
        b"Resource not found",
        b"  Resource\r\n not found ",
    ],
)
def test_a_gateways_body_gives_its_text(body):
    assert error(404, body).message.startswith(f"{WHAT} answered 404: Resource not found. ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"{",
        b"{}",
        b'{"error": null}',
        b'{"error": {}}',
        b'{"error": {"message": null, "code": null}}',
        b'{"error": {"message": "  "}}',
        b'{"error": {"message": 5, "code": 5}}',
        b'{"error": [1]}',
        b"<html><br/></html>",
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_body_that_says_nothing_leaves_the_status(status, body):
    found = error(status, body)
    assert found.message.startswith(f"{WHAT} answered {status}")
    assert "None" not in found.message


def test_bytes_that_are_no_text_do_no_harm():
    assert error(502, b"\xff\xfe\x00 gone \x80").message.startswith(f"{WHAT} answered 502: ")


@pytest.mark.parametrize(
    "body", [b'{"error": {"message": "%s"}}' % (b"x" * 10**6), b"x" * 10**6, b"<p>" * 10**5 + b"y"]
)
def test_a_huge_body_gives_a_short_message(body):
    assert len(error(500, body).message) < 700


def test_a_message_is_one_line():
    assert "\n" not in error(400, b'{"error": {"message": "a\\nb\\r\\nc"}}').message


@pytest.mark.parametrize("code", ["", "a b", "x" * 65, "a\\nb", "<b>"])
def test_a_code_that_is_no_word_is_not_taken_over(code):
    assert error(400, b'{"error": {"message": "m", "code": "%s"}}' % code.encode()).code == "invalid_request"


@pytest.mark.parametrize("header", ["x-request-id", "apim-request-id"])
def test_the_request_id_is_in_the_message(header):
    assert "request id abc" in error(500, headers={header: "abc"}).message
    assert len(error(500, headers={header: "x" * 5000}).message) < 300


# --- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "code", "retryable"),
    [
        (400, errors.UnreadableRefusalError, "unreadable_refusal", True),
        (401, errors.AuthenticationError, "unauthorized", False),
        (403, errors.PermissionDeniedError, "forbidden", False),
        (404, errors.NotFoundError, "not_found", False),
        (405, errors.InvalidInputError, "invalid_request", False),
        (408, errors.UnavailableError, "service_unavailable", True),
        (407, errors.ProxyRefusedError, "proxy_refused", True),
        (409, errors.RefusedForNowError, "refused_for_now", True),
        (410, errors.NotFoundError, "not_found", False),
        (413, errors.InvalidInputError, "invalid_request", False),
        (422, errors.InvalidInputError, "invalid_request", False),
        (421, errors.UnavailableError, "service_unavailable", True),
        (423, errors.RefusedForNowError, "refused_for_now", True),
        (424, errors.RefusedForNowError, "refused_for_now", True),
        (425, errors.UnavailableError, "service_unavailable", True),
        (429, errors.RateLimitedError, "rate_limited", True),
        (499, errors.UnavailableError, "service_unavailable", True),
        (500, errors.UnavailableError, "service_unavailable", True),
        (502, errors.UnavailableError, "service_unavailable", True),
        (503, errors.UnavailableError, "service_unavailable", True),
        (504, errors.UnavailableError, "service_unavailable", True),
        (507, errors.UnavailableError, "service_unavailable", True),
        (529, errors.UnavailableError, "service_unavailable", True),
        (301, errors.InvalidInputError, "invalid_request", False),
        (307, errors.InvalidInputError, "invalid_request", False),
    ],
)
def test_the_status_decides_the_class_and_whether_to_try_again(status, kind, code, retryable):
    found = error(status)
    assert type(found) is kind
    assert (found.code, found.retryable) == (code, retryable)


@pytest.mark.parametrize("status", [501])
def test_every_5xx_is_tried_again(status):
    assert error(status).retryable


@pytest.mark.parametrize(("status", "remedy"), [(401, "never API keys"), (403, "Foundry User"), (302, "ENDPOINT")])
def test_the_message_says_what_to_do(status, remedy):
    assert remedy in error(status).message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503])
def test_what_is_logged_has_none_of_the_services_words(status):
    # They may quote the prompt: a content filter's 400 does.
    found = error(status, b'{"error": {"message": "the prompt was: top secret", "code": "content_filter"}}')
    assert "top secret" in found.message
    assert "top secret" not in found.summary
    assert f"answered {status}" in found.summary


BUSY = [
    ("Can't add messages to thread_a1 while a run run_b2 is active.", "run_b2"),
    ("400: can't add messages to thread_a1 while a run run_b2 is active", "run_b2"),
    ("Thread thread_a1 already has an active run run_b2.", "run_b2"),
    ("Thread thread_a1 already has an active run run_b2", "run_b2"),
]


@pytest.mark.parametrize(("text", "run"), BUSY)
@pytest.mark.parametrize("status", [400, 409])
def test_a_busy_thread_is_recognised_by_its_text(status, text, run):
    found = error(status, b'{"error": {"message": "%s", "code": null}}' % text.encode())
    assert isinstance(found, errors.ThreadBusyError)
    assert found.active_run_id == run
    assert found.code == "thread_busy"
    assert text not in found.summary


@pytest.mark.parametrize(
    "text", ["Cannot cancel run with status 'completed'.", "No thread found with id 'thread_x'.", ""]
)
def test_other_texts_are_not_a_busy_thread(text):
    assert not isinstance(error(400, b'{"error": {"message": "%s"}}' % text.encode()), errors.ThreadBusyError)


@pytest.mark.parametrize("status", [409, 423, 424, 429, 503])
def test_a_hint_to_wait_travels_with_the_error(status):
    assert error(status, headers={"retry-after": "7"}).retry_after_seconds == 7
    assert error(status, b'{"error": {"message": "Try again in 9 seconds."}}').retry_after_seconds == 9
    assert error(status).retry_after_seconds is None


@no_deadline
@given(st.integers(300, 599), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_the_body_is_the_error_is_one_of_ours(status, body):
    found = error(status, body)
    assert isinstance(found, errors.FoundryError)
    assert found.message.startswith(WHAT)
    assert found.summary.startswith(WHAT)


# --- JSON -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html>", b"\xff", b'{"a": NaN}', b"9" * 5000, b'{"a": 1} x', b'"\\ud800" x']
)
def test_what_is_no_json_is_none(body):
    assert parse_json(body) is None


def test_json_is_read():
    assert parse_json(b' {"a": [1, null]} ') == {"a": [1, None]}


@pytest.mark.parametrize("status", [200, 400])
def test_json_nested_too_deeply_is_an_answer_that_cannot_be_understood(status):
    body = b'{"a":' * 100_000
    assert parse_json(body) is None
    error(status, body)


# --- how long to wait -------------------------------------------------------------------------------------------------

DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "Mon, 01 Jan 2024 00:01:30 GMT", "date": DATE}, 90),
        ({"retry-after": "Mon, 01 Jan 2024 01:01:30 +0100", "date": DATE}, 90),
        ({"retry-after": "Sun, 31 Dec 2023 23:00:00 GMT", "date": DATE}, 0),
        ({"retry-after": "Mon, 01 Jan 2024 00:01:30 GMT"}, None),
        ({"retry-after": "Mon, 01 Jan 2024 00:01:30 GMT", "date": "nonsense"}, None),
        ({"retry-after": "Mon, 01 Jan 2024 00:01:30", "date": DATE}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, None),
    ],
)
def test_the_headers_say_how_long_to_wait(headers, seconds):
    assert retry_after_seconds(headers) == seconds


def test_the_text_is_asked_last():
    text = "Rate limit is exceeded. Try again in 60 seconds."
    assert retry_after_seconds({}, text) == 60
    assert retry_after_seconds({"retry-after": "5"}, text) == 5
    assert retry_after_seconds({"retry-after": "soon"}, text) == 60


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit is exceeded. Try again in 60 seconds.", 60),
        ("Rate limit is exceeded. Try again in 86400 seconds.", 86_400),
        ("Please try again in 1 second", 1),
        ("please retry after 20 seconds.", 20),
        ("retry after 5", 5),
        ("try again in 20ms.", 0.02),
        ("try again in 250 milliseconds", 0.25),
        ("try again in 1.5s", 1.5),
        ("try again in 2 minutes", 120),
        ("try again in 2m.", 120),
        ("Please wait 33 seconds before retrying.", 33),
        ("Please retry your request after 6 seconds.", 6),
        ("try again in about 5 seconds", 5),
        ("Retry your request 3 times", None),
        ("try again later", None),
        ("try again in a few seconds", None),
        ("", None),
        ("60 seconds", None),
    ],
)
def test_a_text_says_how_long_to_wait(text, seconds):
    assert hint_in_text(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Try again in 24 hours.", 86_400),
        ("Try again in 1 hour", 3600),
        ("Try again in 3 days.", 259_200),
        ("Please try again in 6m0s.", 360),
        ("Please try again in 1h2m3s.", 3723),
        ("Out of call volume quota. Quota will be replenished in 01:10:05.", 4205),
    ],
)
def test_a_text_in_longer_units_says_how_long_to_wait(text, seconds):
    assert hint_in_text(text) == seconds


def test_a_hint_is_never_infinite():
    # Infinity is no JSON: the activity's result could not be read by the host.
    assert hint_in_text(f"try again in {'9' * 400} seconds") != float("inf")


@pytest.mark.parametrize(
    "date", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999"]
)
def test_a_date_out_of_all_ranges_is_no_hint(date):
    assert retry_after_seconds({"retry-after": date, "date": DATE}) is None


weird_dates = st.from_regex(
    r"(Mon, )?[0-9]{1,4} (Jan|Feb|Foo) [0-9]{1,5} [0-9]{1,3}:[0-9]{1,3}(:[0-9]{1,3})?( GMT| [+-][0-9]{1,6})?",
    fullmatch=True,
)


@no_deadline
@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "date"]),
        st.text(max_size=30) | weird_dates,
    ),
    st.text(max_size=40) | st.from_regex(re.compile(r"(try again|retry) (in|after) [0-9]{1,30}(\.[0-9]+)? ?(s|ms|m)?")),
)
def test_no_hint_raises_or_is_negative(headers, text):
    def check():
        seconds = retry_after_seconds(headers, text)
        assert seconds is None or 0 <= seconds < float("inf")

    found = raised_by(check)
    assert found is None, repr(found)


# --- texts that are not quite text ---


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": "x\\ud83d"}', {"a": "x\ufffd"}),
        (b'{"a": ["\\ude00y", 1, null]}', {"a": ["\ufffdy", 1, None]}),
        (b'{"\\ud83d": "\\ud83d\\ude00"}', {"\ufffd": "\U0001f600"}),
    ],
)
def test_half_a_surrogate_pair_does_not_make_an_answer_unreadable(body, value):
    assert responses.parse_json(body) == value


def test_half_a_surrogate_pair_makes_no_json_of_what_is_none():
    for body in (b'{"a": "\\ud83d", "b": NaN}', b'{"a": "\\ud83d"', b'{"a": "\\ud83d"} x', b"[" * 9999 + b'"\\ud83d"'):
        assert responses.parse_json(body) is None


TOKEN = "planted-token-" + 30 * "t"


def test_secrets_that_the_service_quotes_in_a_success_are_left_out():
    value = {"last_error": {"message": f"bad token {TOKEN}!"}, "list": [TOKEN, 5, None], TOKEN: 1, "short": "A"}
    shown = responses.without_secrets(value, [TOKEN, "A"])
    assert shown["last_error"]["message"] == "bad token <token>!"
    assert shown["list"] == ["<token>", 5, None]
    assert shown["short"] == "A", "what is too short to be a token is part of any word"


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("plantd77", "the key plantd77 is wrong", "the key <token> is wrong"),
        ("plantd77", "X-Key=plantd77;", "X-Key=<token>;"),
        ("plantd77", "xplantd77 plantd77x", "xplantd77 plantd77x"),
        ("planted-key-12345", "(planted-key-12345)", "(<token>)"),
        ("pl@nt3d+/=", "'pl@nt3d+/='", "'<token>'"),
        ("application", "the application", "the application"),
        ("2025-06-18", "on 2025-06-18", "on 2025-06-18"),
        ("plantd7", "plantd7", "plantd7"),
    ],
)
def test_a_short_secret_that_is_no_word_is_left_out_where_it_stands_by_itself(secret, text, shown):
    assert responses.without_secrets({"text": [text]}, [secret]) == {"text": [shown]}


def test_an_echoed_request_id_holds_no_secret():
    error = responses.error_of(500, {"x-request-id": f"id-{TOKEN}"}, b"", what="GET /x", secrets=[TOKEN])
    assert "planted" not in error.message
    assert "planted" not in error.summary
