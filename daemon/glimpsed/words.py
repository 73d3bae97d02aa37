"""What is said to people who know no Python: why something went wrong, how long something lasts. Pure."""

from __future__ import annotations

import os
import re

MINUTE, DAY = 60, 86_400
_LONGEST_TEXT = 2000  # characters of an exception's text that are looked at

# What Python and C put around their own words: numbers of errors, names of classes and of source files, bytes.
_REFUSED = re.compile(r"\[Errno (\d{1,5})\] Connect call failed \([^)]*\)")
_AROUND = re.compile(
    r"\[Errno -?\d{1,5}\] |\[SSL(?:: \w{1,80})?\] | ?\(_ssl\.c:\d{1,6}\)|Error -?\d{1,3} while [a-z ]{1,40}: "
    r"| ?<[\w.]{1,80} object at 0x[0-9a-f]{1,16}>| ?<class '[\w.]{1,80}'>",
)
_CLASS = re.compile(
    r"^(?:[A-Za-z_]\w{0,60}\.){0,6}[A-Za-z_]\w{0,80}(?:Error|Exception|Warning|Timeout)(?:: |$)"
)
_BYTES = re.compile(r"(?:bytearray\()?\bb(['\"])([^'\"]{0,500})\1\)?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def cause(error: BaseException) -> str:
    """Why: the first line of the exception's own words, or of what caused it, without what only Python knows.

    One that says nothing at all is said by what it is called: ``RemoteProtocolError`` is a 'remote protocol error'.
    """
    said = _said(error)
    seen = {id(error)}
    inner = error.__cause__ or error.__context__
    while not said and inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        said = _said(inner)
        inner = inner.__cause__ or inner.__context__
    return said or kind(error)


def kind(error: BaseException) -> str:
    """What an exception is called, in words: ``key error``. For where its text may hold what is nobody's business."""
    return _HUMP.sub(" ", type(error).__name__).replace("_", " ").strip().lower()


def _said(error: BaseException) -> str:
    text = next((line for line in str(error)[:_LONGEST_TEXT].splitlines() if line.strip()), "")
    text = _REFUSED.sub(lambda found: os.strerror(int(found[1])), text)
    text = _BYTES.sub(r"'\2'", _AROUND.sub("", text))
    while (name := _CLASS.match(text)) is not None:
        text = text[name.end() :]
    several = text.removeprefix("Multiple exceptions: ")
    if several != text:  # one address after the other
        text = ", ".join(dict.fromkeys(several.split(", ")))
    return " ".join(text.split())


def lasting(seconds: float) -> str:
    """A duration as people say it: ``0.5 s``, ``90 s``, ``10 minutes``, ``1 hour 30 minutes``, ``more than a day``."""
    if not seconds <= DAY:
        return "more than a day"
    if seconds < 2 * MINUTE:
        return f"{seconds:.3g} s"
    minutes = round(seconds / MINUTE)
    parts = [_many(minutes // 60, "hour"), _many(minutes % 60, "minute")]
    return " ".join(part for part in parts if part)


def _many(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}" if number else ""
