"""The converters that the Python worker would use between a function's values and the wire."""

from __future__ import annotations

from typing import Any

from azure.functions import meta


def converter(binding: str) -> Any:
    """Return the SDK's converter for a binding type, None where the SDK has none."""
    return meta.get_binding_registry().get(binding)  # type: ignore[no-untyped-call]


def takes(binding: str, python_type: Any, *, output: bool) -> bool:
    """Whether values of a type are taken; raises what the converter raises for something that is no class."""
    found = converter(binding)
    if found is None:  # then the worker passes text and bytes through
        return issubclass(python_type, (str, bytes, bytearray) if output else (str, bytes))
    check = found.check_output_type_annotation if output else found.check_input_type_annotation
    return bool(check(python_type))


def has_implicit_output(binding: str) -> bool:
    """Whether a function's result goes to this binding although nothing says so."""
    found = converter(binding)
    if found is None:
        return binding != "durableClient"
    implicit = getattr(found, "has_implicit_output", None)
    return implicit is not None and bool(implicit())
