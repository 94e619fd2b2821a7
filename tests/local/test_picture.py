from xml.etree import ElementTree as ET

from local.picture import ADVANCE, LINE, MARGIN, picture

OUTPUT = "Starting <it> & more\n\n  \x1b[90m 0.1 s\x1b[0m  \x1b[31mkill -9 7\x1b[0m\n"


def drawn(output):
    root = ET.fromstring(picture(output))
    return root, list(root.iter("{http://www.w3.org/2000/svg}text"))


def test_every_line_is_there_as_text_below_the_command():
    root, texts = drawn(OUTPUT)
    assert ["".join(text.itertext()) for text in texts] == [
        "$ make demo",
        "Starting <it> & more",
        "   0.1 s  kill -9 7",
    ]
    assert [int(text.get("y")) // LINE for text in texts] == [1, 2, 4]  # the empty line keeps its place
    assert [[span.get("class") for span in text] for text in texts] == [[], [], ["aside", "bad"]]
    assert int(root.get("height")) == 4 * LINE + 2 * MARGIN
    assert int(root.get("width")) == round(20 * ADVANCE) + 2 * MARGIN


def test_lines_are_as_wide_as_their_characters_and_colours_have_a_fill():
    _, texts = drawn(OUTPUT)
    assert [float(text.get("textLength")) for text in texts] == [round(n * ADVANCE, 1) for n in (11, 20, 19)]
    for name in ("aside", "bad"):
        assert f".{name}{{fill:#" in picture(OUTPUT)


def test_the_same_text_gives_the_same_picture():
    assert picture(OUTPUT) == picture(OUTPUT.rstrip("\n"))
    assert "\x1b" not in picture(OUTPUT)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_all_colours_can_be_read_on_the_pictures_own_ground():
    root, _ = drawn(OUTPUT)
    [ground] = root.iter("{http://www.w3.org/2000/svg}rect")
    dark = luminance(ground.get("fill"))
    fills = [part.split("}")[0] for part in root.find("{http://www.w3.org/2000/svg}style").text.split("fill:")[1:]]
    assert len(fills) == 5
    for fill in fills:
        assert (luminance(fill) + 0.05) / (dark + 0.05) >= 7, fill  # WCAG's stricter limit for text
