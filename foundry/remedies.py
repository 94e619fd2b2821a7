"""What to do about a refusal: it hangs on what was said, the number of the status only narrows it down. Pure.

One table, of which the first row that fits counts. A row may also say that a refusal is of another kind than its
status says: Foundry reports a lacking role as 401, a gateway a used-up quota as 403. Some rows also tell what ended a
run that was accepted, where its code does not: `orchestrators/remedies` has the advice by code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from foundry.said import Said

_ROLE = "The app's identity needs the role 'Foundry User' on the project; a new assignment takes some minutes"
_NETWORK = (
    "The network rules of the Foundry account keep the app out, which no role mends: allow the app's outbound "
    "addresses or subnet in the account's 'Networking', or reach it over a private endpoint, with the private DNS zone "
    "privatelink.services.ai.azure.com linked to the app's network"
)
_GATEWAY = (
    "This is not Foundry's own answer but that of a gateway, firewall or proxy before it: whoever runs that must let "
    "the app's requests through, with their Authorization header; or FOUNDRY_PROJECT_ENDPOINT leads to the wrong place"
)
_GATEWAY_DOWN = "This is a gateway's page, not Foundry's own answer: one before Foundry is down, or does not reach it"
_SUBSCRIPTION_KEY = (
    "A gateway (API Management) before Foundry wants a subscription key, which the app does not send: let this API do "
    "without one there, or set FOUNDRY_PROJECT_ENDPOINT to the project itself"
)
_CREDENTIALS = (
    "Foundry's agent endpoints take Entra tokens of scope https://ai.azure.com/.default (another cloud: "
    "FOUNDRY_TOKEN_SCOPE), never API keys: check the app's identity (AZURE_CLIENT_ID), or FOUNDRY_ACCESS_TOKEN on a "
    "developer's machine"
)
_AUDIENCE = (
    "The token is for another audience: leave FOUNDRY_TOKEN_SCOPE empty in the public cloud (scope "
    "https://ai.azure.com/.default) or set it to the scope of your cloud; fetch a FOUNDRY_ACCESS_TOKEN for that scope"
)
_EXPIRED = (
    "The token has expired: a FOUNDRY_ACCESS_TOKEN lasts about an hour, so fetch a new one, or leave it empty and run "
    "'az login'; with a managed identity look at the clock of the machine"
)
_TENANT = (
    "The token is of another tenant than the project, or of another cloud: use an identity of the project's tenant "
    "(AZURE_CLIENT_ID; locally 'az login --tenant'), and in a sovereign cloud set AZURE_AUTHORITY_HOST"
)
_KEY = (
    "Foundry's agent endpoints take Entra tokens of scope https://ai.azure.com/.default, never API keys: this answer "
    "is about a key, so FOUNDRY_PROJECT_ENDPOINT is not a project's endpoint, or a gateway puts a key into the request"
)
_PROJECT = (
    "The project does not exist in this account: look at the last part of FOUNDRY_PROJECT_ENDPOINT; a project that was "
    "created or moved just now is found some minutes later"
)
_ACCOUNT = "The account does not exist: look at the host name in FOUNDRY_PROJECT_ENDPOINT"
_DEPLOYMENT = (
    "The agent's model is not deployed in the account: deploy it under that name, or give the agent (or 'model' in "
    "run_options) the name of a deployment that exists; a new deployment takes some minutes"
)
_MODEL = "The agent's model cannot be used for agents: give the agent, or 'model' in run_options, another one"
_CONNECTION = (
    "A connection that a tool of the agent, or tool_resources, names does not exist in the project: look at the "
    "project's connected resources"
)
_AGENT = "There is no such agent in this project: GET /api/agents lists those that there are"
_THREAD = (
    "There is no such thread in this project: it was deleted, or is of another project; leave thread_id out for a new "
    "one"
)
_CONVERSATION = (
    "There is no such conversation in this project: it was deleted, or is of another project; leave thread_id out for "
    "a new one"
)
_RESPONSE = "There is no such response in this project, or it has expired: Foundry keeps them for 30 days"
_ITEM = "There is no such item in the conversation: it was deleted"
_RUN = "There is no such run on the thread: look at the project in FOUNDRY_PROJECT_ENDPOINT"
_FILE = "There is no such file in this project, or it has expired: upload it there, and use the id that this gives"
_API_VERSION = (
    "Set FOUNDRY_API_VERSION to a version that the service knows: v1, 2025-05-01, or 2025-05-15-preview for approvals "
    "of MCP tools"
)
_NO_PATH = (
    "Nothing that this request names was found, or there is no such path: look at the id, and at account and project "
    "in FOUNDRY_PROJECT_ENDPOINT, and at FOUNDRY_API_VERSION"
)
_CLASSIC_OFF = (
    "Classic agents are switched off for this account (tag MS-AOAI-Feature-Assistants), or not offered in its region: "
    "this app runs classic agents only"
)
_AGENT_OFF = "The agent is disabled: enable it in Foundry, or run another one"
_SUBSCRIPTION = "The Azure subscription, or the Foundry account, is disabled or blocked: its owner must act"
_FILTER = (
    "The content filter of the model's deployment refuses it: write user_message or instructions otherwise, or have "
    "the filter of the deployment changed"
)
_QUOTA = (
    "The quota of the model's deployment is used up: raise its tokens or requests per minute, or start fewer runs at "
    "once"
)
_BILLED_QUOTA = (
    "The quota is used up, which waiting alone may not mend: raise the quota or the spending limit of the account"
)
_GATEWAY_QUOTA = "The quota of a gateway (API Management) before Foundry is used up: its owner can raise it"
_SLOWER = "Too many requests for now: start fewer runs at once if it comes often"
_FULL_THREAD = "The thread has as many messages as it can hold: start without thread_id, on a new one"
_LARGE_MESSAGE = "The message is too large: make user_message shorter, or put it into a file"
_LONG_TEXT = "A text of the request is longer than Foundry takes: make it shorter"
_TOOLS = "The agent has more tools than Foundry takes (128): take some away"
_IMAGE = (
    "Foundry cannot use an image of the message: an image_url must lead to a png, jpeg, gif or webp that anybody on "
    "the internet can read, or hold one as base64"
)
_NO_IMAGES = "The agent's model takes no images: use one that does, or leave them out"
_FILE_TYPE = "The tool does not read files of this type: see what it takes, or attach the file for the other tool"
_NO_DOWNLOAD = "Foundry hands over files that runs have made, and keeps those that were uploaded for tools"
_LARGE_FILE = "A file is larger than Foundry takes (512 MB): split it"
_TOKENS = (
    "The text has more tokens than the model takes: make user_message or instructions shorter, set truncation_strategy "
    "in run_options, or start on a new thread"
)
_LARGE_BODY = "The request is too large for Foundry or for a gateway before it: send less text, or a file"
_TOOL_ANSWER = "The answer does not fit the calls that the run waits for: answer all of them, each by its id, once"
_LARGE_OUTPUT = "The tool outputs are larger than Foundry takes (512 KB for all of them): give shorter ones"
_ENDED = "The run has ended, or is ending: read the status document"
_AGENTS_OWN = (
    "What the agent does is said by its version alone: set it there, in a new version, and leave it out of run_options"
)
_CUT = "A gateway before Foundry cuts what takes longer than two minutes; what was asked for may go on all the same"
_PARAMETER = "Foundry does not take this field or value: look at run_options, and at FOUNDRY_API_VERSION"
_REGION = "The model, or a tool of the agent, is not offered in the account's region: use another one"
_KEPT_OUT = (
    "Something that a tool of the agent, or Foundry itself, uses keeps it out, by its network rules or for lack of a "
    "role: look at the run's steps, then let the project's identity and network in there"
)
_FORBIDDEN = (
    "That does not tell which it is: the app's identity lacks the role 'Foundry User' on the project (a new assignment "
    "takes some minutes), or the account's network rules, or a gateway or firewall before it, keep the app out"
)


@dataclass(frozen=True)
class Remedy:
    """What to do, and the status that the refusal counts as."""

    advice: str
    status: int


@dataclass(frozen=True)
class _Row:
    statuses: frozenset[int]
    says: str
    """What a code or a text says, as a regular expression; letter case does not matter."""
    advice: str
    counts_as: int | None = None


def _row(statuses: tuple[int, ...], says: str, advice: str, counts_as: int | None = None) -> _Row:
    return _Row(frozenset(statuses), says, advice, counts_as)


_AUTH = (401, 403)
_BROKEN = (500, 502, 503)
_ABSENT = (404, 410)
_WRONG = (400, 413, 422)
_MISSING = r"(not found|not exist|n't exist|not be found|n't be found|n't found|was deleted|has been deleted)"

_ABOUT_NETWORKS = (
    r"public (network )?access|virtual network|firewall|private (endpoint|link)|vnet|network ?acl|network rule"
    r"|network ?security ?perimeter|\bip ?(forbidden|filter)|trusted (network|service)|client (ip|address)\b"
    r"|\bip( address)?\b.{0,60}(not allowed|not authorized|denied|blocked|forbidden|not in)|traffic .{0,40}not allowed"
)

_TABLE = (
    # a gateway before Foundry
    _row(_AUTH, r"subscription key(?!.{0,20}wrong api endpoint)|ocp-apim-subscription-key", _SUBSCRIPTION_KEY),
    _row((401, 403, 429), r"call volume quota|quota will be replenished", _GATEWAY_QUOTA, 429),
    _row(
        _AUTH,
        r"request (is|was|has been) blocked|web application firewall|(?<![a-z])waf(?![a-z])|blocked by"
        r"|application.gateway|front door|cloudflare|zscaler|akamai|squid|access denied by policy|rbac: access denied"
        r"|upstream (connect|request)",
        _GATEWAY,
    ),
    # the network
    _row(_AUTH, _ABOUT_NETWORKS, _NETWORK, 403),
    _row(_BROKEN, _ABOUT_NETWORKS, _NETWORK),
    # who asks
    _row(
        (400, *_AUTH),
        r"tenant.{0,60}(mismatch|not match|different|wrong|not allowed)|issuer|InvalidAuthenticationTokenTenant"
        r"|signature|AADSTS500011|signing key",
        _TENANT,
        401,
    ),
    _row(
        _AUTH,
        r"subscription key|api[ -]?key|key.{0,20}authentication|AuthenticationTypeDisabled|invalid_api_key"
        r"|local ?auth|account key",
        _KEY,
    ),
    _row(_AUTH, r"missing, invalid, audience", _CREDENTIALS),
    _row(_AUTH, r"audience|\baud\b|invalid_?resource", _AUDIENCE, 401),
    _row(_AUTH, r"(token|jwt).{0,40}expired|expired.{0,40}token|ExpiredAuthenticationToken|lifetime", _EXPIRED, 401),
    _row(_AUTH, r"\bjwt\b", _GATEWAY),
    _row(
        _AUTH,
        r"PermissionDenied|AuthorizationFailed|AuthorizationPermissionMismatch|InsufficientP|data ?action"
        r"|not have (access|permission|authorization|the (required|necessary))|lacks? |role assignment|\brbac\b"
        r"|(not authori[sz]ed|insufficient (permission|privilege)\w*|not permitted|not allowed) to (perform|do|access)"
        r"|missing.{0,20}(role|permission)|required (role|permission)",
        _ROLE,
        403,
    ),
    _row(
        (400, 401, 403, 404, 409),
        r"subscription.{0,40}(disabled|suspended|not registered|blocked)|ReadOnlyDisabledSubscription"
        r"|(account|resource).{0,40}(is disabled|suspended|been blocked)",
        _SUBSCRIPTION,
    ),
    _row((400, 403, 404, 409), r"AgentDisabled|agent.{0,60}is disabled", _AGENT_OFF, 400),  # final, whatever its status
    _row((400, 403, 404, 409), r"MS-AOAI-Feature|assistants?.{0,40}(disabled|not enabled|not available)", _CLASSIC_OFF),
    # the request, whatever its status
    _row((*_WRONG, 403, *_ABSENT), r"UnsupportedApiVersion|MissingApiVersion|api.version", _API_VERSION),
    _row(
        (*_WRONG, 403, 451),
        r"content_filter|ContentFilter|ResponsibleAI|content management policy|content policy",
        _FILTER,
    ),
    _row(
        (*_WRONG, *_ABSENT, 500),
        rf"DeploymentNotFound|(deployment|model)\b.{{0,80}}{_MISSING}|model_not_found|invalid_model",
        _DEPLOYMENT,
    ),
    _row(_WRONG, r"invalid_engine|resolve model", _DEPLOYMENT),
    _row(_WRONG, r"unsupported_model|model\b.{0,60}(cannot|n't) be used", _MODEL),
    _row(_WRONG, r"image.{0,40}(not supported by|only supported by)", _NO_IMAGES),
    _row(
        _WRONG,
        r"invalid_image|image_(parse|too|content)|invalid_base64|(unsupported|invalid|could not process) image"
        r"|download\w*.{0,20}(image|url|https?:)|(fetch|download)\w* (the )?(image|url)",
        _IMAGE,
    ),
    _row((*_WRONG, 403), r"not allowed to download|download files? of purpose", _NO_DOWNLOAD),
    _row(
        _WRONG, r"unsupported_file|files? with extension|file (type|format|extension).{0,40}not supported", _FILE_TYPE
    ),
    _row((*_WRONG, 403), r"not (available|supported|offered) in.{0,30}region|region.{0,40}not support", _REGION),
    _row(_WRONG, r"message_limit_exceeded", _FULL_THREAD),
    _row(_WRONG, r"content_size_exceeded", _LARGE_MESSAGE),
    _row(_WRONG, r"string_above_max_length|string too long|too many characters", _LONG_TEXT),
    _row(_WRONG, r"tool_limit_exceeded", _TOOLS),
    _row(_WRONG, r"file_size_exceeded", _LARGE_FILE),
    _row(_WRONG, r"token_limit_exceeded|context_length_exceeded|maximum context length", _TOKENS),
    # what is not there
    _row((400, *_ABSENT), rf"connections?\b.{{0,160}}{_MISSING}", _CONNECTION),
    _row((400, *_ABSENT), rf"conversations?\b.{{0,160}}{_MISSING}|invalid conversation id", _CONVERSATION),
    _row((400, *_ABSENT), rf"\bresponse with id\b.{{0,160}}{_MISSING}", _RESPONSE),
    _row((400, *_ABSENT), rf"\bitem\b.{{0,160}}{_MISSING}", _ITEM),
    _row((400, *_ABSENT), rf"(assistant|agent)\b.{{0,160}}{_MISSING}|no (assistant|agent)\b.{{0,40}}found", _AGENT),
    _row((400, *_ABSENT), rf"\brun\b(?:(?!thread)[^,;.]){{0,60}}{_MISSING}|no run\b.{{0,40}}found", _RUN),
    _row((400, *_ABSENT), rf"thread\b.{{0,160}}{_MISSING}|no thread\b.{{0,40}}found", _THREAD),
    _row((400, *_ABSENT), rf"(file|vector.?store)\b.{{0,160}}({_MISSING}|\bexpired)|no (file|vector.?store)\b", _FILE),
    _row(_ABSENT, rf"(project|workspace|hub)\b.{{0,160}}{_MISSING}|(project|workspace) ?not ?found", _PROJECT),
    _row(_ABSENT, r"ParentResourceNotFound|accounts?\b.{0,160}(not found|not exist)|AccountNotFound", _ACCOUNT),
    # the run
    _row(_WRONG, r"not allowed when agent is specified", _AGENTS_OWN),
    _row((408,), r"time.?out", _CUT),
    _row(_WRONG, r"outputs?\b.{0,80}(too (large|long|big)|exceed|smaller than|at most|maximum|limit)", _LARGE_OUTPUT),
    _row(
        (400, 409),
        r"tool.?(outputs?|call|approval).{0,120}(expected|missing|not found|does not|not match)",
        _TOOL_ANSWER,
    ),
    _row((400, 409), r"\b(expected|missing|no)\b.{0,40}tool.?(outputs?|call|approval)", _TOOL_ANSWER),
    _row((400, 409), r"cannot cancel|already (been )?(completed|cancelled|ended|expired|failed)", _ENDED),
    _row(
        _WRONG,
        r"unknown_parameter|unknown parameter|unrecogni[sz]ed|unsupported_|OperationNotSupported|invalid_value"
        r"|(object|array|integer|decimal)_(above|below)_m",
        _PARAMETER,
    ),
    # too much
    _row((403,), r"quota", _BILLED_QUOTA),
    _row((429,), r"insufficient_quota|exceeded your current quota|billing|spending|monthly", _BILLED_QUOTA),
    _row((429,), r"token|tpm|rpm|pricing tier|deployment|capacity|quota", _QUOTA),
)
"""From what is particular to what is general."""

_BY_STATUS = {401: _CREDENTIALS, 403: _FORBIDDEN, 404: _NO_PATH, 410: _NO_PATH, 413: _LARGE_BODY, 429: _SLOWER}
_PAGE_IS_ENOUGH = frozenset({413, 429})
"""Of which a gateway's page tells no other remedy than the status."""


def remedy_for(status: int, said: Said) -> Remedy:
    """Return what to do about a refusal that says this; no advice where there is nothing to be done."""
    told = " ".join([*said.codes, said.text])
    if said.html and status >= 400 and status not in _PAGE_IS_ENOUGH:
        return Remedy(_GATEWAY if status < 500 else _GATEWAY_DOWN, status)  # Foundry makes no pages for people
    for row in _TABLE:
        if status in row.statuses and re.search(row.says, told, re.IGNORECASE):
            counts_as = row.counts_as or status
            return Remedy(_with_categories(row.advice, said), counts_as)
    return Remedy(_BY_STATUS.get(status, ""), status)


_OF_RUNS = {
    _NETWORK: _KEPT_OUT,
    _ROLE: _KEPT_OUT,
    **{each: each for each in (_SUBSCRIPTION, _FILTER, _DEPLOYMENT, _MODEL, _NO_IMAGES, _IMAGE, _FILE_TYPE, _REGION)},
    **{each: each for each in (_LONG_TEXT, _LARGE_FILE, _TOKENS, _CONNECTION, _FILE)},
}
"""Advice of the table that fits a run as well, and what it is there."""

_CODES_THAT_TELL = frozenset({"rate_limit_exceeded", "invalid_prompt", "content_filter"})
"""Of runs: what stands beside these may quote a prompt."""


def advice_on_run(code: str | None, words: str) -> str | None:
    """Return what to do about a run that has failed with these words, where they tell more than the code does."""
    if code in _CODES_THAT_TELL:
        return None
    told = f"{code} {words}"
    rows = (row for row in _TABLE if row.advice in _OF_RUNS and re.search(row.says, told, re.IGNORECASE))
    return next((_OF_RUNS[row.advice] for row in rows), None)


def _with_categories(advice: str, said: Said) -> str:
    return f"{advice}. It objects to {', '.join(said.filtered)}" if said.filtered else advice
