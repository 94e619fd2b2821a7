"""The console's files: what is vendored is what was published, all of it is small, nothing in it makes HTML of text."""

import hashlib
import json
import re

import pytest

from http_api.console import FOLDER, PAGE, files

VENDORED = json.loads((FOLDER / "vendored.json").read_text("utf-8"))
OWN = sorted(files().keys() - VENDORED.keys())
MOST_BYTES = 60 * 1024


@pytest.mark.parametrize("name", VENDORED)
def test_what_is_vendored_is_what_was_published(name):
    assert hashlib.sha256(files()[name].content).hexdigest() == VENDORED[name]["sha256"]
    licence = (FOLDER / VENDORED[name]["licence"]).read_text("utf-8")
    assert "Licen" in licence
    assert re.fullmatch(r"[a-z-]+@\d+\.\d+\.\d+", VENDORED[name]["package"])


def test_a_changed_file_would_be_noticed():
    changed = files()["htm.mjs"].content.replace(b"export default", b"export  default")
    assert changed != files()["htm.mjs"].content
    assert hashlib.sha256(changed).hexdigest() != VENDORED["htm.mjs"]["sha256"]


def test_all_that_is_served_is_small():
    assert sum(len(file.content) for file in files().values()) < MOST_BYTES


def test_licences_and_checksums_lie_beside_and_are_not_served():
    beside = {path.name for path in FOLDER.iterdir()} - files().keys()
    assert beside == {"vendored.json", *(v["licence"] for v in VENDORED.values())}


@pytest.mark.parametrize("name", OWN)
def test_nothing_of_ours_makes_html_of_text_or_keeps_what_it_is_told(name):
    text = files()[name].content.decode("utf-8")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function",
                 "createPolicy", "localStorage", "document.cookie", "http-equiv", "javascript:"):  # fmt: skip
        assert word.lower() not in text.lower(), word


@pytest.mark.parametrize("name", OWN)
def test_no_address_of_anybody_else_is_in_them(name):
    text = files()[name].content.decode("utf-8")
    assert set(re.findall(r"https?://[\w.-]+", text)) <= {"http://www.w3.org"}  # a namespace


def test_every_file_is_used_and_every_file_that_is_used_is_there():
    used = set(re.findall(r'(?:href|src)="console/([^"]+)"', files()[PAGE].content.decode("utf-8")))
    for name in OWN:
        used |= set(re.findall(r'from "\./([^"]+)"', files()[name].content.decode("utf-8")))
    assert used == files().keys() - {PAGE}
