"""Reads the body of an answer in pieces: so much and no more, whatever it inflates to."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

MOST_BYTES = 48_000_000
"""After inflation. A run that waits shows all of its calls at once: two hundred of a hundred kilobytes are 20 MB."""

PIECE_BYTES = 65_536
_ANY_ZLIB_HEADER = 32 + zlib.MAX_WBITS
_INFLATED = {"gzip": _ANY_ZLIB_HEADER, "x-gzip": _ANY_ZLIB_HEADER, "deflate": _ANY_ZLIB_HEADER}


class BodyTooLargeError(Exception):
    """The body has more than `MOST_BYTES`."""


class GarbledBodyError(Exception):
    """The body is not what its headers say."""


def read_body(pieces: Iterable[bytes], encoding: str | None, most: int = MOST_BYTES) -> bytes:
    """Return the body of these pieces as they came over the wire, inflated if need be."""
    found: list[bytes] = []
    size = 0
    for piece in _inflated(pieces, (encoding or "identity").strip().lower()):
        size += len(piece)
        if size > most:
            raise BodyTooLargeError
        found.append(piece)
    return b"".join(found)


def _inflated(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in ("", "identity"):
        yield from pieces
        return
    if encoding not in _INFLATED:
        raise GarbledBodyError
    inflater = zlib.decompressobj(_INFLATED[encoding])
    try:
        for piece in pieces:
            rest = piece
            while rest:
                yield inflater.decompress(rest, PIECE_BYTES)
                rest = inflater.unconsumed_tail
    except zlib.error:
        raise GarbledBodyError from None
    if not inflater.eof:
        raise GarbledBodyError
