"""Colour on a terminal; none elsewhere, and none where `NO_COLOR` is set (no-color.org)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import TextIO


class Colour(IntEnum):
    """What a text is about, as the number that terminals know its colour by."""

    BAD = 31
    GOOD = 32
    WORTH_SEEING = 36
    ASIDE = 90


def wants_colour(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether to write colours to a stream. `FORCE_COLOR` asks for them without a terminal."""
    if environment.get("NO_COLOR"):
        return False
    return bool(environment.get("FORCE_COLOR")) or (stream.isatty() and environment.get("TERM") != "dumb")


def painted(text: str, colour: Colour, stream: TextIO | None = None) -> str:
    """Return the text in a colour, if what it is written to (standard output by default) shows colours."""
    return f"\x1b[{colour.value}m{text}\x1b[0m" if wants_colour(stream or sys.stdout) else text
