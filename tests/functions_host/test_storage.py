"""The storage account of the app on the local host."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.functions_host.storage import blobs_file, storage_account
from store.connection import open_store
from store.connection import storage_account as account_of
from store.documents import DocumentName

NAME = DocumentName("threads", "thread_1")
REAL = "DefaultEndpointsProtocol=https;AccountName=real;AccountKey=a2V5;EndpointSuffix=core.windows.net"
STALE = "DefaultEndpointsProtocol=http;AccountName=localaccount;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:9/x;"


@pytest.mark.parametrize("given", [None, "", "UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;", STALE])
def test_the_app_has_an_account_that_answers(given):
    environ = {} if given is None else {"AzureWebJobsStorage": given}
    with storage_account(":memory:", environ) as endpoint:
        assert endpoint is not None
        store = open_store(account_of(environ))
        assert store.write(NAME, {"n": 1}, None)
    assert environ["AzureWebJobsStorage"] == (given or "")


@pytest.mark.parametrize("environ", [{"AzureWebJobsStorage": REAL}, {"AzureWebJobsStorage__accountName": "real"}])
def test_a_real_account_is_left_to_the_app(environ):
    before = dict(environ)
    with storage_account(":memory:", environ) as endpoint:
        assert endpoint is None
        assert environ == before


def test_documents_are_kept_beside_the_state(tmp_path: Path):
    state = str(tmp_path / ".local" / "state.db")
    for expected in (None, {"n": 1}):
        environ: dict[str, str] = {}
        with storage_account(state, environ):
            store = open_store(account_of(environ))
            found = store.read(NAME)
            assert (found.value if found else None) == expected
            if found is None:
                store.write(NAME, {"n": 1}, None)
    assert blobs_file(state) == tmp_path / ".local" / "state.blobs.db"
    assert (tmp_path / ".local" / "state.blobs.db").exists()
