"""The identity that the app runs as, and whom it asks for tokens."""

from __future__ import annotations

from typing import Any

import azure.identity
import pytest

from app_identity import app_credential, authority_for
from store.connection import StorageAccount, open_store


@pytest.mark.parametrize(
    ("service", "authority"),
    [
        ("https://ai.azure.com/.default", None),
        ("https://ai.azure.us/.default", "login.microsoftonline.us"),
        ("https://ai.azure.cn/.default", "login.chinacloudapi.cn"),
        ("https://agents.blob.core.windows.net", None),
        ("https://agents.blob.core.usgovcloudapi.net", "login.microsoftonline.us"),
        ("https://agents.blob.core.chinacloudapi.cn/", "login.chinacloudapi.cn"),
        ("https://agents.blob.core.chinacloudapi.cn:443", "login.chinacloudapi.cn"),
        ("https://agents.azure.us.contoso.com/.default", None),
    ],
)
def test_a_sovereign_cloud_has_its_own_authority(
    monkeypatch: pytest.MonkeyPatch, service: str, authority: str | None
) -> None:
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    assert authority_for(service).get("authority") == authority
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "login.example.com")
    assert authority_for(service) == {}


def test_the_storage_is_opened_as_the_apps_identity_in_its_own_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_AUTHORITY_HOST", raising=False)
    made: list[dict[str, Any]] = []

    class Credential:
        def __init__(self, **options: Any) -> None:
            made.append(options)

        def get_token(self, *_: str, **__: Any) -> None:
            raise AssertionError("nothing is asked yet")

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", Credential)
    open_store(StorageAccount(blob_service_uri="https://agents.blob.core.usgovcloudapi.net", client_id="client-1"))
    app_credential("client-1", "https://ai.azure.us/.default")
    assert made[0] == made[1]
    assert (made[0]["authority"], made[0]["managed_identity_client_id"]) == ("login.microsoftonline.us", "client-1")
