"""The durable client binding and the management URLs in it."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientBinding:
    """What a durable client binding is made of."""

    base_url: str
    rpc_url: str
    hub: str
    connection: str
    code: str

    def query(self) -> str:
        """The query string that every management URL carries."""
        return f"taskHub={self.hub}&connection={self.connection}&code={self.code}"


def management_urls(binding: ClientBinding, instance_id: str, *, rewind: bool = True) -> dict[str, str]:
    """The management payload of an instance, in the extension's order."""
    root = f"{binding.base_url}/runtime/webhooks/durabletask/instances/{instance_id}"
    query = binding.query()
    urls = {
        "id": instance_id,
        "statusQueryGetUri": f"{root}?{query}",
        "sendEventPostUri": f"{root}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{root}/terminate?reason={{text}}&{query}",
        "rewindPostUri": f"{root}/rewind?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{root}?{query}",
        "restartPostUri": f"{root}/restart?{query}",
        "suspendPostUri": f"{root}/suspend?reason={{text}}&{query}",
        "resumePostUri": f"{root}/resume?reason={{text}}&{query}",
    }
    if not rewind:  # only the binding knows it, the extension's own answers leave it out [M]
        del urls["rewindPostUri"]
    return urls


def client_binding(binding: ClientBinding) -> str:
    """The JSON text a function with a durable client binding is called with."""
    hook = f"{binding.base_url}/runtime/webhooks/durabletask"
    create = f"{hook}/orchestrators/{{functionName}}[/{{instanceId}}]?code={binding.code}"
    return json.dumps(
        {
            "taskHubName": binding.hub,
            "creationUrls": {
                "createNewInstancePostUri": create,
                "createAndWaitOnNewInstancePostUri": f"{create}&timeout={{timeoutInSeconds}}"
                "&pollingInterval={intervalInSeconds}",
            },
            "managementUrls": management_urls(binding, "INSTANCEID"),
            "baseUrl": hook,
            "requiredQueryStringParameters": f"code={binding.code}",
            "rpcBaseUrl": binding.rpc_url,
            "httpBaseUrl": hook,
        }
    )
