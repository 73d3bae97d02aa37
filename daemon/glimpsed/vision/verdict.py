"""What a model API's reply means when it is no answer: (status, headers, body) -> what happens next. Pure.

Any bytes in, a `Finding` out. The body's ``error.code`` and ``error.type`` speak before the status, and an
``error`` object inside a 200 is an error (DESIGN 9). The table itself is `verdict_table`.
"""

from __future__ import annotations

import email.utils
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glimpsed.errors import Verdict, VerdictKind
from glimpsed.model import Api
from glimpsed.vision.verdict_table import CUT_OFF, ERRORS, OVERLOAD, STATUSES, Hint

LONGEST_WAIT = 86_400.0  # seconds; more than a day is no wait that an API means for a program
_REASON = 240  # characters
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
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")
_EVENT = re.compile(
    rb"\s*(?:event:[^\n]*\n)?data:[ ]*(\{[^\n]*\})"
)  # an error of a stream, as LiteLLM sends it
_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml|center|h1)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and what the client itself may do about it first (see `verdict_table`)."""

    verdict: Verdict
    hint: Hint = ""
    name: str = ""  # the parameter that was refused
    said: str = ""  # what the model said that is no answer
    told: str = ""  # what is to be said to that


def judge(status: int, headers: Mapping[str, str], body: bytes, api: Api, now: float) -> Finding:
    """What this reply means. `headers` in lower case; `now` is for a Retry-After that is a date.

    Called for everything that is not an answer: any status but 200, and a 200 that says something else.
    """
    wait = retry_after(headers, now)
    if 300 <= status < 400:
        return _finding("pause", f"HTTP {status}: redirected{_where(headers)}; base_url is wrong")
    event = _EVENT.match(body)
    content = _json(event[1] if event else body)
    error = _error(content)
    if error is not None:
        return _from_error(status, error, wait)
    if content is None and (_HTML.match(body) or (body.strip() and _says_html(headers))):
        return _from_page(status, wait)
    if 200 <= status < 300:
        what = "not JSON" if content is None and body.strip() else f"without an answer of the {api} API"
        return _finding("retry", f"HTTP {status}: an empty reply, {what}", wait)
    return _from_status(status, _title(content), wait)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the API asks to wait: ``retry-after-ms``, or ``Retry-After`` as seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    then = _date(value)
    return None if then is None else _bounded(then - (_date(headers.get("date")) or now))


def _from_error(status: int, error: dict[str, Any], wait: float | None) -> Finding:
    message = _message(error)
    codes = {str(error.get(key)).lower() for key in ("code", "type", "status") if error.get(key)}
    numbers = [int(code) for code in codes if code.isascii() and code.isdecimal() and 400 <= int(code) < 600]
    real = numbers[0] if numbers and 200 <= status < 300 else status
    named = ", ".join(str(error[key]) for key in ("code", "type") if error.get(key))
    reason = f"HTTP {status}{f' {named}' if named else ''}: {message}"
    delay = _delay(error)
    wait = wait if wait is not None else delay
    for row in ERRORS:
        # Gemini calls its rate a quota too, but says when it goes on.
        if not row.fits(real, codes, message) or (row.kind == "pause" and real == 429 and delay is not None):
            continue
        name = _parameter(error, message) if row.hint in ("parameter", "limit") else ""
        if row.hint == "parameter" and not name:
            continue
        return _finding(row.kind, reason, wait, status=real, hint=row.hint, name=name)
    return _from_status(real if real >= 300 else 500, reason, wait)


def _from_page(status: int, wait: float | None) -> Finding:
    """An HTML page: from a proxy that is in trouble, or because base_url leads to a web site."""
    if (status >= 500 and status != 501) or status in (404, 408, 413, 429):  # 501: it takes no POST at all
        return _from_status(status, f"HTTP {status}, an HTML page", wait)
    return _finding(
        "pause", f"HTTP {status}: an HTML page instead of JSON; base_url is wrong (does it lack /v1?)"
    )


def _from_status(status: int, reason: str, wait: float | None) -> Finding:
    reason = reason if reason.startswith("HTTP") else f"HTTP {status}{f': {reason}' if reason else ''}"
    for statuses, kind, hint in STATUSES:
        if str(status) in statuses.split():
            return _finding(kind, reason, wait, hint=hint, status=status)
    if status >= 500:
        return _finding("retry", reason, wait, status=status)
    return _finding("switch", reason, wait, hint="refused", status=status)


def _finding(
    kind: VerdictKind,
    reason: str,
    wait: float | None = None,
    *,
    status: int = 0,
    hint: Hint = "",
    name: str = "",
) -> Finding:
    verdict = Verdict(
        kind,
        clean(reason),
        retry_after=wait if kind in ("retry", "pause") else None,
        cut_off=kind == "retry" and status in CUT_OFF,
        server=kind == "retry" and status >= 500,
        overload=kind == "retry" and status in OVERLOAD,
    )
    return Finding(verdict, hint, name)


def clean(text: str) -> str:
    """One short line that may be logged: printable, nothing in it that looks like a key."""
    line = "".join(c if c.isprintable() else " " for c in _SECRET.sub("[hidden]", text[: _REASON * 8]))
    line = " ".join(line.split())
    return line if len(line) <= _REASON else line[: _REASON - 1] + "…"


# --- reading a body that may be anything ---


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error(content: object) -> dict[str, Any] | None:
    """The error that a body holds, as ``{"message", "type", "param", "code"}`` with keys missing."""
    if isinstance(content, list) and content:  # Gemini wraps it in a list
        content = content[0]
    if not isinstance(content, dict):
        return None
    error = content.get("error")
    if isinstance(error, str) and error:
        return {**content, "message": error}
    if isinstance(error, dict) and error:
        return error
    if error or "choices" in content or "output" in content:
        return {"message": ""} if error else None
    # Without the wrapper: {"success": false, "message": …}, {"code": …, "msg": …}, {"detail": [{"msg": …}]}
    message = content.get("message") or content.get("msg")
    return {**content, "message": message} if isinstance(message, str) else None


def _message(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    text = message if isinstance(message, str) else "" if message is None else str(message)
    inner = _error(_json(text.encode("utf-8", "replace"))) if text.lstrip()[:1] in ("{", "[") else None
    return (str(inner.get("message") or text) if inner else text)[:4000]


def _title(content: object) -> str:
    detail = content.get("detail") if isinstance(content, dict) else None
    return detail if isinstance(detail, str) else ""


def _parameter(error: Mapping[str, Any], message: str) -> str:
    """The refused parameter's own name: ``detail`` of ``input[0].content[1].detail``."""
    if _ROLE.search(message):
        return "system"
    param = error.get("param")
    for name in (param if isinstance(param, str) else "", *_names(message)):
        last = re.sub(r"\[\d+\]", "", name).rpartition(".")[2]
        if last == "role":
            return "system"
        if last not in ("", "model", "messages", "input", "content", "type"):
            return last
    return ""


def _names(message: str) -> Iterator[str]:
    for match in _NAMED.finditer(message):
        yield match[1] or match[2]


def _delay(error: Mapping[str, Any]) -> float | None:
    """Gemini's ``{"details": [{"retryDelay": "34s"}]}``."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        match = _DELAY.fullmatch(str(detail.get("retryDelay"))) if isinstance(detail, dict) else None
        if match:
            return _bounded(float(match[1]))
    return None


def _says_html(headers: Mapping[str, str]) -> bool:
    return "text/html" in headers.get("content-type", "")


def _where(headers: Mapping[str, str]) -> str:
    location = headers.get("location", "").partition("?")[0]
    return f" to {re.sub(r'//[^/@]*@', '//', location)}" if location else ""


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _date(text: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError, TypeError, IndexError, OSError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT)
