"""The metadata that callers may give to what they create in Foundry."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from contracts.runs import METADATA_INSTANCE, METADATA_OPERATION
from contracts.wire import SDK_MARKERS

MAX_METADATA_PAIRS = 14
"""Foundry takes 16 pairs; two are ours (`METADATA_INSTANCE`, `METADATA_OPERATION`)."""

RESERVED_KEYS = (*SDK_MARKERS, METADATA_INSTANCE, METADATA_OPERATION)
"""Keys that `metadata` cannot have."""

MetadataKey = Annotated[
    str, Meta(min_length=1, max_length=64, extra_json_schema={"not": {"enum": list(RESERVED_KEYS)}})
]

Metadata = Annotated[dict[MetadataKey, Annotated[str, Meta(max_length=512)]], Meta(max_length=MAX_METADATA_PAIRS)]
