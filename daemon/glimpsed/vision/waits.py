"""How long a gateway asks to wait, in any of the ways in which gateways write that: one parser. Pure.

7   7.5   6s   1m30s   2h   500ms   34.5 seconds   Fri, 15 Jan 2027 08:00:30 GMT   2027-01-15T08:00:30Z
1800000030 and 1800000030000 (seconds, milliseconds since 1970)   … try again in 20s …
"""

from __future__ import annotations

import datetime as dt
import email.utils
import math
import re
from collections.abc import Iterator, Mapping

LONGEST = 3600.0  # seconds that one request is put off at most
RESET = 86_400.0 + 3600.0  # seconds: an allowance that is used up comes back within a day
SINCE_1970 = 1_000_000_000.0  # a number as large is a moment (2001), no duration …
MILLISECONDS = 100_000_000_000.0  # … and from here on one in milliseconds (in seconds: the year 5138)

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = r"(\d{1,15}(?:\.\d{1,9})?)\s{0,2}(ms|milliseconds?|d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)"
_PARTS = re.compile(rf"{_PART}(?![a-z])[ ,]{{0,2}}(?:and )?", re.IGNORECASE)
_TRIED = re.compile(
    rf"(?:try|again|retry|wait|reset|available|resume)[^.\d]{{0,40}}?((?:{_PART}[ ,]{{0,2}}(?:and )?){{1,4}})(?![a-z])"
    r"|(?:retry|重试)[ _-]?(?:after|in)[\"': =]{1,4}(\d{1,9}(?:\.\d{1,9})?)(?![\w.])|(\d{1,6})\s?(秒|分钟)后",
    re.IGNORECASE,
)


def seconds(value: object, now: float, base: float | None = None) -> float | None:
    """The wait that a value of a header or of a body means; None when it means none.

    `base`: the sender's clock, for moments written as dates; `now` where it did not say.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    number = _number(text)
    if number is not None:
        if number >= MILLISECONDS:
            number = number / 1000 - now
        elif number >= SINCE_1970:
            number -= now
        return max(0.0, number)
    written = _duration(text)
    if written is not None:
        return written
    moment = _moment(text)
    return None if moment is None else max(0.0, moment - (now if base is None else base))


def in_words(message: str) -> float | None:
    """The wait that a message names: ``Please try again in 6.5s``."""
    match = _TRIED.search(message)
    if match is None:
        return None
    if match[4]:
        return float(match[4])
    if match[5]:
        return float(match[5]) * (60.0 if match[6] == "分钟" else 1.0)
    return _duration(match[1].rstrip(" ,"))


def of_headers(headers: Mapping[str, str], now: float, *, limited: bool) -> float | None:
    """The wait that headers name, in lower case. `limited`: the reply is about a rate, so its resets count."""
    base = _moment(headers.get("date", ""))
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    asked = seconds(headers.get("retry-after"), now, base)
    if asked is not None or not limited:
        return asked
    return _reset(headers, now, base)


def _reset(headers: Mapping[str, str], now: float, base: float | None) -> float | None:
    """``x-ratelimit-reset…``: of the rates that are used up, if it says which, else the soonest."""
    used_up: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if not ("ratelimit" in name and "reset" in name):
            continue
        wait = seconds(value, now, base)
        if wait is not None:
            left = _number(headers.get(name.replace("reset", "remaining"), ""))
            (used_up if left == 0 else others).append(wait)
    return max(used_up) if used_up else min(others, default=None)


def _duration(text: str) -> float | None:
    """``1m30s``: parts of a number and a unit, and nothing else."""
    at, total = 0, 0.0
    for match in _each_part(text):
        if match.start() != at:
            return None
        at = match.end()
        unit = match[2].lower()
        total += float(match[1]) * _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]]
    return total if at and at == len(text) else None


def _each_part(text: str) -> Iterator[re.Match[str]]:
    return _PARTS.finditer(text) if len(text) <= 100 else iter(())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _moment(text: str) -> float | None:
    """A date as HTTP or as ISO 8601 writes it, in seconds since 1970."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError, OSError):
        pass
    try:
        moment = dt.datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
