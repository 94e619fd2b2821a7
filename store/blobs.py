"""The store on Azure blobs: one container, a blob for each document.

`azure.storage.blob` is imported by `store.connection`, when the store is first used: it costs 30 ms beside
`azure.identity`, 250 ms alone. Nothing here retries: whoever asks decides, and an activity is tried again behind a
durable timer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

from store.documents import DocumentName, Found, Listed, StoreError
from timed_http import deadline

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

REQUEST_SECONDS = 10.0
"""For one request, its answer included, however that drips."""

MOST_BYTES = 1_000_000
"""Of a document. A thread with ten thousand waiters has a third of that."""

_NO_CONTAINER = "ContainerNotFound"
_BEING_DELETED = "ContainerBeingDeleted"
_OF_THE_DOCUMENT = frozenset(
    {
        "BlobNotFound",
        "BlobAlreadyExists",
        "ConditionNotMet",
        "TargetConditionNotMet",
        "ContainerAlreadyExists",
        _NO_CONTAINER,
        _BEING_DELETED,
    }
)
"""Codes that say how a document is. With any other one the storage could not be used."""


class BlobDocuments:
    """`DocumentStore` in a container of blobs, below a prefix. Safe to use from several threads."""

    def __init__(self, container: ContainerClient, prefix: str, *, seconds: float = REQUEST_SECONDS) -> None:
        """The container's client must not retry by itself; `prefix` keeps the documents of several apps apart."""
        self._container = container
        self._prefix = prefix
        self._seconds = seconds

    def read(self, name: DocumentName) -> Found | None:
        """Return the document; None where there is none."""
        return self._read(self._blob(name.path))

    def read_listed(self, document: Listed) -> Found | None:
        """Return a document that was listed, as it is now; None where it is gone."""
        return self._read(document.path)

    def _read(self, blob: str) -> Found | None:
        try:
            with self._in_time():
                download = self._container.download_blob(blob, length=MOST_BYTES, offset=0)
                body, etag = download.readall(), download.properties.etag
        except ResourceNotFoundError:
            return None
        try:
            value = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            value = None
        if not isinstance(value, dict):
            message = f"the document {blob} in container {self._container.container_name} is none of this app's"
            raise StoreError(f"{message}: delete it", retryable=False)
        return Found(value, str(etag))

    def write(self, name: DocumentName, value: dict[str, Any], etag: str | None) -> str | None:
        """Replace this version of the document, or create it; None: the race is lost."""
        body = msgspec.json.encode(value)
        if len(body) > MOST_BYTES:
            raise StoreError(f"a document of {len(body):,} bytes is too large", retryable=False)
        try:
            return self._put(name, body, etag)
        except ResourceNotFoundError as error:
            if _code_of(error) != _NO_CONTAINER:
                return None  # the version that was to be replaced is gone
        self._create_container()
        try:
            return self._put(name, body, etag)
        except ResourceNotFoundError:
            return None

    def _put(self, name: DocumentName, body: bytes, etag: str | None) -> str | None:
        condition: dict[str, Any] = (
            {"match_condition": MatchConditions.IfMissing}
            if etag is None
            else {"match_condition": MatchConditions.IfNotModified, "etag": etag}
        )
        try:
            with self._in_time():
                blob = self._container.get_blob_client(self._blob(name.path))
                answer = blob.upload_blob(body, overwrite=etag is not None, **condition)
        except (ResourceExistsError, ResourceModifiedError):
            return None
        return str(answer["etag"])

    def delete(self, name: DocumentName, etag: str) -> bool:
        """Delete this version of the document; say whether that was done."""
        return self._delete(self._blob(name.path), etag)

    def listed(self, kind: str) -> Iterator[Listed]:
        """Yield all documents of a kind, page by page."""
        pages = self._container.list_blobs(name_starts_with=self._blob(f"{kind}/")).by_page()
        while True:
            try:
                with self._in_time():
                    page = next(pages, None)
                    found = [Listed(b.name, _quoted(b.etag), b.last_modified) for b in page or ()]
            except ResourceNotFoundError:
                return
            if page is None:
                return
            yield from found

    def delete_listed(self, document: Listed) -> bool:
        """Delete a document that was listed, as `delete` does."""
        return self._delete(document.path, document.etag)

    def check(self) -> None:
        """Ask the storage for something small; return if it answers."""
        try:
            with self._in_time():
                self._container.get_container_properties()
        except ResourceNotFoundError:
            self._create_container()

    def _delete(self, blob: str, etag: str) -> bool:
        try:
            with self._in_time():
                self._container.delete_blob(blob, etag=etag, match_condition=MatchConditions.IfNotModified)
        except (ResourceNotFoundError, ResourceModifiedError):
            return False
        return True

    def _create_container(self) -> None:
        try:
            with self._in_time():
                self._container.create_container()
        except ResourceExistsError as error:
            if _code_of(error) == _BEING_DELETED:
                raise StoreError("the container is being deleted, which takes a minute") from None

    def _blob(self, path: str) -> str:
        return f"{self._prefix}/{path}"

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Give the requests inside their time, and make of what goes wrong with them what the store's users know."""
        try:
            with deadline(time.monotonic() + self._seconds):
                yield
        except HttpResponseError as error:
            if _code_of(error) in _OF_THE_DOCUMENT:
                raise
            raise _error_of(error, self._container.account_name) from None
        except ClientAuthenticationError as error:
            raise StoreError(f"there is no token for the storage account: {_first_line(error)}") from None
        except (AzureError, TimeoutError, requests.RequestException, TypeError, ValueError) as error:
            # TypeError and ValueError: the library stumbles over a refusal without a message, or an answer without
            # headers, as a gateway in between makes them.
            message = f"the storage account {self._container.account_name} had no answer ({type(error).__name__})"
            raise StoreError(f"{message}: see AzureWebJobsStorage, the network, its firewall") from None


def _error_of(error: HttpResponseError, account: str | None) -> StoreError:
    """Return what a refusal of the storage means. Its text is left out, but for the code: it holds headers."""
    status, code = error.status_code or 0, _code_of(error)
    said = f"the storage account {account} answered {status}" + (f" {code}" if code else "")
    if status in {401, 403}:
        remedy = (
            "the app's identity needs the role 'Storage Blob Data Owner' or 'Storage Blob Data Contributor' on it, and "
            "its firewall must let the app in"
        )
        return StoreError(f"{said}: {remedy}")
    return StoreError(f"{said}: see AzureWebJobsStorage")


def _quoted(etag: str) -> str:
    """Return the version as headers have it: lists leave the quotes out."""
    return etag if etag.startswith('"') else f'"{etag}"'


def _code_of(error: HttpResponseError) -> str | None:
    """Return the storage's code: the library sets it to a member of its enumeration, or to a text."""
    code = getattr(error, "error_code", None)
    return None if code is None else str(getattr(code, "value", code))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
