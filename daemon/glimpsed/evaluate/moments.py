"""Days and times of day in a text, whatever the order and the language they are written in; pure.

A date whose order nobody can tell (`05/09/2024`) is both days at once: the same as another that is both, and not the
same as either. A year of two figures may be of any century.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 64  # characters of what may be a date
_CENTURY = 69  # two figures of a year from here on are taken for 19.., as by POSIX
_MONTHS = (
    "jan januar january janvier janv enero ene gennaio gen januari janeiro jänner",
    "feb februar february fevrier février févr febrero febbraio februari fevereiro fev",
    "mar märz maerz march mars marzo maart março mrz",
    "apr april avril avr abril abr aprile",
    "may mai mayo maggio mag mei maio",
    "jun juni june juin junio giugno giu junho",
    "jul juli july juillet juil julio luglio lug julho",
    "aug august août aout agosto ago augustus",
    "sep sept september septembre septiembre settembre set setembro",
    "oct okt oktober october octobre octubre ottobre ott out outubro",
    "nov november novembre noviembre novembro",
    "dec dez dezember december décembre decembre déc diciembre dic dicembre desember dezembro",
)
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_WEEKDAYS = (
    "mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun sunday "
    "mo montag di dienstag mi mittwoch do donnerstag fr freitag sa samstag sonnabend so sonntag "
    "lun lundi lunes lunedì mardi martes martedì mer mercredi miércoles mercoledì jeu jeudi jueves giovedì "
    "ven vendredi viernes venerdì samedi sábado sabato dim dimanche domingo domenica"
)
_WEEKDAY = re.compile(
    rf"(?:{'|'.join(sorted(_WEEKDAYS.split(), key=len, reverse=True))})\.?,? (?:the |den |le )?"
)
_EASTERN_WEEKDAY = re.compile(
    r"\s*(?:(?:星期|周|週|礼拜)[一二三四五六日天]|\(?[月火水木金土日](?:曜日)?\)|[월화수목금토일]요일)$"
)
_TIME = (
    r"(?P<hour>\d{1,2})[:時时点点시](?P<minute>\d{2})[分분]?"
    r"(?::?(?P<second>\d{2}(?:[.,]\d{1,9})?)[秒초]?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?: ?uhr| ?h)?(?: ?(?P<zone>z|utc|gmt|[+-]\d{2}(?::?\d{2})?))?"
)
_ALONE = re.compile(_TIME)
_WHOLE = re.compile(rf"(?P<date>.*\d\D{{0,3}}?)(?:t|,? (?:at |um |à |o )?|(?<=[日号일])){_TIME}")
_YEAR_FIRST = (
    re.compile(r"(\d{4})([-/.])\s?(\d{1,2})\2\s?(\d{1,2})\.?"),
    re.compile(r"(\d{4})\s*([年년])\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日号號일]?"),
)
_DAY_FIRST = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4}|\d{2})")
_EITHER = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4}|\d{2})")
_COMPACT = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)")
_NAMED = (
    re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th|er|º|\.)?[\s-]*(?:of |de |di )?(?P<month>[^\W\d]+)\.?,?[\s-]*(?:de )?(?P<year>\d{4}|\d{2})"),
    re.compile(r"(?P<month>[^\W\d]+)\.?[\s-]*(?P<day>\d{1,2})(?:st|nd|rd|th)?,?[\s-]+(?P<year>\d{4}|\d{2})"),
    re.compile(r"(?P<year>\d{4})[\s-]+(?P<month>[^\W\d]+)\.?[\s-]+(?P<day>\d{1,2})"),
)  # fmt: skip

Day = tuple[int, int, int]  # year, month, day; a year below 100 is of any century


@dataclass(frozen=True, slots=True)
class Moment:
    """What a text says of time."""

    days: frozenset[Day] = frozenset()  # two where the order is anybody's guess; none: a time of day
    time: float | None = None  # seconds since midnight
    zone: int | None = None  # minutes before UTC's

    def same(self, other: Moment) -> bool:
        """Whether both may be one: one that says less than the other does not contradict it."""
        if None not in (self.time, self.zone, other.time, other.zone):
            here, there = self._instant(), other._instant()
            if here is not None and there is not None:
                return here == there
        return (
            _same_days(self.days, other.days)
            and (None in (self.time, other.time) or self.time == other.time)
            and (None in (self.zone, other.zone) or self.zone == other.zone)
        )

    def _instant(self) -> float | None:
        """Seconds since some beginning, in UTC."""
        day = _date(next(iter(self.days))) if len(self.days) == 1 else None
        if day is None or self.time is None or self.zone is None:
            return None
        return day.toordinal() * 86400 + self.time - 60 * self.zone


def moment(text: str) -> Moment | None:
    """The day, or time of day, or both, that a text names, and nothing else. The text is `plain` already."""
    if len(text) > LONGEST or not any(c.isdigit() for c in text):
        return None
    if (alone := _ALONE.fullmatch(text)) is not None:
        time = _seconds(alone)
        return None if time is None else Moment(time=time, zone=_minutes(alone["zone"]))
    date, time, zone = text, None, None
    if (whole := _WHOLE.fullmatch(text)) is not None:
        date, time, zone = whole["date"], _seconds(whole), _minutes(whole["zone"])
        if time is None:
            return None
    if (begins := _WEEKDAY.match(date)) is not None:
        date = date[begins.end() :]
    days = frozenset(_days(_EASTERN_WEEKDAY.sub("", date).strip(" ,")))
    return Moment(days, time, zone) if days else None


def day(text: str) -> dt.date | None:
    """The day that a text names, and nothing else; None where its order is anybody's guess. The text is `plain` already."""
    found = moment(text)
    if found is None or len(found.days) != 1 or _COMPACT.fullmatch(text):
        return None
    return _date(next(iter(found.days)))


def _days(text: str) -> Iterator[Day]:
    """Each day that it may be."""
    for year_first in _YEAR_FIRST:
        if (found := year_first.fullmatch(text)) is not None:
            yield from _valid(int(found[1]), int(found[3]), int(found[4]))
            return
    if (found := _COMPACT.fullmatch(text)) is not None:
        yield from _valid(*map(int, found.groups()))
    elif (found := _DAY_FIRST.fullmatch(text)) is not None:
        yield from _valid(int(found[3]), int(found[2]), int(found[1]))
    elif (found := _EITHER.fullmatch(text)) is not None:
        yield from _valid(int(found[4]), int(found[3]), int(found[1]))
        yield from _valid(int(found[4]), int(found[1]), int(found[3]))
    else:
        matches = (pattern.fullmatch(text) for pattern in _NAMED)
        named = next((f for f in matches if f is not None and f["month"] in _MONTH), None)
        if named is not None:
            yield from _valid(int(named["year"]), _MONTH[named["month"]], int(named["day"]))


def _valid(year: int, month: int, number: int) -> Iterator[Day]:
    if _date((year, month, number)) is not None:
        yield year, month, number


def _date(day: Day) -> dt.date | None:
    year, month, number = day
    if year < 100:
        year += 1900 if year >= _CENTURY else 2000
    try:
        return dt.date(year, month, number)
    except ValueError:
        return None


def _same_days(some: frozenset[Day], others: frozenset[Day]) -> bool:
    if any(year < 100 for year, _, _ in some | others):
        some, others = (frozenset((year % 100, month, at) for year, month, at in of) for of in (some, others))
    return some == others


def _seconds(found: re.Match[str]) -> float | None:
    """Since midnight; None for what is no time of day."""
    hour, minute = int(found["hour"]), int(found["minute"])
    second = float((found["second"] or "0").replace(",", "."))
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"] == "p" else 0)
    return hour * 3600 + minute * 60 + second if hour < 24 and minute < 60 and second < 61 else None


def _minutes(zone: str | None) -> int | None:
    """How much earlier a zone's midnight is than UTC's; None where none is named."""
    if not zone:
        return None
    if zone in {"z", "utc", "gmt"}:
        return 0
    figures = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(figures[:2]) * 60 + int(figures[2:])
    return -minutes if zone[0] == "-" else minutes
