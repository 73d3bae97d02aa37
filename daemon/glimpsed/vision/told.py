"""What an error's body says, whatever it is wrapped in: a message in a message, JSON in a text, a validator's list. Pure."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from glimpsed.vision.chat import first_choice

DEEPEST = 8  # levels that are looked into
_LONGEST = 20_000  # characters of one text that are looked into, and of all that is searched for words
_LONGEST_NAME = 300  # of a code, a parameter, a wait
_LONGEST_PYTHON = 4000  # as Python's own text
_MOST = 20  # members of one value that are looked into
_ADDRESS = re.compile(r"\w+:|/")  # what problems have for a type (RFC 9457)
_INNER = re.compile(r"[\[{]")
# Keys as they are written without `_` and in lower case; the sentences of those in front come first.
_INSIDE = ("error", "errors", "message", "msg", "detail", "details", "metadata", "raw", "body", "response", "cause",
           "innererror", "providererror", "errormessage", "errormsg", "violations", "quotaid")  # fmt: skip
_ANY = ("body", "raw", "response")  # where a body may have its answer as well
_CODES = ("code", "type", "status", "errortype", "errorcode", "errcode", "statuscode")
_NAMES = ("param", "parameter", "field", "property", "attribute", "argument", "pointer")
_WAIT = re.compile(r"retry|reset|wait|cooldown|backoff")
_ANSWERS = ("choices", "output", "content", "candidates")
_SAID = re.compile(r"msg|message|reason|desc|string|(?:error|fault|info)$")  # in keys that nobody knows
_FINE = ("0", "200", "none", "null", "ok", "success", "false")  # what stands for no error
_GENERIC = frozenset(
    {
        "",
        "none",
        "null",
        "error",
        "api_error",
        "invalid_request_error",
        "badrequesterror",
        "badrequest",
        "bad_request",
    }
)
_NUMBER = re.compile(r"\d+")
_STATUS = re.compile(r"\bstatus[ _]?code:?[ ](\d{3})\b", re.IGNORECASE)
_NAME = re.compile(r"[`'\"“][^`'\"”]{0,200}[`'\"”]|\S+\.\w{2,5}\b|\b\w*\d\w*\b")


@dataclass(slots=True)
class Told:
    """One body's contents, outer before inner."""

    texts: list[str] = field(default_factory=list)  # sentences, the outermost first
    codes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # parameters that a validator or the API names apart
    delays: list[object] = field(default_factory=list)  # waits, as they are written
    vague: set[str] = field(default_factory=set)  # texts that may as well be an answer
    errors: int = 0  # how many names of errors we are inside of

    @property
    def message(self) -> str:
        """What says most: the innermost sentence."""
        return _most(self.texts)

    @property
    def sure(self) -> str:
        """The same, of what is certainly said about an error: the rest of a reply to a request that succeeded is no news."""
        return _most([text for text in self.texts if text not in self.vague])

    @property
    def words(self) -> str:
        """All texts, to be searched."""
        return "\n".join(self.texts)[:_LONGEST]

    def number(self) -> int | None:
        """An HTTP status that stands in the body, or that its words name as another server's."""
        found = [int(c) for c in self.codes if c.isascii() and c.isdecimal() and len(c) == 3]
        found += [int(n) for n in _STATUS.findall(self.words)]
        return next((n for n in found if 400 <= n < 600), None)

    def likeness(self, status: int) -> frozenset[str]:
        """What two refusals that are alike have in common: status and code, or the words but for numbers and names."""
        codes = {c.lower() for c in self.codes if not c.isdecimal()} - _GENERIC
        words = " ".join(_NAME.sub("", self.message[:1000].lower()).split())
        return frozenset({f"{status} code {c}" for c in codes} | {f"{status} {_NUMBER.sub('', words)}"})


def error_of(content: object) -> Told | None:
    """What a body tells of an error that stands beside, or instead of, an answer; None for one that names none."""
    if not isinstance(content, dict):
        return None
    choice = first_choice(content)
    for holder in (content, choice) if choice is not None else (content,):
        if is_error(holder.get("error")):
            told = Told(errors=1)
            _read(holder["error"], told, 0)
            return told
    return None


def told_by(content: object) -> Told | None:
    """What a body tells in which there is no answer: an error, with or without a wrapper. None: nothing at all."""
    if isinstance(content, list) and content and isinstance(content[0], dict):  # Gemini wraps it in a list
        content = content[0]
    if (told := error_of(content)) is not None:
        return told
    told = Told()
    texts = [content] if isinstance(content, str) else content
    if isinstance(texts, list) and all(isinstance(text, str) for text in texts):
        for text in texts[:_MOST]:
            _read_text(text, told, 0, vague=True)
    else:
        _read(content, told, 0)
    return told if told.texts else None


def is_error(error: object) -> bool:
    """Whether there is one: some gateways send an empty one along with each answer, or one that says 'success'."""
    said = error.values() if isinstance(error, dict) else (error,)
    return any(value and str(value).lower() not in _FINE for value in said)


def _read(value: object, told: Told, depth: int) -> None:
    if depth > DEEPEST:
        return
    if isinstance(value, str):
        _read_text(value, told, depth)
    elif isinstance(value, dict):
        _read_object(value, told, depth)
    elif isinstance(value, list | tuple):
        for item in value[:_MOST]:
            _read(item, told, depth + 1)


def _read_text(text: str, told: Told, depth: int, *, vague: bool = False) -> None:
    """A sentence, and what is said as JSON or as Python text in it."""
    inner = next(_values(text), None)
    outer = text if inner is None else text[: inner[0]]
    own: list[str] = []
    if outer.strip(" -:\n\t'\"b"):
        own.append(outer.strip()[:_LONGEST])
    told.texts += own
    if inner is not None:
        before = len(told.texts)
        _read(inner[1], told, depth + 1)
        if len(told.texts) == before and outer != text:  # it was no error
            own.append(text[:_LONGEST])
            told.texts.append(own[-1])
    told.vague.update(own if vague else ())


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """Objects and lists of objects that stand in a text, and where they begin."""
    if len(text) > _LONGEST:
        return
    for match in list(_INNER.finditer(text))[:5]:
        at = match.start()
        try:
            value, _ = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError):
            if len(text) > _LONGEST_PYTHON:
                continue
            try:
                value = ast.literal_eval(text[at:].strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                continue
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            yield at, value


def _read_object(value: Mapping[str, Any], told: Told, depth: int) -> None:
    plain = {re.sub(r"[^a-z]", "", str(key).lower()): inner for key, inner in list(value.items())[::-1]}
    codes = [
        str(plain[key])[:_LONGEST_NAME]
        for key in _CODES
        if isinstance(plain.get(key), str | int) and plain[key]
    ]
    told.codes += [code for code in codes if not _ADDRESS.match(code)]
    names = [plain[key] for key in _NAMES if isinstance(plain.get(key), str) and plain[key]]
    told.names += [name[:_LONGEST_NAME].strip("#/").replace("/", ".") for name in names]
    _read_waits(plain, told)
    if isinstance(headers := plain.get("headers"), dict):  # OpenRouter: those of the reply that it got
        _read_waits({str(key).lower(): header for key, header in headers.items()}, told)
    where = _location(plain.get("loc"))
    if where:
        said = plain.get("msg") or plain.get("message") or plain.get("type") or "refused"
        told.names.append(where)
        told.texts.append(f"{where}: {said}"[:_LONGEST])
        return
    before = len(told.texts)
    for key in _INSIDE:
        told.errors += key not in _ANY
        if isinstance(plain.get(key), str):
            _read_text(plain[key], told, depth + 1, vague=not told.errors)
        else:
            _read(plain.get(key), told, depth + 1)
        told.errors -= key not in _ANY
    if len(told.texts) == before:
        _read_unknown(value, told, depth)


def _read_unknown(value: Mapping[str, Any], told: Told, depth: int) -> None:
    """Whatever has the look of a sentence, under keys that nobody knows: ``{"fields": {"temperature": ["not here"]}}``."""
    for key, inner in list(value.items())[:_MOST]:
        if key in _ANSWERS:  # half of one is nothing to be logged
            continue
        if isinstance(inner, dict) or (isinstance(inner, list) and any(isinstance(i, dict) for i in inner)):
            _read(inner, told, depth + 1)
        elif isinstance(inner, list) and inner and all(isinstance(i, str) for i in inner):
            told.names.append(str(key)[:_LONGEST_NAME])
            told.texts.append(f"{key}: {' '.join(inner[:_MOST])}"[:_LONGEST])
            told.vague.update([] if told.errors else told.texts[-1:])
        elif isinstance(inner, str):
            said = _SAID.search(str(key).lower())
            if said or " " in inner.strip() or not inner.isascii():
                _read_text(inner, told, depth, vague=not (said or told.errors))


def _read_waits(plain: Mapping[str, Any], told: Told) -> None:
    for key, wait in plain.items():
        if not _WAIT.search(key) or not wait:
            continue
        seconds = wait.get("seconds") if isinstance(wait, dict) else wait
        in_ms = re.search(r"m(?:illi)?s(?:ec(?:ond)?s?)?\Z", key) and str(seconds).isdecimal()
        told.delays.append(_short(f"{seconds}ms" if in_ms else seconds))


def _location(loc: object) -> str:
    """A validator's ``loc`` as a path, its first word (body) left out."""
    if not isinstance(loc, list | tuple):
        return ""
    return ".".join(str(part) for part in loc[:_MOST] if part not in ("body", "query"))[:_LONGEST_NAME]


def _most(texts: Sequence[str]) -> str:
    return next((text for text in reversed(texts) if " " in text), texts[-1] if texts else "")


def _short(wait: object) -> object:
    return wait[:_LONGEST_NAME] if isinstance(wait, str) else wait
