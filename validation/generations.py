"""What of a request an agent does not take, for its generation. Nothing is dropped in silence: it is refused, with what
to do instead, before anything is created (foundry-responses.md, section 1.3). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from contracts.codes import ErrorCode
from contracts.generations import Generation, generation_of_thread
from contracts.messages import ImageFilePart
from contracts.request import AgentRunRequest, RunOptions
from validation.field_errors import FieldError, InvalidRequestError

_SECOND = "second-generation agents"

_ON_THE_VERSION = "set it on a version of the agent, and name that"
_IN_THE_MESSAGE = "put it into the message"

_ADVICE = {
    "additional_instructions": f"{_IN_THE_MESSAGE}, or fill a template of the agent's instructions: structured_inputs",
    "additional_messages": _IN_THE_MESSAGE,
    "tool_resources": "give its files to tools of a version of the agent, and name that",
    "include": "leave it out",
}
"""What to do instead of an option that second-generation agents refuse; of the others: `_ON_THE_VERSION`."""

_TAKEN = {"structured_inputs"}
"""Options of second-generation agents, and theirs alone."""


def refuse_unfit(request: AgentRunRequest, generation: Generation) -> None:
    """Raise `InvalidRequestError` where an agent of this generation does not take all of the request."""
    if errors := unfit_for(request, generation):
        raise InvalidRequestError(errors)


def unfit_for(request: AgentRunRequest, generation: Generation) -> list[FieldError]:
    """Return what of the request an agent of this generation does not take."""
    parts = _unfit_for_second(request) if generation == "responses" else _unfit_for_classic(request)
    return sorted([*parts, *_of_another_generation(request.thread_id, generation)], key=lambda error: error.target)


def _of_another_generation(thread_id: str | None, generation: Generation) -> Iterator[FieldError]:
    if thread_id is None or generation_of_thread(thread_id) == generation:
        return
    if generation == "responses":
        which = (
            "is a thread of classic agents, and the agent is of the second generation, which runs on conversations "
            "(conv_...)"
        )
        instead = "start without thread_id, which begins a new conversation"
    else:
        which = (
            "is a conversation of second-generation agents, and the agent is a classic one, which runs on threads "
            "(thread_...)"
        )
        instead = "start without thread_id, which begins a new thread"
    message = f"{which}. No service turns one into the other: {instead}, or name an agent of the other generation"
    yield FieldError(code=ErrorCode.INVALID, message=message, target="thread_id")


def _unfit_for_classic(request: AgentRunRequest) -> Iterator[FieldError]:
    for name in _given(request.run_options) & _TAKEN:
        yield _refused(f"run_options.{name}", "classic agents", "use additional_instructions")


def _unfit_for_second(request: AgentRunRequest) -> Iterator[FieldError]:
    for name in _given(request.run_options) - _TAKEN:
        yield _refused(f"run_options.{name}", _SECOND, _ADVICE.get(name, _ON_THE_VERSION))
    for number, part in enumerate(request.content or []):
        if isinstance(part, ImageFilePart):
            yield _refused(f"content[{number}].image_file", _SECOND, "give the image as image_url, as data: if need be")
    if request.attachments:
        instead = "give the files to tools of a version of the agent (file_search, code_interpreter), and name that"
        yield _refused("attachments", _SECOND, instead)


def _given(options: RunOptions) -> set[str]:
    return {name for name in RunOptions.__struct_fields__ if getattr(options, name) is not None}


def _refused(target: str, by_whom: str, instead: str) -> FieldError:
    return FieldError(code=ErrorCode.NOT_ALLOWED, message=f"is not taken by {by_whom}: {instead}", target=target)
