"""What no source says about the second generation, as switches; P2 and others are probes of docs/foundry-responses.md.

`p8`, `p11`, `p15` and the two lags hold for whatever is created from then on, the others for every request. Seconds are
those of the service's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0)]
Echo = Literal["echoed", "empty"]


class Unknowns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value for each unknown; docs/emulator.md says what each value does."""

    p2: Literal["listed", "hidden"] = "listed"
    p3: Literal["locked", "allowed", "in_progress", "conflict"] = "locked"
    p4: Literal["allowed", "refused"] = "allowed"
    p5: Literal["refused", "failed", "broken", "ignored"] = "refused"
    p7: Literal["accepted", "refused"] = "accepted"
    p8: Literal["at_end", "at_once"] = "at_end"
    p9: Literal["refused", "returned"] = "refused"
    p11: Literal["dropped", "kept"] = "dropped"
    p12: Literal["refused", "ignored", "appended"] = "refused"
    p15: Literal["goes_on", "ends"] = "goes_on"
    p16: Literal["accepted", "hosted", "workflow", "both", "all"] = "accepted"
    response_metadata_get: Echo = "echoed"
    response_metadata_list: Echo = "echoed"
    conversation_metadata_get: Echo = "echoed"
    conversation_metadata_list: Echo = "echoed"
    list_lag: Seconds = 0.0
    item_lag: Seconds = 0.0
    late_effect: Seconds = 0.0

    def changed(self, values: Mapping[str, Any]) -> "Unknowns":
        """Return the same with other values. Raises ValueError for a name or a value that there is not."""
        try:
            return msgspec.convert({**msgspec.to_builtins(self), **values}, Unknowns)
        except msgspec.ValidationError as error:
            raise ValueError(f"unknowns: {error}") from error

    def refuses_background(self, kind: str) -> bool:
        """Whether agents of a kind run in the foreground only."""
        return self.p16 in {"all", kind} or (self.p16 == "both" and kind in {"hosted", "workflow"})


@dataclass
class Switches:
    """The unknowns as they are now; whoever turns one puts another value here."""

    unknowns: Unknowns


def parse(texts: list[str]) -> Unknowns:
    """Read `NAME=VALUE` texts. Raises ValueError."""
    values: dict[str, Any] = {}
    for one in texts:
        name, separator, value = one.partition("=")
        if not separator:
            raise ValueError(f"{one!r} is no NAME=VALUE")
        values[name] = float(value) if isinstance(getattr(Unknowns(), name, None), float) else value
    return Unknowns().changed(values)
