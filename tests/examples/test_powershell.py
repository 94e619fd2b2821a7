"""The PowerShell script cannot run here: PowerShell comes from no package registry. Its words are read all the same."""

import re

from pygments.lexers import PowerShellLexer
from pygments.token import Token

from tests.examples.conftest import EXAMPLES

TEXT = (EXAMPLES / "run.ps1").read_text("utf-8")
TOKENS = list(PowerShellLexer().get_tokens(TEXT))
CODE = "".join(text for kind, text in TOKENS if kind not in Token.Comment and kind not in Token.Literal.String)


def test_all_of_it_is_powershell():
    assert [text for kind, text in TOKENS if kind in Token.Error] == []
    for opening, closing in ("()", "{}", "[]"):
        assert CODE.count(opening) == CODE.count(closing) > 0


def test_what_it_promises_is_what_it_does():
    promised = set(map(int, re.findall(r"(\d) \w", re.search(r"Exit codes: (.*)", TEXT)[1])))
    assert promised == set(map(int, re.findall(r"exit (\d)", CODE)))


def test_the_key_is_a_header_of_every_call_and_no_redirect_takes_it_along():
    calls = re.findall(r"Invoke-RestMethod (?:`\n|[^\n])*", TEXT)
    assert len(calls) == 2
    assert [call for call in calls if "@common" not in call or "-Headers ($headers" not in call] == []
    assert "MaximumRedirection = 0" in TEXT
