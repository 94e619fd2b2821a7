"""Ids that look like the service's: a prefix and 24 letters and digits."""

import hashlib
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 24
_FILE = "assistant"
_FILE_ID_LENGTH = 32


def new_id(prefix: str) -> str:
    """Make a fresh id, such as `thread_x9...`."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def derived_id(prefix: str, *parts: object) -> str:
    """Make the id that belongs to these parts: what a run writes has the same id whenever one looks."""
    number = int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest())
    letters = []
    for _ in range(_LENGTH):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return f"{prefix}_" + "".join(letters)


def new_file_id() -> str:
    """Make a fresh id of a file, such as `assistant-x9...`."""
    return new_id(_FILE).replace("_", "-", 1)[:_FILE_ID_LENGTH]


def padded_file_id(filename: str) -> str:
    """Make a file's id from its name: `chart.png` becomes `assistant-chartpng00000000000000`."""
    return _padded(f"{_FILE}-", filename)[:_FILE_ID_LENGTH]


def padded_id(name: str) -> str:
    """Make an agent's id from its name: `slow` becomes `asst_slow00000000000000000000`."""
    return _padded("asst_", name)


def _padded(prefix: str, name: str) -> str:
    return prefix + "".join(c for c in name if c in _ALPHABET)[:_LENGTH].ljust(_LENGTH, "0")
