"""What the second generation stores: agents with versions, conversations, their items, responses."""

from dataclasses import dataclass, field
from typing import Any

from local.foundry_emulator.scripts import End, Kind, Script

Json = dict[str, Any]


@dataclass
class AgentVersion:
    """One version of an agent, with the script that the emulator gives it."""

    version: str
    created_at: float
    definition: Json
    script: Script
    description: str = ""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """What sort of agent it is."""
        kind: Kind = self.definition["kind"]
        return kind


@dataclass
class NamedAgent:
    """An agent; its name is its id. The last version is the latest."""

    id: str
    versions: list[AgentVersion]
    enabled: bool = True
    made: int = 0  # versions so far, deleted ones too: a number is never given twice
    does: str = ""


@dataclass
class Item:
    """An item that a client has put into a conversation: as it is stored, and its place in the order."""

    id: str
    conversation_id: str
    number: int
    entered_at: float
    visible_at: float
    body: Json


@dataclass
class Heard:
    """What a response has read of the user: the last texts, and how many there are."""

    count: int = 0
    words: int = 0
    last: list[str] = field(default_factory=list)  # at most two: no answer quotes more

    def texts(self) -> list[str]:
        """Return as many texts as there are; those that nobody quotes are empty."""
        return [*[""] * (self.count - len(self.last)), *self.last]


@dataclass
class Response:
    """A response: its creation, and what happened to it since.

    `first` is the phase of the script with which it begins: more than 0 where it goes on after calls that `given`
    answers. `at_once`, `keeps_input` and the lags are the unknowns as they were when it was created.
    """

    id: str
    created_at: float
    number: int
    agent_name: str
    version: str
    kind: Kind
    script: Script
    fields: Json  # of the agent's definition, which answers repeat
    inputs: list[Json]
    heard: Heard
    conversation_id: str | None = None
    previous_id: str | None = None
    continues: str | None = None
    first: int = 0
    given: list[Any] = field(default_factory=list)
    approved: list[Json] = field(default_factory=list)
    background: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    poisoned_by: str | None = None
    at_once: bool = False
    keeps_input: bool = False
    list_lag: float = 0.0
    item_lag: float = 0.0
    cut_at: float | None = None
    cancel_at: float | None = None
    forced: tuple[float, End] | None = None
    over_quota: bool = False
    refused: int = 0
    deleted: bool = False


@dataclass
class Conversation:
    """A conversation. A deleted one stays here for the ledger. `broken` is what each further response fails with."""

    id: str
    created_at: float
    metadata: dict[str, str] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    broken: str | None = None
    deleted: bool = False

    @property
    def next_number(self) -> int:
        """The place in the order of what comes next: it decides between things of the same moment."""
        return len(self.items) + len(self.responses)
