"""The identity that the app runs as, and whom it asks for tokens: a managed identity on Azure, `az login` on a
developer's machine. Foundry and the storage are called by the same one.

`azure.identity` costs more than 100 ms to import, so it is imported when a credential is made.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

PUBLIC_AUTHORITY = "login.microsoftonline.com"
_SOVEREIGN = {
    r"azure\.us|usgovcloudapi\.net": "login.microsoftonline.us",
    r"azure\.cn|chinacloudapi\.cn": "login.chinacloudapi.cn",
}
_CONNECT_SECONDS, _READ_SECONDS = 3, 10
"""The library's own timeouts are minutes, and it tries four times."""


def app_credential(client_id: str | None, service: str) -> DefaultAzureCredential:
    """Return a credential for a service, of which an https:// address or scope is given; `client_id` names a
    user-assigned identity.
    """
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - see the module's docstring

    return DefaultAzureCredential(
        managed_identity_client_id=client_id,
        exclude_interactive_browser_credential=True,
        connection_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        **authority_for(service),
    )


def authority_for(service: str) -> dict[str, str]:
    """Return whom to ask for tokens where the service's address or scope is in a sovereign cloud, and the environment
    does not say it. A managed identity asks the platform in any cloud.
    """
    if os.environ.get("AZURE_AUTHORITY_HOST"):
        return {}
    for names, authority in _SOVEREIGN.items():
        if re.match(rf"https://[\w.-]+\.({names})([:/]|\Z)", service):
            return {"authority": authority}
    return {}
