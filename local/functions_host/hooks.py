"""Where the engine can be made to misbehave on purpose; without ``--hostile`` it never does."""

from __future__ import annotations

from local.functions_host.protocol import Event


class Hooks:
    """The well-behaved host. ``hostile`` overrides these."""

    def message_delay(self, event: Event) -> float:  # noqa: ARG002
        """Host seconds for which a message is held back."""
        return 0.0
