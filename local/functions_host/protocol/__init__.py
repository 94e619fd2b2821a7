"""The wire format between host and Durable SDK 1.x; no other package knows it.

History events go to the SDK and into the store as JSON in the extension's spelling; the SDK answers with a list of
actions. Both are plain dataclasses in the rest of the host. Facts and numbers: `durable-protocol.md`, "What the
SDK is given and gives back"; ground truth: `tests/recordings/episodes.json`.
"""

from local.functions_host.protocol.actions import (
    ERROR_LABEL,
    Action,
    Answer,
    CallActivity,
    CallSubOrchestrator,
    ContinueAsNew,
    CreateTimer,
    ProtocolError,
    RetryPolicy,
    Unsupported,
    WaitForEvent,
    WhenAll,
    WhenAny,
    parse_answer,
    parse_failure,
    unsupported_actions,
)
from local.functions_host.protocol.client import (
    ClientBinding,
    client_binding,
    management_urls,
)
from local.functions_host.protocol.events import (
    COMPLETIONS,
    NAMES,
    REWOUND,
    SCHEDULED,
    Event,
    Kind,
    Parent,
    episode_context,
    event_from_text,
    event_from_wire,
    event_to_text,
    event_to_wire,
)
from local.functions_host.protocol.values import (
    DEAD_WORKER,
    checked,
    dumps,
    failure_details,
    normalise,
    normalise_text,
    worker_failure,
)

__all__ = [
    "COMPLETIONS",
    "DEAD_WORKER",
    "ERROR_LABEL",
    "NAMES",
    "REWOUND",
    "SCHEDULED",
    "Action",
    "Answer",
    "CallActivity",
    "CallSubOrchestrator",
    "ClientBinding",
    "ContinueAsNew",
    "CreateTimer",
    "Event",
    "Kind",
    "Parent",
    "ProtocolError",
    "RetryPolicy",
    "Unsupported",
    "WaitForEvent",
    "WhenAll",
    "WhenAny",
    "checked",
    "client_binding",
    "dumps",
    "episode_context",
    "event_from_text",
    "event_from_wire",
    "event_to_text",
    "event_to_wire",
    "failure_details",
    "management_urls",
    "normalise",
    "normalise_text",
    "parse_answer",
    "parse_failure",
    "unsupported_actions",
    "worker_failure",
]
