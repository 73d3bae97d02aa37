"""What must never be shown: keys, Authorization headers, image data, answers (DESIGN 10).

Three nets, each for what slips through the one before: fields that are dropped by name, values known to
be secret, and whatever looks like a credential or like data. Gateways echo keys in their error bodies.

What people write into a config is shown to them by a stricter rule, `without_keys`: a key is easily put where its
name, its file or another value belongs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

REMOVED = "[removed]"
LONGEST = 2000  # characters of one value; an HTML error page is cut here
LEAST_SECRET = 6  # characters; what is shorter is no secret, and would be found in any text
_DROPPED = frozenset(
    {
        "authorization",
        "api_key",
        "key",
        "secret",
        "password",
        "token",
        "headers",
        "body",
        "prompt",
        "text",
        "answer",
        "data",
    }
)
_OWN = frozenset({"event", "level", "timestamp", "file", "folder"})  # ours: not to be mistaken for a key
# "invalid_api_key: Incorrect API key provided": a code that has a word before the name, then a sentence. No key that
# a machine made is such a word; passwords are what people choose.
_SENTENCE = r"(?<=[a-z]{2}[a-z_-])(?:api[_-]?key|access[_-]?token): (?-i:[A-Z][a-z]{1,15}) "
# Linear in the length of the text, as anybody may have written it: nothing is looked for twice from within itself.
_LOOKS = (
    (re.compile(r"data:[\w.+/-]{0,100}+;base64,[\w+/=%-]*", re.ASCII), REMOVED),
    (re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{200,}={0,2}"), REMOVED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.ASCII), r"\1 " + REMOVED),
    (
        re.compile(
            rf"(?i)(?!{_SENTENCE})"
            r"((?:authorization|api[_-]?key|access[_-]?token|secret|password)[\"']?\s*[:=]\s*[\"']?)"
            r"(?!\[removed\]|(?:bearer|basic) \[)[^\s\"',;&}]+",
            re.ASCII,
        ),
        r"\1" + REMOVED,
    ),
    (re.compile(r"(?<![\w/-])(?:sk|pk|rk|xai|gsk|hf|ghp)[-_][\w-]{12,}", re.ASCII), REMOVED),
    # Google; a JWT.
    (re.compile(r"\bAIza[\w-]{20,}|(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*", re.ASCII), REMOVED),
    (re.compile(r"(?<=://)[^\s/@:]++:[^\s/@]++(?=@)"), REMOVED),  # user:password in a URL
)


class Redactor:
    """Cleans records; knows the secrets that it was told of."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first, so that one that contains another goes whole. Very short ones are no secrets.
        self._secrets = sorted({s for s in secrets if len(s) >= LEAST_SECRET}, key=len, reverse=True)

    def __call__(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record without what must not be logged."""
        return {k: self._value(k, v) for k, v in record.items() if k.lower() not in _DROPPED}

    def _value(self, key: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return self({str(k): v for k, v in value.items()})
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(key, v) for v in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return REMOVED
        text = str(value)
        for secret in self._secrets:
            text = text.replace(secret, REMOVED)
        if key not in _OWN:
            text = looks(text[: 8 * LONGEST])
        return text if len(text) <= LONGEST or key == "exception" else text[:LONGEST] + "…"


def looks(text: str) -> str:
    """The text without anything that looks like a credential or like encoded data."""
    for pattern, instead in _LOOKS:
        text = pattern.sub(instead, text)
    return text


def without_keys(text: str) -> str:
    """The text with those words only that read like names: for messages about what stands in a config."""
    return _WORD.sub(lambda word: word[0] if reads_like_a_name(word[0]) else REMOVED, looks(text))


def reads_like_a_name(word: str) -> bool:
    """Whether people would call something that: no key of an API, no token, no password out of a generator.

    `gemini-2.0-flash-thinking-exp-1219` and `GLIMPSED_API_KEY_2` do; `sk-1aB2c3`, a UUID, 32 hex digits don't.
    """
    if _PREFIXED.match(word) or _UUID.search(word):
        return False
    parts = _NOT_ALNUM.split(word)
    changes = [len(_CHANGES.findall(part)) for part in parts]
    return (
        max(changes) <= _MOST_CHANGES
        and sum(changes) <= 2 * _MOST_CHANGES  # random text has marks in it, too
        and not any(len(part) > _LONGEST_PART or _ACCOUNT.fullmatch(part) for part in parts)
    )


_WORD = re.compile(r"[^\s'\"`(){}\[\]<>,;:/.]+")
_NOT_ALNUM = re.compile(r"[^A-Za-z0-9]+")
_LONGEST_PART = 32  # characters without a mark between them
# More digits than a date has, and no time: accounts stand so in tokens.
_ACCOUNT = re.compile(r"(?!(?:19|20)\d\d[01]\d[0-3]\d(?:\d\d){0,3}$)\d{9,}", re.ASCII)
# Between letters and digits, from small to large: a random text has one at every third character.
_CHANGES = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])")
_MOST_CHANGES = 4
_PREFIXED = re.compile(
    r"(?i)(?:(?:sk|pk|rk|xai|gsk|hf|gh[oprsu]|github_pat|glpat|xox[a-z]|npm|nvapi|pplx|tgp|fw|r8)[-_]|akia|asia|aiza|ya29\.)[\w-]{5,}",
    re.ASCII,
)
_UUID = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


_OPTION = re.compile(r"[?&]\w+=[^&]*")
_SECOND_AT = re.compile(r"[^:/]*://[^:]*:[^@]*@.*@", re.DOTALL)


def password_runs_on(url: str) -> bool:
    """Whether a database's URL has an @ in its password: what follows it would be read, and shown, as the host.

    Names and options may have one: ``anna@server:…@host/x?application_name=glimpsed@nas``.
    """
    return not url.startswith("sqlite") and _SECOND_AT.match(_OPTION.sub("", url)) is not None
