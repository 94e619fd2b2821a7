"""The line of instances at a conversation."""

from __future__ import annotations

import pytest

from ownership.line import Place, joined, left, place_of, to_look_at


@pytest.mark.parametrize(
    ("line", "ended", "expected"),
    [
        ([], (), ["me"]),
        (["a"], (), ["a", "me"]),
        (["a"], ("a",), ["me"]),
        (["a", "b"], ("a",), ["b", "me"]),
        (["a", "b"], ("b",), ["a", "b", "me"]),  # it is passed over when it comes to the front
        (["a", "b"], ("a", "b"), ["me"]),
        (["me"], (), ["me"]),
        (["a", "me", "b"], ("a",), ["me", "b"]),
        (["me", "a"], ("me",), ["me", "a"]),  # whoever asks goes on, whatever is said of it
        (["a", "me", "b"], (), ["a", "me", "b"]),
    ],
)
def test_whoever_asks_has_a_place(line, ended, expected):
    assert joined(line, "me", ended=ended) == expected


@pytest.mark.parametrize(
    ("line", "ended", "expected"),
    [
        ([], (), ["me"]),
        (["a", "b"], (), ["a", "me", "b"]),
        (["a", "b", "me"], (), ["a", "b", "me"]),  # it stood there before: those in between have replaced it
        (["me", "a"], (), ["me", "a"]),
        (["a", "b", "c"], ("a",), ["b", "me", "c"]),
    ],
)
def test_a_newcomer_that_is_next_in_turn_stands_right_behind_the_owner(line, ended, expected):
    assert joined(line, "me", ended=ended, next_in_turn=True) == expected


@pytest.mark.parametrize(
    ("line", "ended", "expected"),
    [
        ([], (), ["me"]),
        (["a", "b"], (), ["a", "b"]),
        (["a", "b"], ("a",), ["b"]),
        (["a"], ("a",), ["me"]),
        (["a", "me"], (), ["a", "me"]),
    ],
)
def test_who_does_not_wait_stands_behind_nobody(line, ended, expected):
    assert joined(line, "me", ended=ended, waits=False) == expected
    assert place_of(expected, "me").is_owner is (expected[0] == "me")


def test_who_leaves_is_gone_and_the_order_stays():
    assert left(["a", "b", "c"], "b") == ["a", "c"]
    assert left(["a"], "b") == ["a"]


def test_a_place_says_who_owns_it():
    assert place_of(["a", "me"], "me") == Place(1, "a", is_alone=False)
    assert not place_of(["a", "me"], "me").is_owner
    assert place_of(["me", "a"], "me").is_owner
    assert place_of(["a", "b"], "me") == Place(2, "a", is_alone=False)
    assert place_of(["me"], "me") == Place(0, "me", is_alone=True)


def test_only_those_in_front_are_looked_at_for_as_long_as_they_have_ended():
    ended = {"a"}
    assert to_look_at(["a", "b", "me", "c"], "me", ended.__contains__) == "b"
    assert to_look_at(["a", "me", "c"], "me", ended.__contains__) is None
    assert to_look_at(["a"], "me", ended.__contains__) is None
    assert to_look_at([], "me", ended.__contains__) is None
