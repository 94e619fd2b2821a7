"""Which storage account holds the documents: the host's own, as `AzureWebJobsStorage` names it.

As the host reads it: a connection string, `UseDevelopmentStorage=true` among them, or an identity-based connection,
`AzureWebJobsStorage__accountName` or `__blobServiceUri`, with `__clientId` for a user-assigned identity.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app_identity import app_credential
from store.documents import DocumentStore, StoreError
from timed_http import OneHostSession, TimedAdapter

if TYPE_CHECKING:
    from store.blobs import BlobDocuments

SETTING = "AzureWebJobsStorage"
CONTAINER = "agent-runs"
_HUB = "TASKHUB_NAME"
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 8.0
_MOST_CONNECTIONS = 32


@dataclass(frozen=True)
class StorageAccount:
    """How the storage account is reached: by a connection string, or by its URI as the app's identity."""

    connection_string: str | None = None
    blob_service_uri: str | None = None
    client_id: str | None = None
    hub: str = "default"
    """The task hub: instances of another one are not known, so its documents are kept apart."""

    def __repr__(self) -> str:
        return f"StorageAccount(hub={self.hub!r}, ...)"


def storage_account(environment: Mapping[str, str]) -> StorageAccount:
    """Return what the environment says; raise `StoreError` where it names no account. Names are taken in any case, as
    the host does, with `:` and with `__`.
    """
    given = {name.lower().replace(":", "__"): value.strip() for name, value in environment.items()}
    prefix = SETTING.lower()
    hub = re.sub(r"[^a-z0-9]", "", given.get(_HUB.lower(), "").lower()) or "default"
    if whole := given.get(prefix) or given.get(f"connectionstrings__{prefix}"):
        return StorageAccount(connection_string=whole, hub=hub)
    uri, account = given.get(f"{prefix}__blobserviceuri"), given.get(f"{prefix}__accountname")
    if not uri and account and re.fullmatch(r"[a-z0-9]{3,24}", account):
        uri = f"https://{account}.blob.core.windows.net"
    if not uri:
        message = f"{SETTING} names no storage account: set it to a connection string, or {SETTING}__accountName"
        raise StoreError(message, retryable=False)
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[a-z0-9]{3,24})?/?", uri):
        raise StoreError(f"{SETTING}__blobServiceUri is no https:// URI of a blob service", retryable=False)
    client_id = given.get(f"{prefix}__clientid") or None
    return StorageAccount(blob_service_uri=uri.rstrip("/"), client_id=client_id, hub=hub)


_opening = threading.Lock()
_opened: tuple[StorageAccount, BlobDocuments] | None = None


def document_store(environment: Mapping[str, str] | None = None) -> DocumentStore:
    """Return the one store of the worker process, kept for as long as the settings are the same."""
    global _opened  # noqa: PLW0603 - the one place
    account = storage_account(os.environ if environment is None else environment)
    with _opening:
        if _opened is None or _opened[0] != account:
            _opened = account, open_store(account)
        return _opened[1]


def open_store(account: StorageAccount, seconds: float | None = None) -> BlobDocuments:
    """Return a store with connections of its own; raise `StoreError` where the settings are no connection. `seconds`
    are for one request.
    """
    from azure.core.pipeline.transport import RequestsTransport  # noqa: PLC0415 - see `store.blobs`
    from azure.storage.blob import BlobServiceClient  # noqa: PLC0415

    from store.blobs import REQUEST_SECONDS, BlobDocuments  # noqa: PLC0415

    logging.getLogger("azure.core").setLevel(logging.WARNING)  # at INFO it logs every request with its URL
    session = OneHostSession(TimedAdapter(pool_connections=1, pool_maxsize=_MOST_CONNECTIONS, max_retries=0))
    options: dict[str, Any] = {
        "transport": RequestsTransport(session=session, session_owner=False),
        "retry_total": 0,
        "connection_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
    }
    try:
        if account.connection_string is not None:
            service = BlobServiceClient.from_connection_string(account.connection_string, **options)
        else:
            assert account.blob_service_uri is not None
            identity = app_credential(account.client_id, account.blob_service_uri)
            service = BlobServiceClient(account.blob_service_uri, credential=identity, **options)
    except ValueError as error:
        # The library's texts name what is missing, never a value.
        raise StoreError(f"{SETTING} is no connection string of a storage account: {error}", retryable=False) from None
    container = service.get_container_client(CONTAINER)
    return BlobDocuments(container, account.hub, seconds=seconds or REQUEST_SECONDS)
