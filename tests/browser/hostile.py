"""Agents whose every word is an attack on the page that shows it."""

from __future__ import annotations

from local.foundry_emulator.scripts import Agent, Answer, Call, End, Phase, Script

HTML = "<img src=x onerror=\"alert('html')\"><script>alert('script')</script><iframe srcdoc='<p>x</p>'></iframe>"
ADDRESSES = (
    "javascript:alert(1) data:text/html,<b>x</b> vbscript:x //evil.example http://bank.example@evil.example/ file:///x"
)
SAFE_ADDRESS = "https://docs.example/a?b=<i>"
BIDI = "invoice\u202egpj.exe\u2066\u200b"
LONG = "<b>long</b> " * 75_000

WORDS = f"{HTML} {ADDRESSES} {SAFE_ADDRESS} {BIDI}"


def _hostile(name: str, number: int, script: Script) -> Agent:
    return Agent(name=name, id=f"asst_hostile{number}".ljust(29, "0"), script=script)


_ARGUMENTS = {HTML: WORDS, "__proto__": HTML}
_FUNCTIONS = (Call(name=WORDS[:200], arguments=_ARGUMENTS), Call(name=BIDI, arguments=f"no JSON {WORDS}"))
_APPROVAL = Call(type="mcp", name=BIDI, server_label=HTML, arguments=_ARGUMENTS)
CONSENT_ADDRESS = "https://login.example/consent?for=(b)&state=1."
MISLEADING_ADDRESS = "http://bank.example@evil.example/consent"


def _consent(address: str) -> Call:
    return Call(type="oauth_consent_request", server_label=HTML[:60], fields={"consent_link": address})


AGENTS = [
    _hostile(HTML, 1, Script(phases=(Phase(seconds=1),), answer=Answer(kind="text", text=WORDS))),
    _hostile(BIDI, 2, Script(phases=(Phase(seconds=1),), end=End(status="failed", code="<b>code</b>", message=WORDS))),
    _hostile("calls", 3, Script(phases=(Phase(calls=_FUNCTIONS),))),
    _hostile("asks", 4, Script(phases=(Phase(calls=(_APPROVAL,)),))),
    _hostile("long", 5, Script(phases=(Phase(seconds=1),), answer=Answer(kind="text", text=LONG))),
    _hostile("consents", 6, Script(phases=(Phase(calls=(_consent(CONSENT_ADDRESS),)), Phase(seconds=1)))),
    _hostile(
        "misleads",
        7,
        Script(phases=(Phase(calls=(Call(name="f"), _consent(MISLEADING_ADDRESS))), Phase(seconds=1))),
    ),
]
