"""The built-in agents. Each shows one behaviour of the service; `description` says which."""

from enum import StrEnum

from local.foundry_emulator.answers import text_block
from local.foundry_emulator.ids import padded_id
from local.foundry_emulator.scripts import (
    Agent,
    Answer,
    Call,
    End,
    File,
    FirstRuns,
    OnCancel,
    Phase,
    Quota,
    Refusal,
    Script,
    Written,
)

QUEUED = Phase(status="queued", seconds=0.5)
WORKING = Phase(seconds=1.5)
RATE_LIMIT_END = End(
    status="failed", code="rate_limit_exceeded", message="Rate limit is exceeded. Try again in 7 seconds."
)
SERVER_ERROR_END = End(status="failed", code="server_error", message="Sorry, something went wrong.")


def _script(*phases: Phase, **fields: object) -> Script:
    return Script(phases=phases or (QUEUED, WORKING), **fields)  # type: ignore[arg-type]


def _function(name: str, description: str, *parameters: str) -> dict[str, object]:
    schema = {"type": "object", "properties": {p: {"type": "string"} for p in parameters}}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": schema},
    }


_WEATHER = _function("get_weather", "The weather in a city", "city")
_TIME = _function("get_time", "The local time in a city", "city")
_BOOK = _function("book_table", "Book a table", "city", "when")

_RICH_CONTENT = (
    {"type": "image_file", "image_file": {"file_id": "assistant-Ch4rt0fTheWavelengths00"}},
    {
        "type": "text",
        "text": {
            "value": "Blue light is scattered most【4:0†source】.",
            "annotations": [
                {
                    "type": "file_citation",
                    "text": "【4:0†source】",
                    "start_index": 28,
                    "end_index": 40,
                    "file_citation": {"file_id": "assistant-OpticsPrimer0000000000000", "quote": ""},
                }
            ],
        },
    },
    {
        "type": "text",
        "text": {
            "value": "See also Rayleigh【3:1†source】 and the table sandbox:/mnt/data/table.csv.",
            "annotations": [
                {
                    "type": "url_citation",
                    "text": "【3:1†source】",
                    "start_index": 17,
                    "end_index": 29,
                    "url_citation": {"url": "https://example.com/rayleigh", "title": "Rayleigh scattering"},
                },
                {
                    "type": "file_path",
                    "text": "sandbox:/mnt/data/table.csv",
                    "start_index": 44,
                    "end_index": 71,
                    "file_path": {"file_id": "assistant-TableOfWavelengths0000000"},
                },
            ],
        },
    },
)
_IMAGE_ONLY = ({"type": "image_file", "image_file": {"file_id": "assistant-OnlyAnImage00000000000000"}},)

_CHART = File(
    filename="chart.png",
    content_type="image/png",
    base64="iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==",
)
_TABLE = File(filename="table.csv", content_type="text/csv", text="colour;nm\nblue;450\nred;700\n")
_PLOTTING = {
    "type": "code_interpreter",
    "code_interpreter": {
        "input": "plot(table)",
        "outputs": [{"type": "logs", "logs": "done"}, {"type": "image", "image": {"file_id": _CHART.id}}],
    },
}
_TABLE_LINK = {
    "type": "file_path",
    "text": "sandbox:/mnt/data/table.csv",
    "start_index": 14,
    "end_index": 41,
    "file_path": {"file_id": _TABLE.id},
}
_CHART_MESSAGES = (
    Written(
        content=[
            {"type": "image_file", "image_file": {"file_id": _CHART.id}},
            text_block("The table is: sandbox:/mnt/data/table.csv", [_TABLE_LINK]),
        ],
        attachments=({"file_id": _TABLE.id, "tools": [{"type": "code_interpreter"}]},),
    ),
    Written(content=[text_block("Shall I add violet?")]),
)
_SEARCHES = (
    {
        "type": "bing_grounding",
        "bing_grounding": {"requesturl": "https://api.bing.microsoft.com/v7.0/search?q=why%20is%20the%20sky%20blue"},
    },
    {
        "type": "file_search",
        "file_search": {
            "ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.0},
            "results": [
                {
                    "file_id": "assistant-OpticsPrimer0000000000000",
                    "file_name": "optics.pdf",
                    "score": 0.9,
                    "content": [{"type": "text", "text": "Blue light is scattered most."}],
                }
            ],
        },
    },
)
_LONG_QUERY = "SELECT colour, wavelength FROM light WHERE scattered > 0.5 AND colour IN ('blue', 'violet', '蓝色') " * 3

_BUILTIN = (
    Agent(
        name="history",
        description="Answers in 2 s; counts the thread's user messages and quotes the previous one.",
        instructions="Answer the user's question in a few sentences.",
    ),
    Agent(name="instant", description="As history, but completed at once.", script=Script(phases=())),
    Agent(
        name="slow",
        description="As history, but takes 20 s.",
        script=_script(QUEUED, Phase(seconds=19.5)),
    ),
    Agent(
        name="fails",
        description="Fails after 2 s with server_error.",
        script=_script(end=SERVER_ERROR_END),
    ),
    Agent(
        name="failsOnce",
        description="The first run on a thread fails with server_error, later ones answer.",
        script=_script(first_runs=FirstRuns(count=1, end=SERVER_ERROR_END)),
    ),
    Agent(
        name="rateLimitedOnce",
        description="The first run on a thread fails with rate_limit_exceeded (7 s), later ones answer.",
        script=_script(first_runs=FirstRuns(count=1, end=RATE_LIMIT_END)),
    ),
    Agent(
        name="rateLimitedTwice",
        description="The first two runs on a thread fail with rate_limit_exceeded (7 s), later ones answer.",
        script=_script(first_runs=FirstRuns(count=2, end=RATE_LIMIT_END)),
    ),
    Agent(
        name="rateLimitedAlways",
        description="Every run fails with rate_limit_exceeded (7 s).",
        script=_script(end=RATE_LIMIT_END),
    ),
    Agent(
        name="rateLimitedForADay",
        description="Every run fails with rate_limit_exceeded and asks to wait 86400 s.",
        script=_script(
            end=End(
                status="failed",
                code="rate_limit_exceeded",
                message="Rate limit is exceeded. Try again in 86400 seconds.",
            )
        ),
    ),
    Agent(
        name="expires",
        description="Works until its run expires, 4 s after it was created (the service's runs take 600 s).",
        script=_script(QUEUED, Phase(seconds=None), expires_after_seconds=4),
    ),
    Agent(
        name="incomplete",
        description="Ends incomplete (max_completion_tokens) with the beginning of an answer.",
        script=_script(
            end=End(status="incomplete", reason="max_completion_tokens"),
            answer=Answer(kind="text", text="The sky is blue because"),
        ),
    ),
    Agent(
        name="contentFilter",
        description="Ends incomplete (content_filter) without an answer.",
        script=_script(end=End(status="incomplete", reason="content_filter"), answer=Answer(kind="none")),
    ),
    Agent(
        name="tool",
        description="Asks for one call of get_weather, then answers with its output.",
        tools=(_WEATHER,),
        script=_script(
            QUEUED,
            Phase(seconds=1),
            Phase(calls=(Call(name="get_weather", arguments={"city": "Oslo"}),)),
            QUEUED,
            Phase(seconds=1),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(
        name="twoToolRounds",
        description="Asks for get_weather and get_time at once, comments, asks for book_table, then answers.",
        tools=(_WEATHER, _TIME, _BOOK),
        script=_script(
            QUEUED,
            Phase(seconds=1),
            Phase(
                calls=(
                    Call(name="get_weather", arguments={"city": "Oslo"}),
                    Call(name="get_time", arguments={"city": "Oslo"}),
                )
            ),
            QUEUED,
            Phase(seconds=1, says="I know the weather and the time now; let me book the table."),
            Phase(calls=(Call(name="book_table", arguments={"city": "Oslo", "when": "19:00"}),)),
            QUEUED,
            Phase(seconds=1),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(
        name="mcpApproval",
        description="Asks to approve one MCP tool call, then answers with the decision.",
        tools=({"type": "mcp", "server_label": "github", "server_url": "https://example.com/mcp"},),
        script=_script(
            QUEUED,
            Phase(seconds=1),
            Phase(calls=(Call(name="search_issues", arguments={"query": "sky"}, type="mcp", server_label="github"),)),
            Phase(seconds=1),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(
        name="azureFunction",
        description="requires_action for 2 s with an azure_function call, which the service answers itself.",
        script=_script(
            QUEUED,
            Phase(seconds=2, calls=(Call(name="lookup", type="azure_function"),)),
            Phase(seconds=1),
        ),
    ),
    Agent(
        name="rich",
        description="Answers with an image first, then two text parts with file, URL and path annotations.",
        script=_script(answer=Answer(kind="content", content=_RICH_CONTENT)),
    ),
    Agent(
        name="imageOnly",
        description="Completes with a message that holds an image and no text.",
        script=_script(answer=Answer(kind="content", content=_IMAGE_ONLY)),
    ),
    Agent(
        name="silent",
        description="Completes without writing any message.",
        script=_script(answer=Answer(kind="none")),
    ),
    Agent(
        name="laggingList",
        description="As history, but its message appears in the list only 2 s after the run has completed.",
        script=_script(answer_lag_seconds=2),
    ),
    Agent(
        name="cancelledOutside",
        description="Somebody else cancels its run after 2 s: cancelling for 0.5 s, then cancelled.",
        script=_script(QUEUED, WORKING, Phase(status="cancelling", seconds=0.5), end=End(status="cancelled")),
    ),
    Agent(
        name="forever",
        description="Stays in progress until its run expires after 600 s.",
        script=_script(QUEUED, Phase(seconds=None)),
    ),
    Agent(
        name="queuedForever",
        description="Stays queued until its run expires after 600 s.",
        script=_script(Phase(status="queued", seconds=None)),
    ),
    Agent(
        name="stuckCancelling",
        description="As forever; a cancel request leaves it in cancelling until it expires after 600 s.",
        script=_script(QUEUED, Phase(seconds=None), on_cancel=OnCancel(seconds=None)),
    ),
    Agent(
        name="slowCancel",
        description="As forever; a cancelled run stays in cancelling for 5 s, and blocks its thread so long.",
        script=_script(QUEUED, Phase(seconds=None), on_cancel=OnCancel(seconds=5)),
    ),
    Agent(
        name="completesAnyway",
        description="As forever; a cancel request comes too late: the run completes with its answer.",
        script=_script(QUEUED, Phase(seconds=None), on_cancel=OnCancel(seconds=1, end="completed")),
    ),
    Agent(
        name="unknownStatus",
        description="Has the status weird_new for 3 s before it completes.",
        script=_script(QUEUED, Phase(status="weird_new", seconds=3)),
    ),
    Agent(
        name="manyCalls",
        description="Asks for twelve calls of run_sql at once, each with 294 characters of SQL.",
        tools=(_function("run_sql", "Run a query", "query"),),
        script=_script(
            QUEUED,
            Phase(calls=(Call(name="run_sql", arguments={"query": _LONG_QUERY}),) * 12),
            Phase(seconds=1),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(
        name="picky",
        description="Asks for one call of get_weather, and refuses the first answer.",
        tools=(_WEATHER,),
        script=_script(
            QUEUED,
            Phase(
                calls=(Call(name="get_weather", arguments={"city": "Oslo"}),),
                refuses=Refusal(message="The tool output could not be processed. Please send a shorter one."),
            ),
            Phase(seconds=1),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(
        name="consent",
        description="requires_action of a type that clients do not know, until its run expires after 600 s.",
        script=_script(
            QUEUED, Phase(action={"type": "submit_consent", "submit_consent": {"url": "https://example.com"}})
        ),
    ),
    Agent(
        name="computer",
        description="Asks for a call of the type computer_use_preview, then answers with its output.",
        tools=({"type": "computer_use_preview"},),
        script=_script(
            QUEUED,
            Phase(
                calls=(
                    Call(
                        type="computer_use_preview",
                        fields={
                            "computer_use_preview": {"action": {"type": "screenshot"}, "pending_safety_checks": []}
                        },
                    ),
                )
            ),
            Phase(seconds=1),
            answer=Answer(kind="tools"),
        ),
    ),
    Agent(
        name="chart",
        description="Draws a chart in 2 s; writes its picture with a table's link, then a question.",
        tools=({"type": "code_interpreter"},),
        script=_script(
            QUEUED,
            Phase(seconds=1.5, does=(_PLOTTING,)),
            answer=Answer(kind="messages", messages=_CHART_MESSAGES),
            files=(_CHART, _TABLE),
        ),
    ),
    Agent(
        name="searches",
        description="Searches the web and files in 2 s, as its steps show, then answers as history.",
        tools=({"type": "bing_grounding", "bing_grounding": {}}, {"type": "file_search"}),
        script=_script(QUEUED, Phase(seconds=1.5, does=_SEARCHES)),
    ),
    Agent(
        name="refuses",
        description="Answers with a refusal instead of a text.",
        script=_script(
            answer=Answer(
                kind="content", content=({"type": "refusal", "refusal": "I'm sorry, I can't help with that."},)
            )
        ),
    ),
    Agent(
        name="busy",
        description="As instant, but takes three runs in six seconds; others fail with rate_limit_exceeded.",
        script=Script(phases=(), quota=Quota(runs=3, seconds=6)),
    ),
)


class Agents(StrEnum):
    """Ids of the built-in agents, by name."""

    HISTORY = padded_id("history")
    INSTANT = padded_id("instant")
    SLOW = padded_id("slow")
    FAILS = padded_id("fails")
    FAILS_ONCE = padded_id("failsOnce")
    RATE_LIMITED_ONCE = padded_id("rateLimitedOnce")
    RATE_LIMITED_TWICE = padded_id("rateLimitedTwice")
    RATE_LIMITED_ALWAYS = padded_id("rateLimitedAlways")
    RATE_LIMITED_FOR_A_DAY = padded_id("rateLimitedForADay")
    EXPIRES = padded_id("expires")
    INCOMPLETE = padded_id("incomplete")
    CONTENT_FILTER = padded_id("contentFilter")
    TOOL = padded_id("tool")
    TWO_TOOL_ROUNDS = padded_id("twoToolRounds")
    MCP_APPROVAL = padded_id("mcpApproval")
    AZURE_FUNCTION = padded_id("azureFunction")
    RICH = padded_id("rich")
    IMAGE_ONLY = padded_id("imageOnly")
    SILENT = padded_id("silent")
    LAGGING_LIST = padded_id("laggingList")
    CANCELLED_OUTSIDE = padded_id("cancelledOutside")
    FOREVER = padded_id("forever")
    QUEUED_FOREVER = padded_id("queuedForever")
    STUCK_CANCELLING = padded_id("stuckCancelling")
    SLOW_CANCEL = padded_id("slowCancel")
    COMPLETES_ANYWAY = padded_id("completesAnyway")
    UNKNOWN_STATUS = padded_id("unknownStatus")
    MANY_CALLS = padded_id("manyCalls")
    PICKY = padded_id("picky")
    CONSENT = padded_id("consent")
    COMPUTER = padded_id("computer")
    CHART = padded_id("chart")
    SEARCHES = padded_id("searches")
    REFUSES = padded_id("refuses")
    BUSY = padded_id("busy")


def builtin_agents() -> tuple[Agent, ...]:
    """Return the built-in agents in their documented order."""
    return _BUILTIN


def filler_agents(count: int) -> tuple[Agent, ...]:
    """Make agents that only fill pages of the list of agents; each answers as `history` does."""
    return tuple(
        Agent(name=f"filler{number:04d}", description="Fills a page; answers as history.")
        for number in range(1, count + 1)
    )
