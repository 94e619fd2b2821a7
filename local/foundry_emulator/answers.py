"""What agents write: content blocks in the service's wire shape."""

from typing import Any

from local.foundry_emulator.scripts import Answer, Written

Content = Any  # a list of content blocks; scripts may write anything else

_SUNSET = (
    "At sunset the light takes a longer way through the air. On that way the blue is scattered aside, and "
    "the red and orange reach your eyes."
)
_SKY = (
    "Sunlight holds all colours. The molecules of the air scatter short wavelengths far more than long ones "
    "(Rayleigh scattering: with the fourth power of the frequency), so blue light reaches us from every part "
    "of the sky. Violet is scattered even more, but the sun sends less of it and our eyes see it poorly."
)
_JOKE = "A photon checks into a hotel. Any luggage? No, I'm travelling light."
_KNOWN = (("sunset", _SUNSET), ("sky blue", _SKY), ("joke", _JOKE))


def text_block(value: str, annotations: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Make one text block."""
    return {"type": "text", "text": {"value": value, "annotations": annotations or []}}


def text_of(content: Content) -> str:
    """Join the text blocks of a message."""
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if block.get("type") == "text"]
    return "\n".join(str(text.get("value", "") if isinstance(text, dict) else text) for text in texts)


def compose(answer: Answer, *, user_messages: list[str], tool_results: list[Any]) -> tuple[Written, ...]:
    """Write the messages of the answer; none where the agent stays silent."""
    match answer.kind:
        case "none":
            return ()
        case "messages":
            return answer.messages
        case "content":
            return (Written(content=list(answer.content)),)
        case "text":
            return (said(answer.text),)
        case "tools":
            return (said(_from_tools(tool_results)),)
        case "history":
            return (said(_from_history(user_messages)),)


def said(text: str) -> Written:
    """Make a message of one text."""
    return Written(content=[text_block(text)])


def _from_history(user_messages: list[str]) -> str:
    if not user_messages:
        return "There is no user message in this thread yet."
    question = user_messages[-1]
    answers = [text for words, text in _KNOWN if words in question.lower()]
    reply = answers[0] if answers else f'You wrote: "{_shortened(question)}".'
    count = len(user_messages)
    if count == 1:
        return f"{reply}\n\n(This thread holds 1 user message.)"
    previous = _shortened(user_messages[-2])
    return f'{reply}\n\n(This thread holds {count} user messages. The one before this was: "{previous}")'


def _from_tools(results: list[Any]) -> str:
    parts = [("approved" if result else "denied") if isinstance(result, bool) else str(result) for result in results]
    return "The tools said: " + "; ".join(parts)


def _shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[:limit] + "..."
