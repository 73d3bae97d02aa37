"""How long a gateway asks to wait, in any of the ways in which gateways write that: one parser. Pure.

7   7.5   6s   1m30s   2h   500ms   34.5 seconds   PT30S   00:01:30   Fri, 15 Jan 2027 08:00:30 GMT   2027-01-15T08:00:30Z
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
_PART = r"(\d{1,15}(?:\.\d{1,9})?)\s{0,2}(?:more )?(ms|milliseconds?|d(?:ays?)?|h(?:(?:ou)?rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)"
_PARTS = re.compile(rf"{_PART}(?![a-z])\.?[ ,]{{0,2}}(?:and )?", re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})")  # hours, minutes, seconds
# A duration of ISO 8601.
_ISO = re.compile(r"P(?:(\d{1,3})D)?T?((?:\d{1,6}(?:\.\d{1,9})?[HMS])*)", re.IGNORECASE)
_TRIED = re.compile(
    rf"(?:try|again|retry|wait|reset|available|next request|resume|cool|replenish|renew|back ?off)[^.\d]{{0,40}}?((?:{_PART}[ ,]{{0,2}}(?:and )?){{1,4}})(?![a-z])"
    # As a clock counts down; 'at' is the time of a day.
    r"|(?:again|retry|wait|reset|available|replenish|renew)\w{0,4}[^.\d]{0,40}? in (?P<clock>\d{1,3}:\d{2}:\d{2})(?![\w:])"
    r"|(?:retry|重试)[ _-]?(?:after|in)[\"': =]{1,4}(?P<plain>\d{1,9}(?:\.\d{1,9})?)(?![\w.])",
    re.IGNORECASE,
)
# A moment, with its zone: without one it may be hours off.
_UNTIL = re.compile(
    r"(?:again|retry|wait|reset|access|available|resume|renew|until)\w{0,4}[^.\d]{0,40}?"
    r"(20\d\d-\d\d-\d\d)[T ](?:at )?(\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?[ ]?(Z|UTC|GMT|[+-]\d\d:?\d\d)",
    re.IGNORECASE,
)
# 'in 20 seconds', in the words of others: what leads it in, the unit, or what follows.
_ELSEWHERE = re.compile(
    r"(?:\b(?:in(?!\s{1,2}\d+\s{0,2}(?:seconds?|secs?|minutes?|mins?|s|m)\b)|nach|warten sie|dans|après|attendez|en|dentro de|tras|espere|em|após|aguarde|tra|fra|dopo|attendi|через|подождите)\s|请?等待|请在|請等待|請在|稍等)"
    r"\s{0,2}(\d{1,6})\s{0,2}(sek|sec|seg|s\b|сек|秒|初|min|мин|分|stund|heure|hora|ore\b|час|小?时|小?時)"
    r"|(\d{1,6})\s{0,2}(s(?![a-z])|秒|分钟?|分鐘?|小时|小時|時間|초|분|시간)\s{0,2}(?:钟|鐘)?(?:之?[后後]|以[后後]|後|후|뒤)",
    re.IGNORECASE,
)
# One header for all of it, as the IETF drafts have it.
_COMBINED = re.compile(r"(?:\breset=|;\s?t=)(\d{1,9})")
_LONGER_NAME = re.compile(r"-retry-after$|^retry-after-(?!ms)")
_MINUTES, _HOURS = ("min", "мин", "分", "분"), ("st", "he", "ho", "or", "час", "小", "时", "時", "시")


def senders(headers: Mapping[str, str], now: float) -> float:
    """What time it is where these headers, in lower case, come from: the moments that it names are by its own clock."""
    moment = _moment(headers.get("date", ""))
    return now if moment is None else moment


def seconds(value: object, now: float) -> float | None:
    """The wait that a value of a header or of a body means; None when it means none. `now`: by the sender's clock."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip().removeprefix("in ").rstrip(" ;,.")
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
    several = [number for part in re.split(r"[,;]", text[:100]) if (number := _number(part)) is not None]
    if several and text[0] in "0123456789":  # a header that came twice, or with a parameter
        return max(seconds(number, now) or 0.0 for number in several)
    moment = _moment(text)
    return None if moment is None else max(0.0, moment - now)


def in_words(message: str, now: float | None = None) -> float | None:
    """The wait that a message names: ``Please try again in 6.5s``; until a moment, for whoever says what time it is."""
    match = _TRIED.search(message)
    if match is not None:
        return (
            float(match["plain"]) if match["plain"] else _duration((match[1] or match["clock"]).rstrip(" ,"))
        )
    until = None if now is None else _UNTIL.search(message)
    if until is not None and now is not None:
        zone = "Z" if until[3].upper() in ("UTC", "GMT") else until[3].upper()
        return seconds(f"{until[1]}T{until[2]}{zone}", now)
    match = _ELSEWHERE.search(message)
    if match is None:
        return None
    number, unit = match[1] or match[3], (match[2] or match[4]).lower()
    return float(number) * (60.0 if unit.startswith(_MINUTES) else 3600.0 if unit.startswith(_HOURS) else 1.0)


def of_headers(headers: Mapping[str, str], now: float, *, limited: bool) -> float | None:
    """The wait that headers name, in lower case. `limited`: the reply is about a rate, so its resets count."""
    now = senders(headers, now)
    milliseconds = _number(headers.get("retry-after-ms", "") or headers.get("x-ms-retry-after-ms", ""))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    asked = seconds(headers.get("retry-after"), now)
    if asked is None:  # under a longer name
        named = [seconds(value, now) for name, value in headers.items() if _LONGER_NAME.search(name)]
        asked = max((wait for wait in named if wait is not None), default=None)
    if asked is not None or not limited:
        return asked
    return _reset(headers, now)


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """``x-ratelimit-reset…``: of the rates that are used up, if it says which, else the soonest."""
    used_up: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        plain = name.replace("-", "")
        combined = plain == "ratelimit" and _COMBINED.search(value)
        if not ("ratelimit" in plain and "reset" in plain) and not combined:
            continue
        wait = seconds(combined[1] if combined else value, now)
        if wait is not None:
            left = _number(headers.get(name.replace("reset", "remaining"), ""))
            (used_up if left == 0 else others).append(wait)
    return max(used_up) if used_up else min(others, default=None)


def _duration(text: str) -> float | None:
    """``1m30s``: parts of a number and a unit, and nothing else."""
    if clock := _CLOCK.fullmatch(text):
        return int(clock[1] or 0) * 3600.0 + int(clock[2]) * 60.0 + int(clock[3])
    if text[:1] in ("P", "p") and (iso := _ISO.fullmatch(text)) and (iso[1] or iso[2]):
        text = f"{iso[1] or 0}d{iso[2]}"
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
