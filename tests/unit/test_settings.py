"""Settings: every one missing or malformed, all problems at once, no value ever shown."""

from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

import settings as settings_module
from settings import (
    DEFAULTS,
    Settings,
    SettingsError,
    console_enabled,
    http_auth_level,
    ignored_settings,
    load_settings,
)
from tests.unit.scripted import ENDPOINT, no_deadline, raised_by

RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"


def load(**environment: str) -> Settings:
    return load_settings({"FOUNDRY_PROJECT_ENDPOINT": ENDPOINT, **environment})


def problems(**environment: str) -> dict[str, str]:
    """Return the message for every setting that is wrong."""
    with pytest.raises(SettingsError) as caught:
        load(**environment)
    found = {p.setting: p.message for p in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    assert all(name in str(caught.value) and message in str(caught.value) for name, message in found.items())
    return found


def test_the_endpoint_is_all_that_is_required():
    assert load() == Settings(
        project_endpoint=ENDPOINT,
        api_version="v1",
        default_agent_id=None,
        allowed_agent_ids=None,
        resource_id=None,
        access_token=None,
        client_id=None,
        timeout_seconds=1800,
        max_timeout_seconds=86_400,
        rate_limit_retries=50,
        history_retention_days=30,
        idempotency_days=30,
    )


def test_every_setting_of_the_design_is_known_with_its_default():
    assert DEFAULTS == {
        "FOUNDRY_PROJECT_ENDPOINT": "",
        "FOUNDRY_API_VERSION": "v1",
        "FOUNDRY_GENERATIONS": "classic,responses",
        "FOUNDRY_DEFAULT_AGENT_ID": "",
        "FOUNDRY_ALLOWED_AGENT_IDS": "",
        "FOUNDRY_RESOURCE_ID": "",
        "FOUNDRY_ACCESS_TOKEN": "",
        "FOUNDRY_TOKEN_SCOPE": "",
        "AZURE_CLIENT_ID": "",
        "RUN_TIMEOUT_SECONDS": "1800",
        "RUN_MAX_TIMEOUT_SECONDS": "86400",
        "RUN_RATE_LIMIT_RETRIES": "50",
        "FOUNDRY_MAX_LOOKS_PER_SECOND": "20",
        "DELETE_THREAD": "never",
        "ORPHAN_SCAN_SCHEDULE": "0 */5 * * * *",
        "HISTORY_RETENTION_DAYS": "30",
        "IDEMPOTENCY_DAYS": "30",
        "PUBLIC_BASE_URL": "",
        "TRUSTED_FORWARDED_HOSTS": "",
        "CONSOLE_ENABLED": "true",
        "HTTP_AUTH_LEVEL": "FUNCTION",
    }


def test_every_setting_is_read():
    settings = load(
        FOUNDRY_API_VERSION="2025-05-15-preview",
        FOUNDRY_GENERATIONS="responses",
        FOUNDRY_DEFAULT_AGENT_ID="asst_1",
        FOUNDRY_ALLOWED_AGENT_IDS=" asst_1 ,asst_2,, ",
        FOUNDRY_RESOURCE_ID=RESOURCE,
        FOUNDRY_ACCESS_TOKEN="ey.J-_" + 14 * "x",
        AZURE_CLIENT_ID="0000-1111",
        RUN_TIMEOUT_SECONDS="60",
        RUN_MAX_TIMEOUT_SECONDS="120",
        RUN_RATE_LIMIT_RETRIES="0",
        FOUNDRY_MAX_LOOKS_PER_SECOND="5",
        HISTORY_RETENTION_DAYS="0",
        IDEMPOTENCY_DAYS="1",
    )
    assert settings == Settings(
        project_endpoint=ENDPOINT,
        api_version="2025-05-15-preview",
        generations=("responses",),
        default_agent_id="asst_1",
        allowed_agent_ids=frozenset({"asst_1", "asst_2"}),
        resource_id=RESOURCE,
        access_token="ey.J-_" + 14 * "x",
        client_id="0000-1111",
        timeout_seconds=60,
        max_timeout_seconds=120,
        rate_limit_retries=0,
        most_looks_per_second=5,
        history_retention_days=0,
        idempotency_days=1,
    )
    assert settings.monitor_url == f"https://portal.azure.com/#@/resource{RESOURCE}/overview"


@pytest.mark.parametrize(
    ("value", "generations"),
    [
        ("classic", ("classic",)),
        (" Responses , CLASSIC,", ("classic", "responses")),
        ("responses,responses", ("responses",)),
    ],
)
def test_which_generations_are_spoken_to_is_read_in_any_order(value, generations):
    assert load(FOUNDRY_GENERATIONS=value).generations == generations


def test_agents_may_be_allowed_by_name_in_any_version_or_in_one():
    settings = load(FOUNDRY_ALLOWED_AGENT_IDS="asst_1,helper,writer:3", FOUNDRY_DEFAULT_AGENT_ID="writer:3")
    allowed = [
        ("asst_1", None),
        ("helper", "9"),
        ("helper:2", None),
        ("writer", "3"),
        ("writer:3", "3"),
        ("writer:3", None),
    ]
    refused = [
        ("asst_2", None),
        ("writer", None),
        ("writer", "4"),
        ("writer:4", None),
        ("writer:4", "3"),
        ("help", "9"),
    ]
    assert all(settings.allows(*agent) for agent in allowed)
    assert not any(settings.allows(*agent) for agent in refused)
    assert settings.default_agent_id == "writer:3"
    assert load().allows("anything", "1")


@pytest.mark.parametrize("value", ["never", "on_success", "with_history", " With_History "])
def test_when_a_thread_is_deleted_is_read(value):
    assert load(DELETE_THREAD=value).delete_thread == value.strip().lower()


@pytest.mark.parametrize("value", ["always", "true", "with history", "never,on_success"])
def test_another_word_for_it_is_refused_with_those_that_are_known(value):
    [(name, message)] = problems(DELETE_THREAD=value).items()
    assert name == "DELETE_THREAD"
    assert "never, on_success or with_history" in message


@pytest.mark.parametrize("name", ["FOUNDRY_DEFAULT_AGENT_ID", "FOUNDRY_ALLOWED_AGENT_IDS"])
@pytest.mark.parametrize(
    ("given", "said"),
    [("thread_abc123", "the id of a thread"), ("run_abc123", "the id of a run"), ("null", "an empty variable")],
)
def test_the_id_of_something_else_is_no_agent(name, given, said):
    [(problem, message)] = problems(**{name: given}).items()
    assert problem == name
    assert said in message
    assert "abc123" not in message


def test_what_may_be_the_name_of_an_agent_may_be_the_default():
    assert load(FOUNDRY_DEFAULT_AGENT_ID="run_report").default_agent_id == "run_report"


def test_without_a_resource_id_there_is_no_monitor_url():
    assert load().monitor_url is None


@pytest.mark.parametrize("name", [n for n in DEFAULTS if n != "FOUNDRY_PROJECT_ENDPOINT"])
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_setting_counts_as_not_set(name, empty):
    assert load(**{name: empty}) == load()


@pytest.mark.parametrize("environment", [{}, {"FOUNDRY_PROJECT_ENDPOINT": ""}, {"FOUNDRY_PROJECT_ENDPOINT": "  "}])
def test_a_missing_endpoint_is_named_with_its_remedy(environment):
    with pytest.raises(SettingsError) as caught:
        load_settings(environment)
    [problem] = caught.value.problems
    assert problem.setting == "FOUNDRY_PROJECT_ENDPOINT"
    assert "not set" in problem.message
    assert "https://<account>.services.ai.azure.com/api/projects/<project>" in problem.message


@pytest.mark.parametrize(
    "endpoint",
    [
        ENDPOINT,
        ENDPOINT + "/",
        f"  {ENDPOINT}  ",
        "https://a.services.ai.azure.com/api/projects/My.project-1_x~",
        "https://a.services.ai.azure.com/api/projects/_project",
        "https://a.services.ai.azure.us/api/projects/p",
        "http://localhost:7072/api/projects/p",
        "http://127.0.0.1/api/projects/p",
        "http://[::1]:80/api/projects/p",
        "https://127.0.0.1:8443/api/projects/p",
        "http://LOCALHOST/api/projects/p",
        "https://account:1/api/projects/p",
        "https://account:65535/api/projects/p",
        "https://account:00443/api/projects/p",
    ],
)
def test_an_endpoint_of_a_project_is_taken(endpoint):
    assert load(FOUNDRY_PROJECT_ENDPOINT=endpoint).project_endpoint == endpoint.strip().rstrip("/")


@pytest.mark.parametrize(
    "endpoint",
    [
        "nonsense",
        "account.services.ai.azure.com/api/projects/p",
        "http://account.services.ai.azure.com/api/projects/p",
        "http://localhost.example.com/api/projects/p",
        "http://127.0.0.1.example.com/api/projects/p",
        "http://127.0.0.2/api/projects/p",
        "http://0.0.0.0/api/projects/p",
        "http://localhost@example.com/api/projects/p",
        "ftp://localhost/api/projects/p",
        "file:///api/projects/p",
        "https:///api/projects/p",
        "https://account.services.ai.azure.com",
        "https://account.services.ai.azure.com/",
        "https://account.services.ai.azure.com/api/projects",
        "https://account.services.ai.azure.com/api/projects/",
        "https://account.services.ai.azure.com/api/projects/p/assistants",
        "https://account.services.ai.azure.com/api/projects/p%2fq",
        "https://account.openai.azure.com/openai",
        f"{ENDPOINT}?api-version=v1",
        f"{ENDPOINT}#x",
        ENDPOINT.replace("https://", "https://user:password@"),
        ENDPOINT.replace("https://", "https://user@"),
        "https://[::1/api/projects/p",
        "https://a\u2100b/api/projects/p",
    ],
)
def test_an_endpoint_that_is_none_is_refused(endpoint):
    assert list(problems(FOUNDRY_PROJECT_ENDPOINT=endpoint)) == ["FOUNDRY_PROJECT_ENDPOINT"]


@pytest.mark.parametrize(
    "endpoint",
    [
        f"{ENDPOINT}?",  # every path of a request would become a query
        f"{ENDPOINT}#",  # ... or a fragment: every request goes to the project itself
        "https://account.services.ai.azure.com/api/projects/..",
        "https://account.services.ai.azure.com/api/pro\njects/p",
        "https://account\t.services.ai.azure.com/api/projects/p",
        "https://account .services.ai.azure.com/api/projects/p",
        "https://@account.services.ai.azure.com/api/projects/p",
        "https://account\\.services.ai.azure.com/api/projects/p",
    ],
)
def test_an_endpoint_that_only_looks_like_one_is_refused(endpoint):
    assert list(problems(FOUNDRY_PROJECT_ENDPOINT=endpoint)) == ["FOUNDRY_PROJECT_ENDPOINT"]


@pytest.mark.parametrize(
    "port",
    [
        "",
        "0",
        "00000",
        "65536",
        "99999",
        "100000",
        "9" * 5000,
        "x",
        "8x",
        "-1",
        "+1",
        "8\u0660",
        "80:80",
        "[80]",
    ],
)
def test_a_port_that_is_none_is_refused_as_any_other_malformed_endpoint(port):
    assert problems(FOUNDRY_PROJECT_ENDPOINT=f"https://account:{port}/api/projects/p") == problems(
        FOUNDRY_PROJECT_ENDPOINT="nonsense"
    )


def mostly(usual, unusual):
    return st.integers(0, 5).flatmap(lambda n: unusual if n == 5 else st.sampled_from(usual))


PARTS = [
    mostly(["https", "http"], st.sampled_from(["HTTPS", "ftp", ""])),
    mostly(["://"], st.sampled_from([":", "//", "://u:p@", "://@"])),
    mostly(
        ["localhost", "127.0.0.1", "[::1]"],
        st.sampled_from(["[", "]", "[::1", "::1", "[v1.x]", "a\u2100b", ""]) | st.text(),
    ),
    mostly(
        ["", ":1", ":080", ":65535"], st.sampled_from([":0", ":65536", ":99999", ":-1"]) | st.text().map(":{}".format)
    ),
    mostly(["/api/projects/p"], st.text()),
]


@no_deadline
@given(st.tuples(*PARTS).map("".join) | st.text())
def test_no_endpoint_crashes_it_and_what_is_taken_can_be_asked(endpoint):
    error = raised_by(lambda: load(FOUNDRY_PROJECT_ENDPOINT=endpoint))
    if error is None:
        taken = load(FOUNDRY_PROJECT_ENDPOINT=endpoint).project_endpoint
        meant, asked = urlsplit(taken), urlsplit(str(requests.Request("GET", taken).prepare().url))
        assert (meant.hostname, meant.port, meant.path) == (asked.hostname, asked.port, asked.path)
    else:
        assert [p.setting for p in error.problems] == ["FOUNDRY_PROJECT_ENDPOINT"]


GIVEN_INSTEAD = [
    (f'"{ENDPOINT}"', "quotes around it"),
    (f"'{ENDPOINT}", "quotes around it"),
    (f"\u201c{ENDPOINT}\u201d", "quotes around it"),
    (f"{ENDPOINT}?api-version=v1", "a query behind it"),
    (f"{ENDPOINT}?", "a query behind it"),
    (f"{ENDPOINT}#x", "a fragment"),
    (f"{ENDPOINT}/openai/v1", "/openai/v1, behind the project"),
    (f"{ENDPOINT}/openai/v1/", "/openai/v1, behind the project"),
    (f"{ENDPOINT}/openai", "/openai/v1, behind the project"),
    (f"{ENDPOINT}/agents", "such as /agents or /threads, behind the project"),
    (f"{ENDPOINT}/assistants?api-version=v1", "such as /agents or /threads, behind the project"),
    (f"{ENDPOINT}/assistants?api-version=v1", "a query behind it"),
    ("eastus2.api.azureml.ms;0000-1111;group;project", "connection string of a hub-based project"),
    ("eastus2.api.azureml.ms", "connection string of a hub-based project"),
    ("https://account.services.ai.azure.com", "/api/projects/<project> is missing"),
    ("https://account.services.ai.azure.com/", "/api/projects/<project> is missing"),
    ("https://account.services.ai.azure.com/api/projects", "/api/projects/<project> is missing"),
    ("https://account.openai.azure.com/", "endpoint of models"),
    ("https://account.openai.azure.us/openai/deployments/x", "endpoint of models"),
    ("https://account.cognitiveservices.azure.com", "endpoint of models"),
    ("account.cognitiveservices.azure.com", "endpoint of models"),
    ("https://ai.azure.com/foundryProject/overview?wsid=/subscriptions/x", "URL of the portal"),
    ("https://portal.azure.com/#@/resource/x", "URL of the portal"),
    (ENDPOINT.removeprefix("https://"), "no https:// in front"),
    ("account.services.ai.azure.com", "no https:// in front"),
    ("https://<account>.services.ai.azure.com/api/projects/<project>", "placeholder"),
    (ENDPOINT.replace("https://", "https://user:password@"), "user name or a password"),
    (f"FOUNDRY_PROJECT_ENDPOINT={ENDPOINT}", "the name of the setting"),
    (f"{ENDPOINT} {ENDPOINT}", "a blank in it"),
    ("https://account:8 0/api/projects/p", "a blank in it"),
    ("/subscriptions/x/resourceGroups/y/providers/Microsoft.CognitiveServices/accounts/a/projects/p", "a resource id"),
    ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/x)", "Key Vault reference"),
    ("https://account.services.ai.azure.com/models", "/api/projects/<project> is missing"),
    ("https://account.services.ai.azure.com/api/project/p", "which is /api/projects/"),
    ("https://account.services.ai.azure.com/API/Projects/p", "capital letters"),
]


@pytest.mark.parametrize(("endpoint", "words"), GIVEN_INSTEAD)
def test_what_is_given_instead_of_an_endpoint_is_told_by_name(endpoint, words):
    told = problems(FOUNDRY_PROJECT_ENDPOINT=endpoint)["FOUNDRY_PROJECT_ENDPOINT"]
    assert words in told
    assert told.endswith("set it to https://<account>.services.ai.azure.com/api/projects/<project>")


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (f'"{ENDPOINT}"', "no https://"),
        ("eastus2.api.azureml.ms;0000-1111;group;project", "no https://"),
        ("https://account.openai.azure.com/", "is missing"),
        (ENDPOINT + "/agents", "capital letters"),
    ],
)
def test_nothing_is_said_of_an_endpoint_that_is_not_so(endpoint, words):
    assert words not in problems(FOUNDRY_PROJECT_ENDPOINT=endpoint)["FOUNDRY_PROJECT_ENDPOINT"]


@pytest.mark.parametrize(
    "scope",
    [
        "https://ai.azure.us/.default",
        "api://own-app/.default",
        "api://11111111-1111-1111-1111-111111111111/.default",
        "11111111-1111-1111-1111-111111111111/.default",
    ],
)
def test_a_scope_for_tokens_is_read(scope):
    assert load(FOUNDRY_TOKEN_SCOPE=f" {scope} ").token_scope == scope
    assert load().token_scope == ""


MALFORMED = [
    ("FOUNDRY_TOKEN_SCOPE", "https://ai.azure.com"),
    ("FOUNDRY_TOKEN_SCOPE", "ai.azure.com/.default"),
    ("FOUNDRY_TOKEN_SCOPE", "https://a b/.default"),
    ("FOUNDRY_TOKEN_SCOPE", "https://a/.default https://b/.default"),
    ("FOUNDRY_API_VERSION", "v1&x=y"),
    ("FOUNDRY_API_VERSION", "v 1"),
    ("FOUNDRY_API_VERSION", "v" * 41),
    ("FOUNDRY_DEFAULT_AGENT_ID", "../x"),
    ("FOUNDRY_DEFAULT_AGENT_ID", "a b"),
    ("FOUNDRY_DEFAULT_AGENT_ID", "x" * 129),
    ("FOUNDRY_ALLOWED_AGENT_IDS", "asst_1;asst_2"),
    ("FOUNDRY_ALLOWED_AGENT_IDS", "asst_1,../x"),
    ("FOUNDRY_ALLOWED_AGENT_IDS", "*"),
    ("FOUNDRY_RESOURCE_ID", "account"),
    ("FOUNDRY_RESOURCE_ID", f"{RESOURCE}?x"),
    ("FOUNDRY_RESOURCE_ID", "subscriptions/s/resourceGroups/g/providers/x"),
    ("FOUNDRY_ACCESS_TOKEN", "two words"),
    ("FOUNDRY_ACCESS_TOKEN", 19 * "t"),
    ("FOUNDRY_ACCESS_TOKEN", "a\r\nX-Evil: 1"),
    ("FOUNDRY_ACCESS_TOKEN", "t\u00f6ken"),
    ("AZURE_CLIENT_ID", "a b"),
    ("AZURE_CLIENT_ID", "x" * 65),
    *(
        (name, value)
        for name in (
            "RUN_TIMEOUT_SECONDS",
            "RUN_MAX_TIMEOUT_SECONDS",
            "RUN_RATE_LIMIT_RETRIES",
            "FOUNDRY_MAX_LOOKS_PER_SECOND",
            "HISTORY_RETENTION_DAYS",
            "IDEMPOTENCY_DAYS",
        )
        for value in ("x", "-1", "1.5", "1e3", "9999999999", "+1", "1_0", "0x10")
    ),
    ("RUN_TIMEOUT_SECONDS", "0"),
    ("RUN_MAX_TIMEOUT_SECONDS", "0"),
    ("RUN_MAX_TIMEOUT_SECONDS", "518400"),  # six days: such a timer is split and cannot be cancelled
    ("RUN_RATE_LIMIT_RETRIES", "101"),
    ("FOUNDRY_MAX_LOOKS_PER_SECOND", "1001"),
    ("HISTORY_RETENTION_DAYS", "3651"),
    ("IDEMPOTENCY_DAYS", "0"),
    ("IDEMPOTENCY_DAYS", "3651"),
    ("FOUNDRY_GENERATIONS", "classic,third"),
    ("FOUNDRY_GENERATIONS", ","),
    ("FOUNDRY_DEFAULT_AGENT_ID", "helper:latest"),
    ("FOUNDRY_ALLOWED_AGENT_IDS", "asst_1,helper:"),
]


@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_setting_is_named_with_its_remedy_and_without_its_value(name, value):
    found = problems(**{name: value})
    assert list(found) == [name]
    assert "set it to" in found[name]


@pytest.mark.parametrize("value", [",", " , "])
def test_an_allow_list_without_an_id_does_not_allow_every_agent(value):
    assert list(problems(FOUNDRY_ALLOWED_AGENT_IDS=value)) == ["FOUNDRY_ALLOWED_AGENT_IDS"]


def test_the_default_timeout_may_not_exceed_the_longest():
    assert list(problems(RUN_TIMEOUT_SECONDS="61", RUN_MAX_TIMEOUT_SECONDS="60")) == ["RUN_TIMEOUT_SECONDS"]
    assert load(RUN_TIMEOUT_SECONDS="60", RUN_MAX_TIMEOUT_SECONDS="60").timeout_seconds == 60


def test_all_that_is_wrong_is_named_at_once():
    wrong = {name: value for name, value in MALFORMED if name != "FOUNDRY_PROJECT_ENDPOINT"}
    assert set(problems(FOUNDRY_PROJECT_ENDPOINT="", **wrong)) == {"FOUNDRY_PROJECT_ENDPOINT", *wrong}


SECRET = "s3cr3t~ValuE"


@pytest.mark.parametrize(
    "name", [n for n in DEFAULTS if n not in ("ORPHAN_SCAN_SCHEDULE", "HTTP_AUTH_LEVEL", "CONSOLE_ENABLED")]
)
@pytest.mark.parametrize(
    "value",
    [f"{SECRET} {SECRET}", f"https://u:{SECRET}@h/api/projects/p x", f"http://{SECRET}/ ", f"https://[{SECRET} x"],
)
def test_a_message_never_shows_a_value(name, value):
    error = raised_by(lambda: load(**{name: f"{value}\n{value}"}))
    assert isinstance(error, SettingsError)
    for shown in (str(error), repr(error), repr(error.problems)):
        assert SECRET not in shown


def test_the_settings_do_not_show_the_token():
    settings = load(FOUNDRY_ACCESS_TOKEN="s3cr3t" * 4, AZURE_CLIENT_ID="c11ent")
    for shown in (repr(settings), str(settings), f"{settings}"):
        assert "s3cr3t" not in shown
        assert "c11ent" not in shown


def test_settings_cannot_be_changed_and_can_be_a_key():
    settings = load()
    with pytest.raises(AttributeError):
        settings.timeout_seconds = 1
    assert {settings: 1}[load()] == 1


def test_an_allow_list_allows_what_it_names_and_nothing_else():
    assert load().allows("anything")
    listed = load(FOUNDRY_ALLOWED_AGENT_IDS="asst_1")
    assert listed.allows("asst_1")
    assert not listed.allows("asst_2")
    assert not listed.allows("ASST_1")


def test_the_environment_is_read_when_asked_not_before(monkeypatch):
    for name in DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError):
        load_settings()
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", ENDPOINT)
    assert load_settings() == load()
    monkeypatch.setenv("HTTP_AUTH_LEVEL", "anonymous")
    assert http_auth_level() == "ANONYMOUS"


@pytest.mark.parametrize(
    ("value", "is_there"), [("", True), (" True ", True), ("false", False), ("yes", False), ("1", False)]
)
def test_the_console_is_there_unless_a_setting_says_anything_but_true(value, is_there):
    assert console_enabled({"CONSOLE_ENABLED": value}) is is_there
    told = ignored_settings({"CONSOLE_ENABLED": value})
    assert bool(told) == (value not in ("", " True ", "false"))
    assert all("set it to true or false" in message for message in told)


@pytest.mark.parametrize("value", ["ANONYMOUS", "anonymous", " Anonymous "])
def test_anonymous_access_is_opened_by_that_word(value):
    assert http_auth_level({"HTTP_AUTH_LEVEL": value}) == "ANONYMOUS"


@pytest.mark.parametrize("value", ["", "FUNCTION", "function", "ADMIN", "ANON", "ANONYMOUS!", "0", "\u0391NONYMOUS"])
def test_any_other_word_opens_nothing(value):
    assert http_auth_level({"HTTP_AUTH_LEVEL": value}) == "FUNCTION"
    assert http_auth_level({}) == "FUNCTION"


@no_deadline
@given(st.text())
def test_only_the_word_anonymous_opens_anything(value):
    assert (http_auth_level({"HTTP_AUTH_LEVEL": value}) == "ANONYMOUS") == (value.strip().upper() == "ANONYMOUS")


@no_deadline
@given(st.dictionaries(st.sampled_from(list(DEFAULTS)), st.text() | st.from_regex(r"https://[^/]*/api/projects/.*")))
def test_whatever_the_environment_holds_it_gives_settings_or_a_settings_error(environment):
    error = raised_by(lambda: load_settings(environment))
    assert error is None or isinstance(error, SettingsError)


def test_the_longest_timeout_stays_below_the_timers_limit_of_six_days():
    assert load(RUN_MAX_TIMEOUT_SECONDS=str(settings_module.LONGEST_TIMEOUT_SECONDS)).max_timeout_seconds < 6 * 86_400
