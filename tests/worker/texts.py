"""Bytes as text, as they travel between the processes: nothing is lost."""

from __future__ import annotations


def as_text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
