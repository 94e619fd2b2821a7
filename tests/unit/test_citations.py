"""Citation marks are taken out, and annotations fit the text that is left."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foundry.answers import message_of
from foundry.citations import without_marks
from tests.unit.scripted import no_deadline
from tests.unit.test_answer_parts import image, message, text

MARK = "\u30104:0\u2020source\u3011"
OTHER = "\u30104:1\u2020source\u3011"


def cleaned(value, *annotations):
    return without_marks(value, list(annotations), part=0, offset=0)


def cites(mark=MARK, start=None, end=None, **fields):
    return {
        "type": "file_citation",
        "text": mark,
        "start_index": start,
        "end_index": end,
        "file_citation": {"file_id": "f"},
        **fields,
    }


def places(annotations):
    return [(a["start_index"], a["end_index"]) for a in annotations]


@pytest.mark.parametrize(
    "mark",
    [
        MARK,
        "[4:0\u2020source]",
        "\u30104\u2020source\u3011",
        "\u3010 4:0 \u2020 source \u3011",
        "[ 12:3 \u2020 notes.pdf ]",
        "\u30104:0\u2021source\u3011",
        "\u30104:0\u2020\u3011",
        "\u301013:7\u2020L10-L20\u3011",
        "\u30104\uff1a0\u2020source\u3011",
        "\uff3b4:0\u2020source\uff3d",
        "\u30104:0, 4:1\u2020source\u3011",
        "\u30104:0\u2020\u6e90\u6587\u4ef6\u3011",
        "\u3010doc_1\u2020source\u3011",
        "\u3010message_idx:search_idx\u2020source\u3011",
        "\u3010turn0search3\u2020source\u3011",
        "\u3010\u2020source\u3011",
        "\u3010Annual report 2024.pdf\u2020source\u3011",
        "\u3010https://example.org/a?b=c\u2020L1-L3\u3011",
        "\u30104:0:1\u2020source\u3011",
        "\ue200cite\ue202turn0search0\ue202turn0search3\ue201",
        "\ue200filecite\ue202turn0file1\ue202L1-L3\ue201",
        MARK + OTHER,
        MARK + " " + OTHER,
    ],
)
@pytest.mark.parametrize("annotated", [True, False])
def test_known_marks_are_taken_out_with_and_without_an_annotation(mark, annotated):
    found, annotations = cleaned(f"Blue{mark}. Sky", *([cites(mark)] if annotated else []))
    assert found.replace(" . ", ". ") == "Blue. Sky"
    if annotated and mark != MARK + " " + OTHER:
        assert places(annotations) == [(4, 4)]


@pytest.mark.parametrize(
    "kept",
    [
        "\u3010\u6ce8\u610f\u3011\u8bf7\u9605\u8bfb",
        "\u30102024\u5e74\u3011",
        "\u30101\u3011",
        "\u30104:0\u3011",
        "\u3010\u5f20\u4e09\u2020\u3011",
        "\u3010\u5f20\u4e09 \u2020 1999\u3011",
        "\ue200\ue201",
        "citeturn0search0",
        "[1]",
        "[a: b]",
        "[4:0]",
        "[4:0source]",
        "list[4:0]",
        "[4:0\u2020source](https://example.org)",
        "4:0\u2020source",
        "died \u2020 1999",
        "[\u2020]",
    ],
)
def test_what_is_no_mark_stays(kept):
    assert cleaned(f"a {kept} b")[0] == f"a {kept} b"


def test_brackets_with_an_annotation_are_a_mark():
    found, [annotation] = cleaned("Blue\u3010doc1\u3011. \u3010\u6ce8\u610f\u3011", cites("\u3010doc1\u3011"))
    assert (found, annotation["start_index"]) == ("Blue. \u3010\u6ce8\u610f\u3011", 4)


def test_an_annotation_without_a_mark_keeps_exact_positions():
    link = "sandbox:/mnt/data/x.csv"
    value = f"One{MARK}. See {link}."
    start = value.index(link)
    path = {"type": "file_path", "text": link, "start_index": start, "end_index": start + len(link)}
    found, [mark, kept] = cleaned(value, cites(MARK, 3, 3 + len(MARK)), path)
    assert found == f"One. See {link}."
    assert found[kept["start_index"] : kept["end_index"]] == link
    assert (mark["start_index"], mark["end_index"], mark["text"]) == (3, 3, MARK)


def test_unknown_fields_of_an_annotation_stay():
    _, [annotation] = cleaned(f"x{MARK}", cites(confidence=0.5, file_citation={"file_id": "f", "quote": "q"}))
    assert annotation["confidence"] == 0.5
    assert annotation["file_citation"] == {"file_id": "f", "quote": "q"}


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), (0, 5), (-3, 4), ("1", "2"), (10**9, 10**9 + 1), (9, 3), (True, True), (1.5, 2.5), (0, None)],
)
def test_a_position_that_is_none_is_looked_for(start, end):
    found, [annotation] = cleaned(f"The sky is blue{MARK}.", cites(MARK, start, end))
    assert (found, places([annotation])) == ("The sky is blue.", [(15, 15)])


def test_positions_may_count_utf_16_units_or_bytes():
    value = f"\U0001f600\U0001f600 sky{MARK} is x.csv"
    for size, encoding in ((2, "utf-16-le"), (1, "utf-8")):
        at = len(value[: value.index(MARK)].encode(encoding)) // size
        file_at = len(value[: value.index("x.csv")].encode(encoding)) // size
        annotations = [
            cites(MARK, at, at + len(MARK.encode(encoding)) // size),
            {"type": "file_path", "text": "x.csv", "start_index": file_at, "end_index": file_at + 5},
        ]
        found, moved = cleaned(value, *annotations)
        assert found == "\U0001f600\U0001f600 sky is x.csv"
        assert places(moved) == [(6, 6), (10, 15)]


def test_positions_without_a_text_are_moved():
    value = f"See {MARK} here"
    found, [annotation] = cleaned(
        value, {"type": "url_citation", "start_index": len(value) - 4, "end_index": len(value)}
    )
    assert found[annotation["start_index"] : annotation["end_index"]] == "here"
    astral = f"\U0001f600 x{MARK}"
    found, [annotation] = cleaned(astral, {"type": "url_citation", "start_index": 4, "end_index": 4 + len(MARK)})
    assert (found, places([annotation])) == ("\U0001f600 x", [(3, 3)])


def test_equal_marks_have_each_their_own_place():
    value = f"a{MARK} b{MARK} c{MARK}"
    found, annotations = cleaned(value, cites(), cites(), cites(), cites())
    assert found == "a b c"
    assert places(annotations) == [(1, 1), (3, 3), (5, 5), (1, 1)]


def test_of_equal_texts_the_nearest_is_meant():
    value = "x.csv and x.csv and x.csv"
    found, [annotation] = cleaned(value, {"type": "file_path", "text": "x.csv", "start_index": 11, "end_index": 16})
    assert (found, places([annotation])) == (value, [(10, 15)])


def test_a_mark_that_is_spelled_otherwise_in_the_text_is_found():
    found, [annotation] = cleaned("Blue [4:0\u2020source].", cites("\u3010 4:0\u2020source \u3011"))
    assert (found, places([annotation])) == ("Blue .", [(5, 5)])


def test_a_text_that_stands_nowhere_has_no_position():
    _, [annotation] = cleaned("Blue", cites("\u30109:9\u2020source\u3011", 0, 2))
    assert (annotation["start_index"], annotation["end_index"], annotation["part"]) == (None, None, 0)


def test_an_annotated_sentence_loses_the_mark_within():
    value = f"x. The sky{MARK} is blue."
    sentence = value[3:]
    _, [annotation] = cleaned(
        value, {"type": "url_citation", "text": sentence, "start_index": 3, "end_index": len(value)}
    )
    assert annotation["text"] == "The sky is blue."


def test_positions_are_those_in_the_whole_answer_and_name_their_part():
    found = message_of(
        message(
            text(f"One{MARK}.", cites(MARK, 3, 3 + len(MARK))),
            image("file_1"),
            text(f"{OTHER}See x.csv", {"type": "file_path", "text": "x.csv"}, cites(OTHER)),
        )
    )
    assert found.text == "One.\nSee x.csv"
    assert [(a["part"], *place) for a, place in zip(found.annotations, places(found.annotations), strict=True)] == [
        (0, 3, 3),
        (1, 9, 14),
        (1, 5, 5),
    ]


def test_brackets_without_end_take_no_time():
    found, _ = cleaned("[1" * 200_000 + "\u3010" * 200_000 + "[" + " " * 200_000)
    assert len(found) == 800_001


MARKS = [MARK, OTHER, "[4:0\u2020source]", "\u3010 7 \u2020 a b \u3011"]
PIECES = st.lists(
    st.text(alphabet="ab \n\u4e2d\U0001f600[]\u3010\u3011\u20200:", max_size=6)
    | st.sampled_from([*MARKS, "sandbox:/mnt/x.csv", "\u3010\u6ce8\u610f\u3011"]),
    max_size=8,
)
NUMBER = st.none() | st.integers(-2, 60)


@no_deadline
@given(PIECES, PIECES, st.data())
@example([MARK, "a"], [], None)
def test_slices_fit_whatever_the_service_says(first, second, data):
    parts = []
    for pieces in (first, second):
        value = "".join(pieces)
        wanted = (
            [*pieces, "elsewhere"] if data is None else data.draw(st.lists(st.sampled_from([*pieces, "elsewhere"])))
        )
        indices = [(None, None)] * len(wanted) if data is None else [
            (data.draw(NUMBER), data.draw(NUMBER)) for _ in wanted
        ]  # fmt: skip
        parts.append(
            text(
                value,
                *({"text": w, "start_index": s, "end_index": e} for w, (s, e) in zip(wanted, indices, strict=True)),
            )
        )
    found = message_of(message(*parts))
    assert len(found.annotations) == sum(len(p["text"]["annotations"]) for p in parts)
    for annotation in found.annotations:
        start, end = annotation["start_index"], annotation["end_index"]
        if start is None:
            assert end is None
        else:
            assert 0 <= start <= end <= len(found.text)
            assert start == end or not annotation["text"] or found.text[start:end] == annotation["text"]
            assert found.text[:start].count("\n") >= annotation["part"]


@no_deadline
@given(st.lists(st.text(alphabet="ab \n\u4e2d\U0001f600", max_size=6) | st.sampled_from(MARKS), max_size=12))
def test_no_mark_is_left_and_nothing_else_is_lost(pieces):
    found, _ = cleaned("".join(pieces))
    assert found == "".join(piece for piece in pieces if piece not in MARKS)
    assert not re.search("\u2020", found)
