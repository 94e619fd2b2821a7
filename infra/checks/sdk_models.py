"""Property names, kinds and enumerations of resources, read from the models of the management SDKs.

The SDKs come in two makes: older models carry `_attribute_map` (dotted wire names) and `_validation`, newer ones
annotate each `rest_field`. Both become a `Shape`.
"""

from __future__ import annotations

import enum
import functools
import importlib
import inspect
import re
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Property:
    """One property of a model."""

    kind: str
    """`str`, `int`, `bool`, or empty where that says nothing."""
    required: bool = False
    read_only: bool = False
    values: frozenset[str] | None = None
    """The values of an enumeration."""
    model: tuple[str, str] | None = None
    """Module and class of an object, or of each item of a list of them."""
    children: dict[str, Property] | None = None
    """Where an older model hides a level of the wire format in dotted names."""


Shape: TypeAlias = dict[str, Property]


def shape_of(prop: Property) -> Shape | None:
    """Return the properties of an object, or None where anything goes."""
    if prop.children is not None:
        return prop.children
    return None if prop.model is None else model_shape(*prop.model)


@functools.cache
def model_shape(module: str, name: str) -> Shape:
    """Return the properties of a model by their names on the wire."""
    models = importlib.import_module(module)
    model = getattr(models, name)
    return _older(module, models, model) if hasattr(model, "_attribute_map") else _newer(module, models, model)


def _newer(module: str, models: Any, model: type) -> Shape:
    shape: Shape = {}
    for base in reversed(model.__mro__):
        for attribute, annotation in inspect.get_annotations(base).items():
            rest_field = base.__dict__.get(attribute)
            if not hasattr(rest_field, "_rest_name_input"):
                continue
            text = annotation if isinstance(annotation, str) else _spelled(annotation)
            read_only = getattr(rest_field, "_visibility", None) == ["read"]
            wire_name = getattr(rest_field, "_rest_name_input", None) or attribute
            shape[wire_name] = _property(module, models, text, read_only=read_only, required=_required(text))
    return shape


def _older(module: str, models: Any, model: Any) -> Shape:
    shape: Shape = {}
    for attribute, entry in model._attribute_map.items():  # noqa: SLF001 - the SDK has no public way
        rules = model._validation.get(attribute, {})  # noqa: SLF001
        *parents, last = re.split(r"(?<!\\)\.", entry["key"])
        level = shape
        for parent in parents:
            below = level.setdefault(parent, Property(kind="", children={})).children
            level = {} if below is None else below
        level[last.replace("\\.", ".")] = _property(
            module,
            models,
            entry["type"],
            read_only=bool(rules.get("readonly")),
            required=bool(rules.get("required")),
        )
    return shape


def _spelled(annotation: Any) -> str:
    """Return the text of an annotation; Python 3.14 writes `X | None` where those before have `typing.Optional[X]`."""
    return re.sub(r"^(.*) \| None$", r"typing.Optional[\1]", repr(annotation))


def _required(annotation: str) -> bool:
    return "Optional" not in annotation and "NoneType" not in annotation


def _property(module: str, models: Any, annotation: str, *, read_only: bool, required: bool) -> Property:
    simple = {"str": "str", "int": "int", "bool": "bool"}
    kind = re.sub(r"^typing\.Optional\[(.*)\]$", r"\1", annotation).replace("<class '", "").replace("'>", "")
    referred = re.search(r"_models\.(\w+)", annotation) or re.fullmatch(r"\[?\{?(\w+)\}?\]?", annotation)
    target = getattr(models, referred[1], None) if referred else None
    values: frozenset[str] | None = None
    model: tuple[str, str] | None = None
    if isinstance(target, type) and issubclass(target, enum.Enum):
        values = frozenset(str(member.value) for member in target) if "list[" not in annotation else None
    elif isinstance(target, type) and not annotation.startswith("{") and "dict[" not in annotation:
        model = (module, target.__name__)
    return Property(kind=simple.get(kind, ""), required=required, read_only=read_only, values=values, model=model)
