"""The converters that the Python worker would use between a function's values and the wire."""

from __future__ import annotations

from typing import Any

from azure.functions import meta


def converter(binding: str) -> Any:
    """Return the SDK's converter for a binding type."""
    return meta.get_binding_registry().get(binding)  # type: ignore[no-untyped-call]
