"""What agents write: content blocks in the service's wire shape."""

from typing import Any

from local.foundry_emulator.scripts import Answer

Content = list[dict[str, Any]]

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
    return "\n".join(block["text"]["value"] for block in content if block["type"] == "text")


def compose(answer: Answer, *, user_messages: list[str], tool_results: list[Any]) -> Content | None:
    """Write the answer, or None where the agent stays silent."""
    match answer.kind:
        case "none":
            return None
        case "text":
            return [text_block(answer.text)]
        case "content":
            return [dict(block) for block in answer.content]
        case "tools":
            return [text_block(_from_tools(tool_results))]
        case "history":
            return [text_block(_from_history(user_messages))]


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
