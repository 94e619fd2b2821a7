"""Makes replay in this host faster: the SDK parses every timestamp of a history with ``dateutil``."""

from __future__ import annotations

import sys
from typing import Any

from local.functions_host.clock import parse_iso

# By its name in sys.modules: the package shows the class of the same name instead of the module.
_MODULE = "azure.durable_functions.models.history.HistoryEvent"


def install_fast_timestamps() -> None:
    """Let the SDK, where the app has imported it, parse history timestamps with the standard library.

    That is seven times faster. The timestamps are this host's own, so nothing but ISO dates comes in. Only the
    local host does this.
    """
    module: Any = sys.modules.get(_MODULE)
    if hasattr(module, "dt_parse"):
        module.dt_parse = parse_iso
