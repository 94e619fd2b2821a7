"""The absolute URLs of our own routes, and the Prefer header."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_api.preferences import LONGEST_WAIT_SECONDS, wait_seconds
from http_api.urls import own_urls
from tests.unit.scripted import no_deadline


@pytest.mark.parametrize(
    "url",
    [
        "https://app.azurewebsites.net/api/run_agent",
        "https://app.azurewebsites.net/api/run_agent/",
        "https://app.azurewebsites.net/api/RUN_AGENT?code=secret&clientId=default",
        "https://app.azurewebsites.net/api/agents/asst_1/runs?code=secret",
        "https://app.azurewebsites.net/api/agents/runs/runs",
        "https://app.azurewebsites.net/api/agents/run_agent/runs",
        "https://app.azurewebsites.net/api/runs?status=Running&code=secret",
        "https://app.azurewebsites.net/api/runs/",
        "https://app.azurewebsites.net/api/runs/counts",
        "https://app.azurewebsites.net/api/runs/i9",
        "https://app.azurewebsites.net/api/runs/run_agent",
        "https://app.azurewebsites.net/api/runs/i9/cancel",
        "https://app.azurewebsites.net/api/runs/i9/tool_outputs?code=secret#x",
    ],
)
def test_our_routes_are_below_the_same_origin_and_prefix_without_the_key(url):
    run = "https://app.azurewebsites.net/api/runs/i1"
    assert own_urls(url, "i1") == {
        "runUri": run,
        "cancelPostUri": f"{run}/cancel",
        "toolOutputsPostUri": f"{run}/tool_outputs",
        "retryPostUri": f"{run}/retry",
    }


def test_port_and_prefix_are_kept():
    assert own_urls("http://localhost:7071/run_agent", "i1")["runUri"] == "http://localhost:7071/runs/i1"
    assert own_urls("http://[::1]:7071/a/b/run_agent", "i1")["runUri"] == "http://[::1]:7071/a/b/runs/i1"


@pytest.mark.parametrize("instance_id", ["a/b", "a?b", "a#b", "a b", "\u00e9", "a%2fb"])
def test_an_instance_id_stays_one_segment(instance_id):
    uri = own_urls("https://h/api/run_agent", instance_id)["runUri"]
    segment = uri.removeprefix("https://h/api/runs/")
    assert not set(segment) & set("/?# ")
    assert segment.isascii()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=10", 10),
        ("Wait = 10", 10),
        ('wait="10"', 10),
        ("respond-async, wait=10", 10),
        ("wait=10;x=y", 10),
        ("respond-async,wait=10, handling=lenient", 10),
        ("wait=0", 0),
        ("wait=99999", LONGEST_WAIT_SECONDS),
        ("wait=999999999999", LONGEST_WAIT_SECONDS),
        pytest.param(f"wait={'9' * 9000}", LONGEST_WAIT_SECONDS, id="nines"),
        ("wait=00000000001", 1),
        pytest.param(f"wait={'0' * 9000}7", 7, id="zeros"),
        ('wait="00000000001"', 1),
        (r'wait="1\2"', 12),
        ('wait=""', 0),
        ("wait=\u0663", 0),
        # quoted strings
        ('foo="a,wait=3"', 0),
        ('foo="a;wait=3"', 0),
        (r'foo="a\",wait=3"', 0),
        (r'foo="a\\",wait=3', 3),
        ('foo="a,wait=3", wait=4', 4),
        ('foo="a,wait=3,wait=4', 0),
        (r'foo="a,wait=3\\', 0),
        ('foo;bar="a,wait=3";baz, wait=4', 4),
        ('wait="3, wait=4', 0),
        ('wait=5;note="a,b"', 5),
        # a parameter is none
        ("foo;wait=3", 0),
        ("foo=1 ; wait=3", 0),
        # the first one counts
        ("wait=3, wait=4", 3),
        ("wait=3,WAIT=x", 3),
        ("wait=x, wait=3", 0),
        ("wait, wait=3", 0),
        # nonsense elsewhere does no harm
        (",, ,wait=3,", 3),
        ("=1, ;, @, a b=c, wait=3", 3),
        ("wait=3 4", 0),
        ("wait==3", 0),
        ("respond-async,wait=10,wait=20", 10),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ("wait=x", 0),
        ("wait", 0),
        ("await=10", 0),
        ("wait-more=10", 0),
    ],
)
def test_a_preference_that_is_not_understood_is_passed_over(header, seconds):
    assert wait_seconds(header) == seconds


@pytest.mark.parametrize("part", ['"', "\\", '"\\', "a;", " ", ", ", "wait =", 'a="b', ";=", '\\"', 'wait="'])
def test_a_long_header_takes_no_time(part):
    header = part * (32_000 // len(part))
    started = time.perf_counter()
    for text in (header, f"wait={header}", f'wait="{header}', f"{header}wait=3"):
        wait_seconds(text)
    assert time.perf_counter() - started < 1


def test_nobody_waits_as_long_as_the_load_balancer():
    assert LONGEST_WAIT_SECONDS < 230


@no_deadline
@given(st.text() | st.from_regex(r"(, ?)?wait ?= ?\"?[0-9]{1,12}\"?[,;]?") | st.text('wait="\\\\,; 019x'))
def test_any_preference_gives_a_time_in_bounds(header):
    assert 0 <= wait_seconds(header) <= LONGEST_WAIT_SECONDS
