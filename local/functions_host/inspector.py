"""Shows the user what the linter finds: in the code at start, in instances when they end; each thing once."""

from __future__ import annotations

from collections.abc import Iterable

from local.functions_host.console import Console
from local.functions_host.episode import Effects
from local.functions_host.lint import Finding, lint, lint_answers, stall, unread
from local.functions_host.lintsource import lint_source
from local.functions_host.loader import App


class Inspector:
    """Runs the linter over an app and its instances."""

    def __init__(self, app: App, console: Console) -> None:
        """Report on `console`."""
        self._app = app
        self._console = console
        self._said: set[tuple[str, str]] = set()

    def start(self) -> None:
        """Check the code of every orchestrator."""
        activities, orchestrators = self._app.of("activityTrigger"), self._app.of("orchestrationTrigger")
        for name, function in orchestrators.items():
            code = getattr(function.call, "orchestrator_function", function.call)
            known = {*activities, *self._app.disabled("activityTrigger")}
            self._say(name, "", lint_source(code, known, set(orchestrators)))

    def observe(self, effects: Effects) -> None:
        """Check an episode."""
        for answered in effects.answered:
            found = lint_answers(answered.before, answered.after, raised=answered.raised)
            self._say(answered.name, answered.instance_id, found)
        for name, instance_id, waiting_for in effects.stalled:
            self._say(name, instance_id, [stall(waiting_for)])
        for name, instance_id in effects.unread:
            self._say(name, instance_id, [unread()])
        for finished in effects.finished:
            self._say(finished.name, finished.instance_id, lint(finished))

    def _say(self, name: str, instance_id: str, findings: Iterable[Finding]) -> None:
        for finding in findings:
            # Once per orchestrator and rule, but every place in the code.
            key = (name, finding.rule if instance_id else str(finding))
            if key not in self._said:
                self._said.add(key)
                where = f" ('{instance_id}')" if instance_id else ""
                self._console.warn(f"lint {name}{where}: {finding}")
