"""Numbers that are written in Chinese characters, plain (二百三十) and for cheques (貳佰叁拾元整), in figures; pure."""

from __future__ import annotations

import re
import unicodedata

_MORE = {"两": 2.0, "兩": 2.0}
_NUMERALS = "〇零一二两兩三四五六七八九十百千万萬亿億壹贰貳叁參肆伍陆陸柒捌玖拾佰仟廿卅"
_RUN = re.compile(rf"[{_NUMERALS}]+(?:[点點][{_NUMERALS}]+)?")
# What may stand around them, so that nothing that is a name is taken for a number.
_AROUND = re.compile(
    rf"(?:百分之|[负負])?(?:[{_NUMERALS}点點\d.,]|[年月日号號元圆圓块角分整正%\s:/¥$]|人民[币幣]|美元|欧元|歐元|日元|港元|(?:上|下)午)+"
)
_CENTS = re.compile(
    r"(?P<whole>[\d.,]*\d)\s?(?P<unit>元|圆|圓|块)(?:零?(?P<tenths>\d)角)?(?:零?(?P<cents>\d)分)?(?:整|正)?"
)
SCALES = {"百": 100, "千": 1000, "万": 10**4, "萬": 10**4, "百万": 10**6, "亿": 10**8, "億": 10**8}


def in_figures(text: str) -> str:
    """A text that is a number, an amount or a date in Chinese characters, in figures; any other as it is."""
    if text.isascii() or _AROUND.fullmatch(text) is None:
        return text
    # Figures with one scale after them are a number already; what has 百分之 before it are per cent.
    text = re.sub(r"^百分之(.+)$", r"\1%", text)
    text = re.sub(r"^[负負]", "-", text)
    text = _RUN.sub(_figures, text)
    found = _CENTS.fullmatch(text.lstrip("-"))
    if found is None or not (found["tenths"] or found["cents"] or text.endswith(("整", "正"))):
        return text
    sign = "-" if text.startswith("-") else ""
    fraction = f".{found['tenths'] or 0}{found['cents'] or 0}" if found["tenths"] or found["cents"] else ""
    return f"{sign}{found['whole']}{fraction}{found['unit']}"


def _figures(run: re.Match[str]) -> str:
    """One number; as it was where it follows figures (5万), or is none."""
    if run.start() and run.string[run.start() - 1].isascii() and run.string[run.start() - 1].isdigit():
        return run[0]
    whole, _, fraction = run[0].replace("點", "点").partition("点")
    number, rest = _whole(whole), _digits(fraction)
    if number is None or (fraction and rest is None):
        return run[0]
    return f"{number}.{rest}" if fraction else number


def _digits(text: str) -> str | None:
    """One figure a character: 二〇二四."""
    values = [_value(c) for c in text]
    return "".join(map(str, values)) if text and max(values) < 10 else None


def _whole(text: str) -> str | None:
    """二〇二四 or 二千零二十四; None for what can be read in more than one way (三百五)."""
    if (digits := _digits(text)) is not None:
        return digits
    total = section = digit = 0
    unit, zero = 0, False
    for value in (_value(c) for c in text):
        if value < 10:
            if digit:
                return None
            digit, zero = value, zero or value == 0
        elif value < 10_000:
            section += value if value in {20, 30} else (digit or 1) * value
            digit, unit, zero = 0, value, False
        else:
            total = (total + section + digit) * value if value > 10_000 else total + (section + digit) * value
            section, digit, unit, zero = 0, 0, value, False
    if digit and unit >= 100 and not zero:
        return None
    return str(total + section + digit)


def _value(character: str) -> int:
    return int(_MORE.get(character) or unicodedata.numeric(character))
