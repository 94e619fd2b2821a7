"""The storage refuses, fails, is slow, or is not there: an error within seconds that says what to do, and no secret."""

from __future__ import annotations

import gc
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from local.blob_storage.endpoint import BlobEndpoint
from store.connection import StorageAccount, document_store, open_store, storage_account
from store.documents import DocumentName, StoreError
from tests.store.azurite import KEY, connection_string

NAME = DocumentName("threads", "thread_1")


@contextmanager
def answering(status: int, body: bytes, *, drip: bool = False, headers: dict[str, str] | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for byte in body if drip else ():
                if ended.wait(0.1):
                    return
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            if not drip:
                self.wfile.write(body)

        do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    ended = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield connection_string(server.server_address[1])
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


def error_of(connection: str) -> StoreError:
    store = open_store(StorageAccount(connection_string=connection))
    with pytest.raises(StoreError) as read:
        store.read(NAME)
    with pytest.raises(StoreError):
        store.write(NAME, {}, None)
    with pytest.raises(StoreError):
        store.delete(NAME, '"0x1"')
    with pytest.raises(StoreError):
        list(store.listed("keys"))
    assert KEY not in str(read.value)
    return read.value


XML = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>no</Message></Error>"


@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    [
        (403, XML % b"AuthorizationFailure", {"x-ms-error-code": "AuthorizationFailure"}, "Storage Blob Data"),
        (403, b"", {}, "firewall"),
        (401, b"<html>gateway</html>", {}, "Storage Blob Data"),
        (404, b"", {"x-ms-error-code": "ResourceNotFound"}, "AzureWebJobsStorage"),
        (500, XML % b"InternalError", {"x-ms-error-code": "InternalError"}, "500"),
        (503, XML % b"ServerBusy", {"x-ms-error-code": "ServerBusy"}, "ServerBusy"),
        (502, b"<html>bad gateway</html>", {}, "502"),
        (429, b"", {}, "429"),
        (409, XML % b"LeaseIdMissing", {"x-ms-error-code": "LeaseIdMissing"}, "LeaseIdMissing"),
        (412, XML % b"LeaseIdMissing", {"x-ms-error-code": "LeaseIdMissing"}, "LeaseIdMissing"),
    ],
)
def test_a_refusal_says_what_to_do(status, body, headers, said):
    with answering(status, body, headers=headers) as connection:
        assert said in error_of(connection).message


def test_nobody_listens():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        error = error_of(connection_string(one.getsockname()[1]))
    assert error.retryable
    assert "had no answer" in error.message


def test_an_answer_that_drips_ends():
    with answering(200, b"x" * 10_000, drip=True) as connection:
        store = open_store(StorageAccount(connection_string=connection), seconds=0.5)
        with pytest.raises(StoreError, match="no answer"):
            store.read(NAME)
        with warnings.catch_warnings():  # the connection that was given up is closed when it is collected
            warnings.simplefilter("ignore", ResourceWarning)
            del store
            gc.collect()


def test_a_request_with_a_wrong_key_is_refused():
    with BlobEndpoint() as endpoint:
        right = endpoint.connection_string
        key = right.split("AccountKey=")[1].split(";")[0]
        with pytest.raises(StoreError, match="403"):
            open_store(StorageAccount(connection_string=right.replace(key, KEY))).read(NAME)
        answer = requests.get(f"http://127.0.0.1:{endpoint.port}/localaccount/agent-runs?restype=container", timeout=5)
        assert answer.status_code == 403
        assert open_store(StorageAccount(connection_string=right)).read(NAME) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}, ("UseDevelopmentStorage=true", None, None)),
        ({"AzureWebJobsStorage__accountName": "acct1"}, (None, "https://acct1.blob.core.windows.net", None)),
        (
            {"AzureWebJobsStorage__blobServiceUri": "https://a.blob.core.usgovcloudapi.net/"},
            (None, "https://a.blob.core.usgovcloudapi.net", None),
        ),
        (
            {"AzureWebJobsStorage__accountName": "acct1", "AzureWebJobsStorage__clientId": "1-2"},
            (None, "https://acct1.blob.core.windows.net", "1-2"),
        ),
        ({"AzureWebJobsStorage:accountName": "acct1"}, (None, "https://acct1.blob.core.windows.net", None)),
    ],
)
def test_the_account_is_the_hosts(environment, expected):
    found = storage_account(environment)
    assert (found.connection_string, found.blob_service_uri, found.client_id) == expected


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AzureWebJobsStorage": ""},
        {"AzureWebJobsStorage__accountName": "Nö/x"},
        {"AzureWebJobsStorage__blobServiceUri": "http://plain.example"},
        {"AzureWebJobsStorage__blobServiceUri": "https://user@host/"},
    ],
)
def test_no_account_is_an_error_that_names_the_setting(environment):
    with pytest.raises(StoreError, match="AzureWebJobsStorage") as error:
        storage_account(environment)
    assert not error.value.retryable


def test_what_is_no_connection_string_is_told_without_it():
    with pytest.raises(StoreError, match="AzureWebJobsStorage") as error:
        open_store(storage_account({"AzureWebJobsStorage": f"AccountKey={KEY}"}))
    assert KEY not in str(error.value)


def test_the_short_form_of_azurite_is_known():
    store = open_store(StorageAccount(connection_string="UseDevelopmentStorage=true"))
    assert store._container.url == "http://127.0.0.1:10000/devstoreaccount1/agent-runs"


def test_a_worker_has_one_store_for_as_long_as_the_settings_are_the_same():
    one = {"AzureWebJobsStorage": connection_string(10_001), "TASKHUB_NAME": "One-Hub"}
    assert document_store(one) is document_store(dict(one))
    assert document_store(one) is not document_store({**one, "TASKHUB_NAME": "other"})
