"""Ids that look like the service's: a prefix and 24 letters and digits."""

import hashlib
import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 24


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


def padded_id(name: str) -> str:
    """Make an agent's id from its name: `slow` becomes `asst_slow00000000000000000000`."""
    return "asst_" + "".join(c for c in name if c in _ALPHABET)[:_LENGTH].ljust(_LENGTH, "0")
