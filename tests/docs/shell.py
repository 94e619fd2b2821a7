"""The commands of a page, with the output that it shows for each."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.docs.documents import Document

HOST, EMULATOR = "localhost:7071", "localhost:7080"
"""Where the pages say that the local host and the emulator are."""

_CLIENT = re.compile(r"(?:^|\$\()agent-runs ")
"""The command that calls the local host by itself."""

_BLOCK = re.compile(r"^( *)```(?P<language>\w*)\n(?P<body>.*?)^\1```$", re.MULTILINE | re.DOTALL)
_VARIES = [
    (r"\b(thread|run|msg|call)_[A-Za-z0-9]{24}\b", r"\1_X"),
    (r"\b(call|conv|resp)_(?:[0-9a-f]{16}00)?[0-9a-f]{8}[A-Za-z0-9]{22}\b", r"\1_X"),
    (r"\b([0-9a-f]{12}-[0-9a-f]{20}|[0-9a-f]{32})\b", "INSTANCE"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r'"polls": ?\d+', '"polls": N'),
]
"""What differs from run to run."""


@dataclass(frozen=True)
class Command:
    """A command, which may go on over several lines, and the output that is shown below it ("" where none is)."""

    text: str
    output: str = ""


def blocks(page: Document) -> list[tuple[str, str]]:
    """Return language and text of every fenced block."""
    return [(found["language"], textwrap.dedent(found["body"])) for found in _BLOCK.finditer(page.text)]


def commands(page: Document) -> list[Command]:
    """Return the commands of all `console` blocks in order."""
    found: list[Command] = []
    for language, body in blocks(page):
        if language == "console":
            assert body.startswith("$ "), f"{page.path.name}: a console block begins with a command: {body[:60]!r}"
            found += [_command(text) for text in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]]
    return found


def _command(text: str) -> Command:
    lines = text.rstrip("\n").split("\n")
    last = next(i for i, line in enumerate(lines) if not line.endswith("\\"))
    return Command("\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]))


def is_shell(text: str) -> bool:
    """Say whether the shell can read the text; what is in angle brackets is for the reader to fill in."""
    filled = re.sub(r"<[\w .]+>", "FILLED_IN", text)
    return subprocess.run(["bash", "-n", "-c", filled], capture_output=True, check=False).returncode == 0


def calls(command: Command) -> bool:
    """Say whether the command calls the local host or the emulator."""
    return HOST in command.text or EMULATOR in command.text or _CLIENT.search(command.text) is not None


def run(session: Sequence[Command], *, addresses: Mapping[str, str], folder: Path) -> list[str]:
    """Run the commands in one shell, so that variables last; return what each printed. Raise where one fails.

    `addresses` says where those are that the pages name.
    """
    script = ""
    for number, command in enumerate(session):
        text = _replaced(command.text, addresses)
        script += f"{{\n{text}\n}} > {shlex.quote(str(folder / f'{number}.txt'))} 2>&1 || exit {number + 1}\n"
    failed = subprocess.run(["bash", "-c", script], cwd=folder, timeout=100, check=False).returncode
    printed = [(folder / f"{n}.txt").read_text("utf-8") for n in range(failed or len(session))]
    assert not failed, f"{session[failed - 1].text}\n{printed[-1]}"
    return [_replaced(text, {real: shown for shown, real in addresses.items()}) for text in printed]


def _replaced(text: str, names: Mapping[str, str]) -> str:
    for name, other in names.items():
        text = text.replace(name, other)
    return text


def fits(shown: str, printed: str) -> bool:
    """Say whether a command has printed what the page shows: `...` stands for anything, and ids and times vary."""
    shown, printed = _normalised(shown), _normalised(printed)
    pattern = re.escape(shown).replace(r"\.\.\.", ".*?")
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


def _normalised(text: str) -> str:
    for pattern, name in _VARIES:
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
