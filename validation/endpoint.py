"""What was given instead of a project's endpoint, by name. Pure; the value itself is never shown."""

from __future__ import annotations

import re

_HUB = (
    "is a connection string of a hub-based project (host;subscription;group;project), which is no URL: a Foundry "
    "project has an endpoint of its own"
)
_MODELS = (
    r"(https?://)?[^/?#]*(\.openai\.azure\.\w+|\.cognitiveservices\.azure\.\w+|\.api\.cognitive\.microsoft\.com"
    r"|\.(inference|models)\.ai\.azure\.com)([/?#:].*)?"
)
_PORTAL = r"(https?://)?((www\.)?ai\.azure\.\w+|(portal|oai)\.azure\.\w+)([/?#:].*)?"
_BEHIND = r"[^?#]*/projects/[^/?#]+/+"
_QUOTES = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"

_SOMETHING_ELSE = (
    (r".*;.*|[^/]*(//[^/]*)?\bapi\.azureml\.ms.*", _HUB),
    (r"@Microsoft\.KeyVault\(.*", "is a Key Vault reference that the platform could not resolve"),
    (r"/?subscriptions/.*|/?providers/.*", "is a resource id, which is no URL"),
    (r"(export )?\w+ ?=.*", "has the name of the setting in front of its value"),
    (_MODELS, "is an endpoint of models (Azure OpenAI, Cognitive Services), which knows no agents"),
)
"""What is something else altogether: no more is to be said of it."""

_GIVEN = (
    (r".*[<>{}].*", "still has a placeholder"),
    (r".*\s.*", "has a blank in it"),
    (r"[^?#]*//[^/?#]*@.*", "has a user name or a password in it"),
    (_PORTAL, "is a URL of the portal: the project's overview there shows its endpoint"),
    (r"(?!\w+://)[^/?#]*[./].*", "has no https:// in front"),
    (r"[^?#]*\?.*", "has a query behind it"),
    (r"[^#]*#.*", "has a fragment (#) behind it"),
    (
        r"\w+://[^/?#]+(/(api(/projects?)?|models|openai(/[^?#]*)?)?)?/*([?#].*)?",
        "is that of the account: /api/projects/<project> is missing",
    ),
    (r"\w+://[^/?#]+(?!(?-i:/api/projects/))/api/projects/.+", "has capital letters in /api/projects/"),
    (r"\w+://[^/?#]+/api/project/.+", "has /api/project/ in it, which is /api/projects/"),
    (_BEHIND + "openai.*", "has the path of an API, /openai/v1, behind the project"),
    (_BEHIND + "(?!openai)[^/?#].*", "has the path of an API, such as /agents or /threads, behind the project"),
)


def what_is_given(value: str) -> str:
    """Say what a value is that is no project's endpoint, by all the names that fit."""
    bare = value.strip(_QUOTES)
    quoted = ["has quotes around it, which count as part of it"] if bare != value else []
    found = _told(_SOMETHING_ELSE, bare)[:1] or _told(_GIVEN, bare)
    return "; ".join(quoted + found) or "is not a project's endpoint"


def _told(table: tuple[tuple[str, str], ...], value: str) -> list[str]:
    return [told for pattern, told in table if re.fullmatch(pattern, value, re.DOTALL | re.IGNORECASE)]
