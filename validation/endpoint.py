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

_GIVEN = (
    (r"[\"'`\u2018-\u201f].*|.*[\"'`\u2018-\u201f]", "has quotes around it, which count as part of it"),
    (r".*;.*|[^/]*(//[^/]*)?\bapi\.azureml\.ms.*", _HUB),
    (r".*[<>{}].*", "still has a placeholder"),
    (r"[^?#]*//[^/?#]*@.*", "has a user name or a password in it"),
    (_PORTAL, "is a URL of the portal: the project's overview there shows its endpoint"),
    (_MODELS, "is an endpoint of models (Azure OpenAI, Cognitive Services), which knows no agents"),
    (r"(?!\w+://)[^/?#]*[./].*", "has no https:// in front"),
    (r"[^?#]*\?.*", "has a query behind it"),
    (r"[^#]*#.*", "has a fragment (#) behind it"),
    (r"\w+://[^/?#]+(/api(/projects?)?)?/*([?#].*)?", "is that of the account: /api/projects/<project> is missing"),
    (_BEHIND + "openai.*", "has the path of an API, /openai/v1, behind the project"),
    (_BEHIND + "(?!openai)[^/?#].*", "has the path of an API, such as /agents or /threads, behind the project"),
)


def what_is_given(value: str) -> str:
    """Say what a value is that is no project's endpoint, by all the names that fit."""
    found = [told for pattern, told in _GIVEN if re.fullmatch(pattern, value, re.IGNORECASE | re.DOTALL)]
    return "; ".join(found) or "is not a project's endpoint"
