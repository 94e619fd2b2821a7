"""Takes citation marks out of a text, and moves the annotations along (foundry-api.md, section 1.4). Pure.

Marks such as `【4:0†source】` mean nothing to a reader. The service sends them with and without an annotation, and the
positions that it gives may be absent, wrong, or count UTF-16 units: so a place is believed only if the annotation's own
text stands there, and is looked for otherwise.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

_DAGGER = r"\s{0,4}[\u2020\u2021]"
_NUMBER = r"\s{0,4}\d{1,6}(?:\s{0,4}[:\uff1a]\s{0,4}\d{1,6}){0,2}\s{0,4}"
_NUMBERS = rf"{_NUMBER}(?:[,;\u3001]{_NUMBER}){{0,16}}{_DAGGER}"
_NAMES = rf"\s{{0,4}}[A-Za-z0-9_.-]{{1,40}}(?::[A-Za-z0-9_.-]{{1,40}})?{_DAGGER}(?!\s*\u3011)"
_ANYTHING = rf"[^\u3010\u3011\n\u2020\u2021]{{1,200}}{_DAGGER}\s{{0,4}}(?:source|L\d)"
_MARK = re.compile(
    rf"\u3010(?:{_NUMBERS}|{_NAMES}|{_ANYTHING}|{_DAGGER}\s{{0,4}}source)[^\u3010\u3011\n]{{0,200}}\u3011"
    rf"|[\[\uff3b]{_NUMBERS}[^\[\]\uff3b\uff3d\n]{{0,200}}[\]\uff3d](?!\()"
    r"|\ue200[a-z_]{1,40}\ue202[^\ue200\ue201\n]{1,400}\ue201"
)
"""Always with a dagger: ordinary brackets of a Chinese text, `[1]`, `[a: b]` and links are none. The last kind is that
of newer models: private characters around `cite` or `filecite` and references, which no font shows.
"""

_BRACKETED = re.compile(r"\u3010[^\u3010\u3011]{1,200}\u3011")
"""With an annotation any such brackets are a mark."""

_UNITS = (("utf-16-le", 2), ("utf-8", 1))
"""Of positions that do not count characters, with the bytes of a unit."""

Span = tuple[int, int]


def without_marks(
    text: str, annotations: list[dict[str, Any]], *, part: int, offset: int
) -> tuple[str, list[dict[str, Any]]]:
    """Return the text without marks, and the annotations as they fit the whole answer, in which the text begins at
    `offset` and is the text part number `part`.

    `start_index` and `end_index` then enclose the annotation's text, or are equal where its mark stood, or are null
    where it stands nowhere.
    """
    places = _Places(text)
    spans = [places.of(annotation) for annotation in annotations]
    cuts = _joined([*places.marks, *(span for span in spans if span and _BRACKETED.fullmatch(text[slice(*span)]))])
    kept = _Kept(text, cuts)
    return kept.text, [
        _moved(annotation, span and (kept.position(span[0]), kept.position(span[1])), kept.text, part, offset)
        for annotation, span in zip(annotations, spans, strict=True)
    ]


def _moved(annotation: dict[str, Any], span: Span | None, text: str, part: int, offset: int) -> dict[str, Any]:
    """Return the annotation at its new place. Its own text changes where a mark stood within."""
    moved = {**annotation, "part": part, "start_index": None, "end_index": None}
    if span is not None:
        moved |= {"start_index": offset + span[0], "end_index": offset + span[1]}
        if span[0] < span[1] and isinstance(annotation.get("text"), str):
            moved["text"] = text[slice(*span)]
    return moved


class _Places:
    """Finds what annotations refer to in a text, each place once as long as there are others."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.marks: list[Span] = [found.span() for found in _MARK.finditer(text)]
        self._taken: set[Span] = set()
        self._found: dict[str, list[Span]] = {}

    def of(self, annotation: dict[str, Any]) -> Span | None:
        """Return the place; None where there is none."""
        stated = _stated(annotation)
        wanted = annotation.get("text")
        if isinstance(wanted, str) and wanted:
            place = next((s for s in self._readings(stated) if self._text[slice(*s)] == wanted), None)
            place = place or self._nearest(wanted, stated)
        else:
            readings = list(self._readings(stated))
            place = next((s for s in readings if s in self.marks), readings[0] if readings else None)
        if place:
            self._taken.add(place)
        return place

    def _readings(self, stated: Span | None) -> Iterator[Span]:
        """Yield what the stated positions may mean: characters, or units of an encoding."""
        if stated is None:
            return
        start, end = stated
        if end <= len(self._text):
            yield stated
        if not self._text.isascii():
            for encoding, size in _UNITS:
                encoded = self._text.encode(encoding)
                if end * size <= len(encoded):
                    before, within = encoded[: start * size], encoded[start * size : end * size]
                    first = len(before.decode(encoding, "ignore"))
                    yield first, first + len(within.decode(encoding, "ignore"))

    def _nearest(self, wanted: str, stated: Span | None) -> Span | None:
        """Return the place of this text that is nearest to the stated one, or else the first; one that no annotation
        has yet, if there is one.
        """
        places = self._found.get(wanted)
        if places is None:
            places = self._found[wanted] = self._all(wanted)
        free = [place for place in places if place not in self._taken] or places
        return min(free, key=lambda place: abs(place[0] - stated[0]) if stated else place[0], default=None)

    def _all(self, wanted: str) -> list[Span]:
        """Return where the text stands; of a mark also where it is spelled otherwise."""
        places, at = [], self._text.find(wanted)
        while at >= 0:
            places.append((at, at + len(wanted)))
            at = self._text.find(wanted, at + len(wanted))
        if not places and _MARK.fullmatch(wanted):
            plain = _plain(wanted)
            places = [span for span in self.marks if _plain(self._text[slice(*span)]) == plain]
        return places


def _stated(annotation: dict[str, Any]) -> Span | None:
    """Return the positions that the service gives, where they are some."""
    match annotation:
        case {"start_index": int(start), "end_index": int(end)} if 0 <= start <= end:
            return int(start), int(end)
        case _:
            return None


def _plain(mark: str) -> str:
    """Return what all spellings of a mark have in common."""
    return "".join(mark[1:-1].replace("\uff1a", ":").replace("\u2021", "\u2020").split())


def _joined(spans: list[Span]) -> list[Span]:
    """Return the spans in order, those that overlap as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


class _Kept:
    """What is left of a text, and where its characters are now."""

    def __init__(self, text: str, cuts: list[Span]) -> None:
        self._cuts = cuts
        self._starts = [start for start, _ in cuts]
        self._gone = [0]
        pieces, at = [], 0
        for start, end in cuts:
            pieces.append(text[at:start])
            self._gone.append(self._gone[-1] + end - start)
            at = end
        self.text = "".join([*pieces, text[at:]])

    def position(self, old: int) -> int:
        """Return the new position; within a cut, where that was."""
        cuts_before = bisect_right(self._starts, old)
        if cuts_before and old < self._cuts[cuts_before - 1][1]:
            return self._starts[cuts_before - 1] - self._gone[cuts_before - 1]
        return old - self._gone[cuts_before]
