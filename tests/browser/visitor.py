"""Somebody before the console, and everything that the page must never do while they are there."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Literal, Self

from playwright.sync_api import Browser, ConsoleMessage, Locator, Request, expect

from tests.browser.easy_auth import COOKIE
from tests.e2e.world import World, agent

WAIT_MS = 30_000

# Runs before the page: what it reports ends up among the errors of the browser's console.
WATCH = """
const report = (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
addEventListener("securitypolicyviolation", report);
if (window.trustedTypes) trustedTypes.createPolicy = (name) => console.error(`a policy for trusted types: ${name}`);
"""


class Visitor:
    """A page of a fresh browser context, as a context manager that judges the page at its end.

    `allowed` are patterns of errors in the browser's console that a test brings about. `url` is the console's origin
    where something stands in front of the host, which signs people in.
    """

    def __init__(
        self, browser: Browser, world: World, theme: Literal["light", "dark"] = "light", *, url: str | None = None
    ) -> None:
        self._browser = browser
        self.world = world
        self.url = url or world.host.url
        self._signs_in = url is not None
        self.theme = theme
        self.key: str = world.host.ready["function_key"]
        self.allowed: list[str] = []
        self._has_left = False
        self._errors: list[str] = []
        self._urls: list[str] = []

    def __enter__(self) -> Self:
        self.context = self._browser.new_context(color_scheme=self.theme, viewport={"width": 1280, "height": 900})
        self.context.set_default_timeout(WAIT_MS)
        self.context.add_init_script(WATCH)
        self.context.on("console", self._note)
        self.context.on("weberror", lambda error: self._errors.append(f"uncaught: {error.error}"))
        self.context.on("dialog", lambda dialog: (self._errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.context.on("request", self._note_request)
        self.page = self.context.new_page()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._has_left:
                self.judge()
        finally:
            self.context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.location["url"].endswith("/.auth/me"):
            self._errors.append(message.text)  # that address is asked for, and is not there without Entra

    def _note_request(self, request: Request) -> None:
        self._urls.append(request.url)

    def judge(self) -> None:
        """Assert that nothing went wrong, nobody else was asked, and that the key is nowhere but where it may be."""
        errors = [e for e in self._errors if not any(re.search(a, e) for a in self.allowed)]
        assert not errors, errors
        own = (f"{self.url}/api/", f"{self.url}/.auth/" if self._signs_in else f"{self.url}/.auth/me", "data:")
        elsewhere = [url for url in self._urls if not url.startswith(own)]
        assert not elsewhere, elsewhere
        history = self.context.new_cdp_session(self.page).send("Page.getNavigationHistory")["entries"]
        for url in (*self._urls, self.page.url, *(entry["url"] for entry in history)):
            assert self.key not in url
        self._judge_what_is_kept()
        assert [cookie["name"] for cookie in self.context.cookies()] in ([], [COOKIE] if self._signs_in else [])

    def _judge_what_is_kept(self) -> None:
        kept = self.page.evaluate("({local: {...localStorage}, session: {...sessionStorage}})")
        assert kept["local"] == {}
        assert kept["session"] in ({}, {"functions-key": self.key})

    # --- what visitors do ---

    def go(self, place: str = "") -> None:
        """Open the console at a place such as `#/runs`; the key is not typed."""
        self.page.goto(f"{self.url}/api/console{place}")

    def leaves_the_console(self) -> None:
        """Judge what was done until now; what comes is another site's."""
        self.judge()
        self._has_left = True

    def enter(self, place: str = "#/runs") -> None:
        """Open the console there, with the key."""
        self.allowed.append(r"status of 401")  # the page learns so that a key is asked for
        self.go(place)
        self.type_key(self.key)
        expect(self.page.get_by_label("Key")).to_have_count(0)

    def type_key(self, key: str) -> None:
        self.page.get_by_label("Key").fill(key)
        self.page.get_by_role("button", name="Enter").click()

    def start(self, name: str, message: str = "hello") -> str:
        """Start a run over the API, as others do; return its id."""
        body = {"agent_id": agent(name), "user_message": message}
        answer = self.world.post("/api/run_agent", body, self.header)
        assert answer.status == 202, answer.text
        return str(answer.json["id"])

    def document(self, instance_id: str) -> dict[str, Any]:
        """What the API says of a run."""
        return dict(self.world.host.request("GET", f"/api/runs/{instance_id}", headers=self.header).json)

    @property
    def header(self) -> dict[str, str]:
        return {"x-functions-key": self.key}

    # --- what visitors see ---

    @property
    def state(self) -> Locator:
        """The status of the run that is shown."""
        return self.page.locator("main header .state")

    def sees(self, text: str | re.Pattern[str], within: str = "main") -> None:
        """Wait until the text is there."""
        expect(self.page.locator(within).get_by_text(text).first).to_be_visible(timeout=WAIT_MS)
