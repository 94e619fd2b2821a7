"""Why there was no answer, in words of our own, and what to do about it. Pure.

The libraries wrap what went wrong in several layers of exceptions, azure-identity in nothing but a text: but every
layer repeats the text below it, so the text is what is read. It also holds URLs, queries and names of files, of which
nothing is passed on: only what these patterns take out of it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Kind(enum.Enum):
    """What kept the answer away, as far as it matters what follows."""

    CERTIFICATE = enum.auto()
    """Who answers is not trusted: waiting does not mend that."""
    CERTIFICATE_BUNDLE = enum.auto()
    """Our own list of whom to trust cannot be read."""
    PROXY = enum.auto()
    """The proxy wants credentials, or its setting is malformed."""
    NETWORK = enum.auto()
    """It may pass, or not."""
    UNKNOWN = enum.auto()
    """The text says nothing of a network."""


@dataclass(frozen=True)
class NoAnswer:
    """Why there was none."""

    kind: Kind
    reason: str
    remedy: str = ""

    def told(self, beside: str = "") -> str:
        """Return reason and remedy, and between them what else is known."""
        return ". ".join(part for part in ("; ".join(p for p in (self.reason, beside) if p), self.remedy) if part)


_UNKNOWN_ISSUER = (
    "Set REQUESTS_CA_BUNDLE to a PEM file that holds the certificate of the authority that issued it (that of the "
    "company's proxy, say) beside the public ones"
)
_EXPIRED = (
    "Whoever runs that host must renew it, and the clock of this machine must be right; where it is a proxy's own "
    "authority that was renewed, the file of REQUESTS_CA_BUNDLE needs the new one"
)
_OTHER_HOST = (
    "The name leads to another host than is meant: look at {setting}, DNS and private endpoints; REQUESTS_CA_BUNDLE "
    "does not mend that"
)
_DEFECTIVE = (
    "Who issued it must issue another one: it breaks a rule for certificates, of which Python 3.13 and later check "
    "more than 3.12; REQUESTS_CA_BUNDLE does not mend that"
)
_BUNDLE = "REQUESTS_CA_BUNDLE must name a PEM file that is there, with the certificates of the authorities to trust"
_PROXY_SETTING = "HTTPS_PROXY must be http://host:port, with user:password@ before the host where the proxy wants that"
_WAY = "Look at the rules of firewalls and network security groups between, at private endpoints, and at HTTPS_PROXY"
_DNS = (
    "Look at the host name in {setting}, and at DNS: with a private endpoint of the Foundry account, the private DNS "
    "zone privatelink.services.ai.azure.com must be linked to the app's network"
)
_TLS = "Look at what stands between, such as a proxy that inspects or a firewall that cuts, and at HTTPS_PROXY"

_PROXY_BEFORE = re.compile(r"ProxyError|(cannot|unable to) connect to proxy|Tunnel connection failed", re.IGNORECASE)
_MALFORMED_PROXY = re.compile(r"InvalidProxyURL|proxy URL|SOCKS|is not a valid host or port", re.IGNORECASE)
_NO_BUNDLE = re.compile(
    r"suitable TLS CA certificate bundle|NO_CERTIFICATE_OR_CRL_FOUND|\[X509|PEM lib|no start line|NO_START_LINE"
    r"|SSLError\((FileNotFound|Permission|IsADirectory)Error",
    re.IGNORECASE,
)
_UNTRUSTED = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|CertificateError|certificate verify failed|hostname .{1,255} doesn't match"
)
_WHY_UNTRUSTED = re.compile(r"certificate verify failed: ([\w .,'*-]{1,200})")
_DEFECT = re.compile(
    r"Key Identifier|Basic Constraints|too weak|purpose|revoked|path length|invalid CA certificate|critical|extension",
    re.IGNORECASE,
)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_TLS_REASON = re.compile(r"\[SSL: ([A-Z0-9_]{1,60})\]|SSL: ([A-Z0-9_]{1,60})")
_UNKNOWN_NAME = re.compile(
    r"Failed to resolve|NameResolutionError|getaddrinfo|Name or service not known|nodename nor servname"
    r"|No address associated|Temporary failure in name resolution",
    re.IGNORECASE,
)
_WAYS = (
    (r"Connection refused|Errno 111\b|WinError 10061", "refuses the connection"),
    (r"Network is unreachable|No route to host|Host is unreachable", "cannot be reached: there is no way to it"),
    (r"ConnectTimeout|connect timeout|Connection to .{1,255} timed out", "does not answer the attempt to connect"),
)
_BROKEN = re.compile(
    r"Remote end closed|RemoteDisconnected|Connection aborted|Connection reset|ConnectionReset|Broken pipe",
    re.IGNORECASE,
)
_CUT = re.compile(r"IncompleteRead|ChunkedEncoding|ContentDecoding|Garbled|BadStatusLine|InvalidChunk|LineTooLong")


def why_no_answer(text: str, host: str, setting: str = "FOUNDRY_PROJECT_ENDPOINT") -> NoAnswer:
    """Return why the host gave no answer. `text` is type and message of what a library raised, `host` who was asked,
    and `setting` what names it.
    """
    if _NO_BUNDLE.search(text):
        return NoAnswer(Kind.CERTIFICATE_BUNDLE, "the certificates to trust cannot be read", _BUNDLE)
    if tunnel := _TUNNEL.search(text):
        return _refused_by_proxy(tunnel[1], host)
    through = _PROXY_BEFORE.search(text) is not None
    who = "the proxy of HTTPS_PROXY" if through else host
    if _UNTRUSTED.search(text):
        found = _WHY_UNTRUSTED.search(text)
        why = found[1].strip(" .,'") if found else ""
        remedy = _UNKNOWN_ISSUER
        if "expired" in why or "not yet valid" in why:
            remedy = _EXPIRED
        elif _DEFECT.search(why):
            remedy = _DEFECTIVE
        if re.search(r"mismatch|doesn't match|not valid for", text):
            remedy, why = _OTHER_HOST.format(setting=setting), why or "host name mismatch"
        return NoAnswer(
            Kind.CERTIFICATE, f"the certificate of {who} is not trusted" + (f" ({why})" if why else ""), remedy
        )
    if _MALFORMED_PROXY.search(text):
        return NoAnswer(Kind.PROXY, "the proxy of the environment cannot be used", _PROXY_SETTING)
    if tls := _TLS_REASON.search(text):
        return NoAnswer(Kind.NETWORK, f"the TLS handshake with {who} failed ({tls[1] or tls[2]})", _TLS)
    return _unreached(text, who, setting, through=through)


def _unreached(text: str, who: str, setting: str, *, through: bool) -> NoAnswer:
    remedy = "Look at HTTPS_PROXY, and at NO_PROXY for what needs none" if through else ""
    if _UNKNOWN_NAME.search(text):
        passing = re.search("temporary failure", text, re.IGNORECASE) is not None
        reason = f"DNS does not tell now where {who} is" if passing else f"the name of {who} is unknown to DNS"
        return NoAnswer(Kind.NETWORK, reason, remedy or _DNS.format(setting=setting))
    for pattern, what in _WAYS:
        if re.search(pattern, text, re.IGNORECASE):
            return NoAnswer(Kind.NETWORK, f"{who} {what}", remedy or _WAY)
    if _BROKEN.search(text):
        return NoAnswer(Kind.NETWORK, f"{who} closed the connection before the answer", remedy)
    if _CUT.search(text):
        return NoAnswer(Kind.NETWORK, f"the answer of {who} was cut off or garbled", remedy)
    if re.search(r"timed? ?out", text, re.IGNORECASE):
        return NoAnswer(Kind.NETWORK, f"{who} did not answer in time", remedy)
    kind = re.match(r"[A-Za-z]{1,60}(?=:|\Z)", text)
    return NoAnswer(Kind.UNKNOWN, kind[0] if kind else "no reason given", remedy)


def _refused_by_proxy(status: str, host: str) -> NoAnswer:
    if status == "407":
        return NoAnswer(Kind.PROXY, "the proxy of HTTPS_PROXY wants credentials (407)", _PROXY_SETTING)
    return NoAnswer(
        Kind.NETWORK,
        f"the proxy of HTTPS_PROXY does not connect to {host} ({status})",
        "Whoever runs it must allow that host, or NO_PROXY must name it",
    )
