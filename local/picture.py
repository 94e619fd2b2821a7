"""Makes the README's picture of a terminal from the demo's real output, colours included.

    FORCE_COLOR=1 python -m local.demo | python -m local.picture > docs/pictures/demo.svg

The same text gives the same picture. The picture brings its own ground, so that it can be read on a page of any
colour.
"""

from __future__ import annotations

import re
import sys
from xml.sax.saxutils import escape

from local.terminal import Colour

COMMAND = "$ make demo"
SIZE, ADVANCE, LINE, MARGIN = 13, 7.8, 19, 16
"""In pixels: the font, a character's width, a line's height, and the room around the text."""

_GROUND, _EDGE, _TEXT = "#0d1117", "#57606a", "#e6edf3"
_FILLS = {Colour.BAD: "#ff7b72", Colour.GOOD: "#7ee787", Colour.WORTH_SEEING: "#79c0ff", Colour.ASIDE: "#9ea7b3"}
_PAINTED = re.compile(r"\x1b\[(\d+)m(.*?)\x1b\[0m")


def picture(output: str) -> str:
    """Return the SVG of a terminal in which `make demo` printed this."""
    lines = [COMMAND, *output.rstrip("\n").split("\n")]
    columns = max(len(_PAINTED.sub(r"\2", line)) for line in lines)
    width, height = round(columns * ADVANCE) + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    fonts = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
    fills = "".join(f".{colour.name.lower()}{{fill:{fill}}}" for colour, fill in _FILLS.items())
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t">',
            '<title id="t">A terminal: the host is killed in the middle of a run, and the run goes on</title>',
            f"<style>text{{font:{SIZE}px {fonts};fill:{_TEXT}}}{fills}</style>",
            f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8" fill="{_GROUND}" stroke="{_EDGE}"/>',
            *(_line(line, MARGIN + number * LINE) for number, line in enumerate(lines, 1) if line),
            "</svg>\n",
        )
    )


def _line(line: str, y: int) -> str:
    """Return a line as SVG, as wide as its characters wherever another font is at hand."""
    length = round(len(_PAINTED.sub(r"\2", line)) * ADVANCE, 1)
    spans = re.sub(_PAINTED, lambda m: f'<tspan class="{Colour(int(m[1])).name.lower()}">{m[2]}</tspan>', escape(line))
    return f'<text x="{MARGIN}" y="{y - 5}" textLength="{length}" xml:space="preserve">{spans}</text>'


if __name__ == "__main__":
    sys.stdout.write(picture(sys.stdin.read()))
