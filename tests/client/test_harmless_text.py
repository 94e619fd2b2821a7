"""What a terminal obeys is written out; all else stays."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.harmless_text import harmless, one_line
from tests.unit.scripted import no_deadline

DIRECTIONS = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("rm -rf\x1b[2K\rls", r"rm -rf\u001b[2K\rls"),
        ("a\u202eb", r"a\u202eb"),
        ("\x9b31m", r"\u009b31m"),
        ("del\x7f", r"del\u007f"),
        ("half \ud800", r"half \ud800"),
        ("tag \U000e0041", r"tag \udb40\udc41"),
        ("two\nlines\tand a tab\r\n", "two\nlines\tand a tab\n"),
        ("äöü 蓝色 👩\u200d🔬 \u0645\u06cc\u200c\u062e", "äöü 蓝色 👩\u200d🔬 \u0645\u06cc\u200c\u062e"),
    ],
)
def test_it_is_written_as_json_writes_it(text, shown):
    assert harmless(text) == shown


@no_deadline
@given(st.text(st.characters(codec=None)))
def test_nothing_that_a_terminal_obeys_is_left(text):
    for character in harmless(text):
        category = unicodedata.category(character)
        assert category not in {"Cs", "Zl", "Zp"}
        assert category != "Cc" or character in "\n\t"
        assert unicodedata.bidirectional(character) not in DIRECTIONS


@no_deadline
@given(st.dictionaries(st.text(), st.text()))
def test_json_stays_json(value):
    assert json.loads(harmless(json.dumps(value, ensure_ascii=False))) == value


@no_deadline
@given(st.text(st.characters(codec=None)), st.integers(10, 300))
def test_a_line_is_one_line(text, width):
    line = one_line(text, width)
    assert len(line) <= width
    assert len(line.splitlines()) <= 1
