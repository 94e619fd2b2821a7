"""The app's storage account: a real one where the settings name it, else one on a loopback port, beside the state."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from local.blob_storage.endpoint import ACCOUNT, BlobEndpoint

SETTING = "AzureWebJobsStorage"
MEMORY = ":memory:"


@contextmanager
def storage_account(database: str, environ: MutableMapping[str, str]) -> Iterator[BlobEndpoint | None]:
    """Let the environment name a storage account that answers; yields the endpoint where it is our own.

    `UseDevelopmentStorage=true` means Azurite for `func`, and ours here. A process that took over from another one
    finds that one's, which is gone.
    """
    given = environ.get(SETTING, "").strip()
    ours = not given or given.lower().rstrip(";") == "usedevelopmentstorage=true" or f"AccountName={ACCOUNT};" in given
    if not ours or (not given and any(name.startswith(f"{SETTING}__") for name in environ)):
        yield None
        return
    with BlobEndpoint(blobs_file(database)) as endpoint:
        environ[SETTING] = endpoint.connection_string
        try:
            yield endpoint
        finally:
            environ[SETTING] = given


def blobs_file(database: str) -> Path | None:
    """Return the file beside the host's state: `state.blobs.db` for `state.db`."""
    if database == MEMORY:
        return None
    state = Path(database)
    return state.with_name(f"{state.stem}.blobs{state.suffix}")
