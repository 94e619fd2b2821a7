"""Cursors: opaque, bound to their filters, and harmless whoever makes them up."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from http_api import run_cursor
from http_api.run_cursor import BadCursorError, Cursor, Place, Point, decoded, encoded
from http_api.run_filters import RunFilters
from tests.unit.run_hub import NOW
from tests.unit.scripted import no_deadline

FILTERS = RunFilters(statuses=frozenset({"Running", "Failed"}), agent_id="asst_1", created_from=NOW)
CURSOR = Cursor(
    prefix="fe5",
    ours=Place(token="bGV0IG1lIGJlPQ==", after="fe5de62c6004-fcf54c2f21d881397259"),
    top=Point(left=-1_795_729_629_179, instance_id="order-1"),
    others=Place(),
    bottom=Point(left=-1_795_729_620_000, instance_id="fe5de62c6004-fcf54c2f21d881397259"),
)
TEXT = encoded(CURSOR, FILTERS)


def test_it_comes_back_as_it_was() -> None:
    assert decoded(TEXT, FILTERS) == CURSOR
    assert decoded(encoded(Cursor(prefix="fe", ours=None), RunFilters()), RunFilters()).ours is None


@pytest.mark.parametrize(
    "other",
    [
        RunFilters(),
        replace(FILTERS, statuses=frozenset({"Running"})),
        replace(FILTERS, agent_id="asst_2"),
        replace(FILTERS, thread_id="thread_1"),
        replace(FILTERS, created_from=NOW + timedelta(seconds=1)),
        replace(FILTERS, created_to=NOW),
        replace(FILTERS, needs_answer=False),
    ],
)
def test_it_is_of_no_other_filters(other: RunFilters) -> None:
    with pytest.raises(BadCursorError):
        decoded(TEXT, other)


def test_it_is_of_no_other_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_cursor, "_VERSION", 2)
    with pytest.raises(BadCursorError):
        decoded(TEXT, FILTERS)


@given(st.integers(0, len(TEXT) - 1), st.sampled_from("Aa0_-=.é "))
@no_deadline
def test_one_changed_character_spoils_it(at: int, character: str) -> None:
    changed = TEXT[:at] + character + TEXT[at + 1 :]
    if changed != TEXT:
        with pytest.raises(BadCursorError):
            decoded(changed, FILTERS)


@given(st.text() | st.text("ABCabc0123_-", max_size=100))
@no_deadline
def test_no_text_is_one_by_chance(text: str) -> None:
    with pytest.raises(BadCursorError):
        decoded(text, FILTERS)


@pytest.mark.parametrize("text", [TEXT[:-1], f"{TEXT}A", f"{TEXT}=", "A" * 5_000, ""])
def test_a_piece_or_more_is_none(text: str) -> None:
    with pytest.raises(BadCursorError):
        decoded(text, FILTERS)


@pytest.mark.parametrize(
    "change",
    [
        {"prefix": "0"},
        {"prefix": ""},
        {"ours": {"token": "a\r\nHost: evil", "after": ""}},
        {"ours": {"token": "a" * 2_001, "after": ""}},
        {"top": {"left": 5, "instance_id": ""}},
        {"top": {"left": -(10**30), "instance_id": ""}},
        {"ours": 7},
        {"prefix": 7},
    ],
)
def test_whoever_knows_the_digest_can_still_not_put_in_anything(change: dict[str, object]) -> None:
    content = msgspec.json.encode({**msgspec.to_builtins(CURSOR), **change})
    bound = msgspec.json.encode([1, ["Failed", "Running"], "asst_1", None, NOW, None, None])
    digest = hashlib.sha256(bound + content).hexdigest()[:16]
    forged = base64.urlsafe_b64encode(digest.encode() + content).rstrip(b"=").decode()
    with pytest.raises(BadCursorError):
        decoded(forged, FILTERS)


def test_the_digest_of_that_test_is_the_right_one() -> None:
    bound = msgspec.json.encode([1, ["Failed", "Running"], "asst_1", None, NOW, None, None])
    digest = hashlib.sha256(bound + msgspec.json.encode(CURSOR)).hexdigest()[:16]
    assert base64.urlsafe_b64decode(TEXT + "=" * (-len(TEXT) % 4)).startswith(digest.encode())
