"""Text of others, made fit for a terminal. Pure.

An answer of a model, a tool's arguments or an error may hold escape sequences, which rename windows, hide lines or
type for the user, and marks of direction, which show a text as another one. They are written as JSON writes them
(`\\u001b`), so that JSON stays JSON.
"""

from __future__ import annotations

import json
import re

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but tab and line feed
    "\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # directions, and what is not seen
    "\U000e0000-\U000e007f\ud800-\udfff]"  # tags, and halves of surrogate pairs
)


def harmless(text: str) -> str:
    """Return the text with every character that a terminal obeys, or does not show, in its written form."""
    return _HARMFUL.sub(lambda found: json.dumps(found[0])[1:-1], text.replace("\r\n", "\n"))


def one_line(text: str, width: int = 200) -> str:
    """Return the text as one harmless line of at most so many characters."""
    line = harmless(" ".join(text[: 10 * width].split()))
    return line if len(line) <= width else line[: width - 4] + " ..."
