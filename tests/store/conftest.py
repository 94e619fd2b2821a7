"""The stores that every test of the contract is run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.blob_storage.endpoint import BlobEndpoint
from store.blobs import BlobDocuments
from store.connection import StorageAccount, open_store
from tests.store.azurite import azurite


@pytest.fixture(scope="module", params=["the local endpoint", "Azurite"])
def connection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of an empty account."""
    if request.param == "Azurite":
        with azurite(tmp_path_factory.mktemp("azurite")) as found:
            yield found
    else:
        with BlobEndpoint() as endpoint:
            yield endpoint.connection_string


@pytest.fixture
def store(connection: str, request: pytest.FixtureRequest) -> BlobDocuments:
    """A store of the test's own, in an account that it shares."""
    return open_store(
        StorageAccount(connection_string=connection, hub=request.node.name.split("[")[0].replace("_", ""))
    )
