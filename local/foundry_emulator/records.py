"""Objects as rows of the journal, and back."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from local.foundry_emulator.journal import JournalError, Row
from local.foundry_emulator.objects import Assistant, Message, Run, StoredFile, Thread, user_texts
from local.foundry_emulator.second.objects import Conversation, Item, NamedAgent, Response

Kept = Assistant | StoredFile | Thread | Message | Run | NamedAgent | Conversation | Item | Response


@dataclass
class Restored:
    """What a journal holds; messages and runs are in their threads, items and responses in their conversations."""

    assistants: dict[str, Assistant] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    named: dict[str, NamedAgent] = field(default_factory=dict)
    conversations: dict[str, Conversation] = field(default_factory=dict)
    responses: dict[str, Response] = field(default_factory=dict)


def row_of(one: Kept) -> Row:
    """Return an object as a row.

    Messages and runs have rows of their own, beside that of their thread. What a run has heard stands before it.
    """
    match one:
        case Thread():
            body = msgspec.to_builtins(replace(one, messages=[], runs=[], unsettled=[]))
        case Run():
            body = msgspec.to_builtins(replace(one, user_messages=[]))
        case Conversation():
            body = msgspec.to_builtins(replace(one, items=[], responses=[]))
        case _:
            body = msgspec.to_builtins(one)
    return Row(type(one).__name__.lower(), one.id, json.dumps(body))  # not msgspec's: texts may hold lone surrogates


def restored(rows: Iterable[Row]) -> Restored:
    """Return the objects of these rows; raise `JournalError` for one that cannot be read."""
    found = Restored()
    for row in rows:
        try:
            _add(found, row.kind, json.loads(row.body))
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(f"{row.kind} {row.id} cannot be read: {error}") from error
    return found


def _add(found: Restored, kind: str, body: dict[str, Any]) -> None:
    match kind:
        case "assistant":
            assistant = msgspec.convert(body, Assistant)
            found.assistants[assistant.id] = assistant
        case "storedfile":
            file = msgspec.convert(body, StoredFile)
            found.files[file.id] = file
        case "thread":
            thread = msgspec.convert(body, Thread)
            found.threads[thread.id] = thread
        case "message":
            message = msgspec.convert(body, Message)
            found.threads[message.thread_id].messages.append(message)
        case "run":
            thread = found.threads[body["thread_id"]]
            run = msgspec.convert({**body, "user_messages": user_texts(thread)}, Run)
            found.runs[run.id] = run
            thread.runs.append(run)
            thread.unsettled.append(run)  # one that has ended may not have written its answer yet
        case "namedagent":
            agent = msgspec.convert(body, NamedAgent)
            found.named[agent.id] = agent
        case "conversation":
            conversation = msgspec.convert(body, Conversation)
            found.conversations[conversation.id] = conversation
        case "item":
            item = msgspec.convert(body, Item)
            found.conversations[item.conversation_id].items.append(item)
        case "response":
            response = msgspec.convert(body, Response)
            found.responses[response.id] = response
            if response.conversation_id is not None:
                found.conversations[response.conversation_id].responses.append(response)
        case _:
            raise ValueError(f"no object is called {kind}")
