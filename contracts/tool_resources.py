"""Files and indexes for the tools of one run, as far as the service documents them (foundry-api.md, section 1.11).

The resources of MCP servers are not among them: they hold headers, which are secrets and would stay in the history.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from contracts.ids import FileId, VectorStoreId
from contracts.wire import Wire

MAX_FILES = 20

Words = Annotated[str, Meta(min_length=1, max_length=2_000)]


class _Resources(Wire, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of the resources."""


class DataSource(_Resources, frozen=True, kw_only=True):
    """An asset of Azure."""

    uri: Words
    type: Literal["uri_asset", "id_asset"]


class CodeInterpreterResources(_Resources, frozen=True, kw_only=True):
    """Files of the code interpreter: either their ids or data sources."""

    file_ids: Annotated[list[FileId], Meta(max_length=MAX_FILES)] | None = None
    data_sources: Annotated[list[DataSource], Meta(max_length=MAX_FILES)] | None = None


class VectorStoreConfiguration(_Resources, frozen=True, kw_only=True):
    """What a vector store is made of."""

    data_sources: Annotated[list[DataSource], Meta(min_length=1, max_length=MAX_FILES)]


class VectorStoreOfAssets(_Resources, frozen=True, kw_only=True):
    """A vector store that the service makes of assets."""

    name: Words
    configuration: VectorStoreConfiguration


class FileSearchResources(_Resources, frozen=True, kw_only=True):
    """Where the file search looks."""

    vector_store_ids: Annotated[list[VectorStoreId], Meta(max_length=1)] | None = None
    vector_stores: Annotated[list[VectorStoreOfAssets], Meta(max_length=1)] | None = None


class SearchIndex(_Resources, frozen=True, kw_only=True):
    """An index of Azure AI Search."""

    index_connection_id: Words | None = None
    index_name: Words | None = None
    index_asset_id: Words | None = None
    query_type: Literal["simple", "semantic", "vector", "vector_simple_hybrid", "vector_semantic_hybrid"] | None = None
    top_k: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    filter: Words | None = None


class AzureAISearchResources(_Resources, frozen=True, kw_only=True):
    """Where Azure AI Search looks."""

    indexes: Annotated[list[SearchIndex], Meta(max_length=1)] | None = None


class ToolResources(_Resources, frozen=True, kw_only=True):
    """What the tools of the run may use, beside what the agent has."""

    code_interpreter: CodeInterpreterResources | None = None
    file_search: FileSearchResources | None = None
    azure_ai_search: AzureAISearchResources | None = None
