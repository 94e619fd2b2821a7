"""Microsoft's own protobuf classes of the protocol between host and worker, for the runtime to work with.

They are built from the description that the wheel of azure-functions-worker 1.1.9 carries. That is of 2020; the
messages and fields that the protocol has got since, and the runtime uses, are in ``ADDED``.
"""

from __future__ import annotations

import ast
import functools
from importlib.metadata import distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,  # noqa: F401 - puts what the messages refer to into the pool
    message_factory,
    timestamp_pb2,
)

PACKAGE = "AzureFunctionsRpcMessages"
# In the order in which they need each other.
MODULES = ("shared/NullableTypes_pb2.py", "identity/ClaimsIdentityRpc_pb2.py", "FunctionRpc_pb2.py")

# Message -> fields: name, number, type. `*` marks a list, `{}` a map of text to text.
ADDED = {
    "WorkerInitRequest": (("worker_directory", 4, "string"), ("function_app_directory", 5, "string")),
    "WorkerMetadata": (
        ("runtime_name", 1, "string"),
        ("runtime_version", 2, "string"),
        ("worker_version", 3, "string"),
        ("worker_bitness", 4, "string"),
        ("custom_properties", 5, "{}"),
    ),
    "WorkerInitResponse": (("worker_metadata", 4, "WorkerMetadata"),),
    "RpcRetryOptions": (
        ("max_retry_count", 2, "int32"),
        ("delay_interval", 3, ".google.protobuf.Duration"),
        ("minimum_interval", 4, ".google.protobuf.Duration"),
        ("maximum_interval", 5, ".google.protobuf.Duration"),
        ("retry_strategy", 6, "int32"),
    ),
    "RpcFunctionMetadata": (
        ("status", 8, "StatusResult"),
        ("language", 9, "string"),
        ("raw_bindings", 10, "string*"),
        ("function_id", 13, "string"),
        ("managed_dependency_enabled", 14, "bool"),
        ("retry_options", 15, "RpcRetryOptions"),
        ("properties", 16, "{}"),
    ),
    "FunctionMetadataResponse": (
        ("function_metadata_results", 1, "RpcFunctionMetadata*"),
        ("result", 2, "StatusResult"),
        ("use_default_metadata_indexing", 3, "bool"),
    ),
    "RetryContext": (
        ("retry_count", 1, "int32"),
        ("max_retry_count", 2, "int32"),
        ("exception", 3, "RpcException"),
    ),
    "InvocationRequest": (("retry_context", 6, "RetryContext"),),
}


@functools.cache
def messages() -> SimpleNamespace:
    """Return the classes by their names, as the runtime expects its module of them."""
    pool = descriptor_pool.Default()
    found: dict[str, Any] = {"Timestamp": timestamp_pb2.Timestamp}
    for file in _files():
        pool.AddSerializedFile(file.SerializeToString())
        for name, descriptor in pool.FindFileByName(file.name).message_types_by_name.items():
            found[name] = message_factory.GetMessageClass(descriptor)
    return SimpleNamespace(**found)


def _files() -> list[descriptor_pb2.FileDescriptorProto]:
    root = Path(str(distribution("azure-functions-worker").locate_file("azure_functions_worker/protos")))
    files = [descriptor_pb2.FileDescriptorProto.FromString(_serialized(root / module)) for module in MODULES]
    _extend(files[-1])
    return files


def _serialized(module: Path) -> bytes:
    """Return the description in a generated module, without importing it: it was made for a protobuf of 2020."""
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "serialized_pb":
            return bytes(ast.literal_eval(node.value))
    raise ValueError(f"{module} describes no messages")


def _extend(file: descriptor_pb2.FileDescriptorProto) -> None:
    known = {message.name: message for message in file.message_type}
    known["ParameterBinding"].oneof_decl.add(name="rpc_data")
    next(f for f in known["ParameterBinding"].field if f.name == "data").oneof_index = 0
    for name, fields in ADDED.items():
        message = known.get(name) or file.message_type.add(name=name)
        for field, number, kind in fields:
            _add_field(message, field, number, kind)


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number, label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL)
    if kind.endswith(("*", "{}")):
        field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
    if kind == "{}":
        entry = message.nested_type.add(name="".join(w.capitalize() for w in name.split("_")) + "Entry")
        entry.options.map_entry = True
        for number_of, part in enumerate(("key", "value"), 1):
            _add_field(entry, part, number_of, "string")
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
        return
    kind = kind.removesuffix("*")
    scalar = {"string": "TYPE_STRING", "bool": "TYPE_BOOL", "int32": "TYPE_INT32"}.get(kind)
    field.type = getattr(descriptor_pb2.FieldDescriptorProto, scalar or "TYPE_MESSAGE")
    if scalar is None:
        field.type_name = kind if kind.startswith(".") else f".{PACKAGE}.{kind}"
