"""What a model API's reply means when it is no answer: (status, headers, body) -> what happens next. Pure.

Any bytes in, a `Finding` out. The body's ``error.code`` and ``error.type`` speak before the status, and an
``error`` object inside a 200 is an error (DESIGN 9). The table itself is `verdict_table`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glimpsed import bounded
from glimpsed.errors import Verdict, VerdictKind
from glimpsed.model import Api
from glimpsed.vision import waits
from glimpsed.vision.events import FIELDS
from glimpsed.vision.told import Told, told_by
from glimpsed.vision.verdict_table import CUT_OFF, ERRORS, LIMITED, OVERLOAD, STATUSES, Hint
from glimpsed.words import lasting

SOON = 300.0  # seconds; a quota that is back by then is a rate
_REASON = 240  # characters
_LARGEST_TEXT = 20_000  # bytes that are looked into, of a body that is no JSON
_LARGEST = 32 << 20  # bytes: a server may send the images back
_SECRET = re.compile(  # keys, and images that an API sends back to us
    r"\b(?:sk|sess|ark|Bearer)[-_ ][\w.*+/=-]{6,}|\bAIza[\w-]{20,}|\b(?=[A-Za-z]*\d)[A-Za-z0-9]{32,}\b"
    r"|data:[\w/+.-]*;base64,[\w+/=]*|[A-Za-z0-9+/]{64,}=*"
)
_NAMED = re.compile(
    r"""[`'"]([A-Za-z_][\w.\[\]]*)[`'"]|(?:(?:supplied|parameter|argument|field):|参数[: ]*) ?([a-z_][\w.]*)"""
)
_ROLE = re.compile(
    r"(system|developer)[ ](role|message|instruction)|messages?\[0\]\.role|instructions", re.IGNORECASE
)
_HEAD = 1000  # bytes in which a page shows that it is one
_HTML = re.compile(
    rb"\A\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body|center|h1)|\A\s*<\?xml[^<]*<(?:!doctype )?html",
    re.IGNORECASE,
)
_TITLE = re.compile(rb"<(?:title|h1)\b[^<>]{0,200}>\s{0,99}([^<]{1,300})", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,200}>")
_SPACE = 0x20  # beneath it are no characters
_NO_WORDS = ("{", "[", "data:", "event:")  # JSON that was cut, a stream
# Codes of a 400.
_OURS = re.compile(r"invalid|bad_?request|validation|unsupported|not_?supported", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and what the client itself may do about it first (see `verdict_table`)."""

    verdict: Verdict
    hint: Hint = ""
    name: str = ""  # the parameter that was refused
    said: str = ""  # what the model said that is no answer
    told: str = ""  # what is to be said to that
    status: int = 0  # as HTTP, or the body, has it; 0: no reply, or an answer


def judge(status: int, headers: Mapping[str, str], body: bytes, api: Api, now: float) -> Finding:
    """What this reply means. `headers` in lower case; `now` is for a wait that is a date.

    Called for everything that is not an answer: any status but 200, and a 200 that says something else.
    """
    if 300 <= status < 400:
        return _finding(
            "pause", f"HTTP {status}: redirected{_where(headers)}; base_url is wrong", status=status
        )
    if status == 511:  # whoever stands in between says it, of every request
        page = f", an HTML page{_titled(body)}" if _HTML.search(body[:_HEAD]) else ""
        return _finding("pause", f"HTTP 511{page}: this network wants a login first", status=status)
    content = _json(body)
    wait = waits.of_headers(headers, now, limited=status in LIMITED)
    if content is None and (_HTML.search(body[:_HEAD]) or (body.strip() and _says_html(headers))):
        return _from_page(status, wait, _titled(body))
    told = told_by(_text(body) if content is None else content)
    if told is not None:
        return _from_error(status, told, headers, now, _unlike(content, headers, body, api))
    if 200 <= status < 300:
        reason = f"HTTP {status}: {_unlike(content, headers, body, api)}"
        return _finding("retry", reason, wait, status=status, alike=frozenset({f"{status} no answer"}))
    return _from_status(status, "", wait)


def _from_error(status: int, told: Told, headers: Mapping[str, str], now: float, unlike: str) -> Finding:
    codes = {code.lower() for code in told.codes}
    number = told.number()
    # A gateway's own 500 around somebody else's refusal.
    real = (
        number
        if number is not None and (200 <= status < 300 or (status == 500 and number in (400, 413, 422)))
        else status
    )
    if 200 <= real < 300 and any(map(_OURS.search, codes)):
        real = 400
    wait = waits.of_headers(headers, now, limited=real in LIMITED)
    if wait is None:
        now = waits.senders(headers, now)
        named = [waits.seconds(delay, now) for delay in told.delays]
        wait = max((n for n in named if n is not None), default=None)
        wait = waits.in_words(told.words, now) if wait is None else wait
    named_codes = ", ".join(dict.fromkeys(c for c in told.codes if not c.isdecimal()))[:80]
    named_codes = f" {named_codes}" if named_codes else ""
    reason = f"HTTP {status}{named_codes}: {told.message}"
    alike = told.likeness(real)
    for row in ERRORS:
        if not row.fits(real, codes, told.words, soon=wait is not None and wait <= SOON):
            continue
        name = _parameter(told) if row.hint in ("parameter", "limit") else ""
        if row.hint == "parameter" and not name:
            continue
        return _finding(row.kind, reason, wait, status=real, hint=row.hint, name=name, alike=alike)
    if real in (400, 422) and (name := _parameter_apart(told)):
        return _finding("switch", reason, wait, status=real, hint="parameter", name=name, alike=alike)
    if 200 <= real < 300:
        if not told.sure:  # perhaps an answer, whose text is never logged
            reason = f"HTTP {status}{named_codes}: {unlike}"
            alike = frozenset({f"{status} no answer"})
        return _finding("retry", reason, wait, status=500, hint="inside", alike=alike)
    return _from_status(real, reason, wait, alike)


def _from_page(status: int, wait: float | None, titled: str) -> Finding:
    """An HTML page: from a proxy that is in trouble or refuses, or because base_url leads to a web site."""
    if (status >= 500 and status != 501) or status in (404, 408, 413, 429):  # 501: it takes no POST at all
        return _from_status(status, f"HTTP {status}, an HTML page{titled}", wait)
    if status in (401, 403, 407):
        why = "the key, or this machine's address, is refused before the API is reached"
        hint: Hint = "doubt" if status == 403 else ""
        alike = frozenset({f"{status} page"})
        return _finding(
            "pause",
            f"HTTP {status}, an HTML page{titled}: {why}",
            wait,
            status=status,
            hint=hint,
            alike=alike,
        )
    wrong = f"an HTML page{titled} instead of JSON; base_url is wrong (does it lack /v1?)"
    return _finding("pause", f"HTTP {status}: {wrong}", wait, status=status, hint="doubt")


def _from_status(
    status: int, reason: str, wait: float | None, alike: frozenset[str] = frozenset()
) -> Finding:
    reason = reason if reason.startswith("HTTP") else f"HTTP {status}"
    alike = alike or frozenset({f"{status}"})
    for statuses, kind, hint in STATUSES:
        if str(status) in statuses.split():
            return _finding(kind, reason, wait, hint=hint, status=status, alike=alike)
    if status >= 500:
        return _finding("retry", reason, wait, status=status)
    return _finding("switch", reason, wait, hint="unknown", status=status, alike=alike)


def _finding(
    kind: VerdictKind,
    reason: str,
    wait: float | None = None,
    *,
    status: int = 0,
    hint: Hint = "",
    name: str = "",
    alike: frozenset[str] = frozenset(),
) -> Finding:
    longest = waits.RESET if kind == "pause" else waits.LONGEST
    if wait is not None and wait > longest and kind in ("retry", "pause"):
        reason = (
            f"{clean(reason)[: _REASON - 60]} (asked to wait {lasting(wait)}; {longest / 3600:.0f} h it is)"
        )
    verdict = Verdict(
        kind,
        clean(reason),
        retry_after=None if wait is None or kind not in ("retry", "pause") else min(wait, longest),
        cut_off=kind == "retry" and status in CUT_OFF,
        server=kind == "retry" and (status >= 500 or 200 <= status < 300),
        overload=kind == "retry" and (status in OVERLOAD or (400 <= status < 500 and not hint)),
        doubtful=kind == "pause" and hint == "doubt",
        alike=alike,
    )
    return Finding(verdict, hint, name, status=status)


def clean(text: str) -> str:
    """One short line that may be logged: printable, nothing in it that looks like a key."""
    line = "".join(c if c.isprintable() else " " for c in _SECRET.sub("[hidden]", text[: _REASON * 8]))
    line = " ".join(line.split())
    return line if len(line) <= _REASON else line[: _REASON - 1] + "…"


# --- reading a body that may be anything ---


def _json(body: bytes) -> Any:
    try:
        return bounded.received(body, largest=_LARGEST)
    except ValueError:
        return None


def _text(body: bytes) -> object:
    """What a body that is no JSON says: plain words, or the words of an XML document, which is an error's."""
    text = body[:_LARGEST_TEXT].decode("utf-8", "replace").lstrip("\ufeff").strip()
    words = "" if text.startswith(_NO_WORDS) else " ".join(_TAG.sub(" ", text).split())
    return {"error": words} if text.startswith("<") else words


def _parameter(told: Told) -> str:
    """The refused parameter's own name: ``detail`` of ``input[0].content[1].detail``."""
    if _ROLE.search(told.words):
        return "system"
    return _parameter_apart(told) or _first_parameter(m[1] or m[2] for m in _NAMED.finditer(told.words))


def _parameter_apart(told: Told) -> str:
    """The same, where it is named apart from the words: ``param``, a validator's ``loc``."""
    return _first_parameter(told.names)


def _first_parameter(paths: Iterable[str]) -> str:
    for path in paths:
        parts = [p for p in re.sub(r"\[\d+\]", "", path).split(".") if not p.isdecimal()]
        last = parts[-1] if parts else ""
        if last == "role":
            return "system"
        if last not in ("", "model", "messages", "input", "content", "type", "image_url", "text", "body"):
            return last
    return ""


def _titled(body: bytes) -> str:
    """What a page calls itself: who runs a portal, a proxy or a firewall says so there."""
    found = _TITLE.search(body[:_LARGEST_TEXT])
    title = clean(html.unescape(found[1].decode("utf-8", "replace")))[:80] if found else ""
    return f" ('{title}')" if title else ""


def _says_html(headers: Mapping[str, str]) -> bool:
    return "text/html" in headers.get("content-type", "")


def _unlike(content: object, headers: Mapping[str, str], body: bytes, api: Api) -> str:
    """What a body is that is no answer: never in its own words, which may be an answer's."""
    named = clean(headers.get("content-type", "").partition(";")[0])[:60]
    return f"{_kind(content, body)}{f' ({named})' if named else ''}, no answer of the {api} API"


def _kind(content: object, body: bytes) -> str:
    plain = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if content is not None:
        return "JSON"
    if not plain:
        return "an empty reply"
    if plain.startswith((b"{", b"[")):
        return "broken JSON"
    if plain.lower().startswith(FIELDS):
        return "a stream"
    if all(byte >= _SPACE or byte in b"\t\n\r\f" for byte in plain[:_HEAD]):
        return "plain text"
    return f"bytes that begin with {plain[:4].hex(' ')}"


def _where(headers: Mapping[str, str]) -> str:
    location = headers.get("location", "").partition("?")[0]
    return f" to {re.sub(r'//[^/@]*@', '//', location)}" if location else ""
