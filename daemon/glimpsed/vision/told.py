"""What an error's body says, whatever it is wrapped in: a message in a message, JSON in a text, a validator's list. Pure."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DEEPEST = 8  # levels that are looked into
_LONGEST = 20_000  # characters of one text that are looked into, and of all that is searched for words
_LONGEST_NAME = 300  # of a code, a parameter, a wait
_LONGEST_PYTHON = 4000  # as Python's own text
_INNER = re.compile(r"[\[{]")
_INSIDE = ("error", "errors", "message", "msg", "detail", "details", "metadata", "raw", "body", "response", "cause",
           "inner_error", "innererror", "provider_error", "error_message", "error_msg", "errorMessage", "violations", "quotaId")  # fmt: skip
_CODES = ("code", "type", "status", "error_type", "error_code", "err_code", "errorCode")
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
_NAME = re.compile(r"[`'\"“][^`'\"”]{0,200}[`'\"”]|\S+\.\w{2,5}\b|\b\w*\d\w*\b")


@dataclass(slots=True)
class Told:
    """One body's contents, outer before inner."""

    texts: list[str] = field(default_factory=list)  # sentences, the outermost first
    codes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # parameters that a validator or the API names apart
    delays: list[object] = field(default_factory=list)  # waits, as they are written

    @property
    def message(self) -> str:
        """What says most: the innermost sentence."""
        return next((t for t in reversed(self.texts) if " " in t), self.texts[-1] if self.texts else "")

    @property
    def words(self) -> str:
        """All texts, to be searched."""
        return "\n".join(self.texts)[:_LONGEST]

    def number(self) -> int | None:
        """An HTTP status that stands in the body."""
        found = [int(c) for c in self.codes if c.isascii() and c.isdecimal() and len(c) == 3]
        return next((n for n in found if 400 <= n < 600), None)

    def likeness(self, status: int) -> frozenset[str]:
        """What two refusals that are alike have in common: status and code, or the words but for numbers and names."""
        codes = {c.lower() for c in self.codes if not c.isdecimal()} - _GENERIC
        words = " ".join(_NAME.sub("", self.message[:1000].lower()).split())
        return frozenset({f"{status} code {c}" for c in codes} | {f"{status} {_NUMBER.sub('', words)}"})


def error_of(content: object) -> Told | None:
    """What a body tells of an error; None for one that holds none (an answer, a list, nothing)."""
    if isinstance(content, list) and content:  # Gemini wraps it in a list
        content = content[0]
    if not isinstance(content, dict):
        return None
    told = Told()
    if content.get("error"):
        _read(content, told, 0)
        return told
    choice = _first_choice(content)
    if choice is not None and choice.get("error"):
        _read(choice["error"], told, 0)
        return told
    if "choices" in content or "output" in content:
        return None
    # Without the wrapper: {"success": false, "message": …}, {"code": …, "msg": …}, {"detail": [{"msg": …}]}
    _read(content, told, 0)
    return told if told.texts else None


def _first_choice(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = content.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else None


def _read(value: object, told: Told, depth: int) -> None:
    if depth > DEEPEST:
        return
    if isinstance(value, str):
        _read_text(value, told, depth)
    elif isinstance(value, dict):
        _read_object(value, told, depth)
    elif isinstance(value, list | tuple):
        for item in value[:20]:
            _read(item, told, depth + 1)


def _read_text(text: str, told: Told, depth: int) -> None:
    """A sentence, and what is said as JSON or as Python text in it."""
    inner = next(_values(text), None)
    outer = text if inner is None else text[: inner[0]]
    if outer.strip(" -:\n\t'\"b"):
        told.texts.append(outer.strip()[:_LONGEST])
    if inner is not None:
        before = len(told.texts)
        _read(inner[1], told, depth + 1)
        if len(told.texts) == before and outer != text:  # it was no error
            told.texts.append(text[:_LONGEST])


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
    told.codes += [
        str(value[key])[:_LONGEST_NAME]
        for key in _CODES
        if isinstance(value.get(key), str | int) and value[key]
    ]
    param = value.get("param")
    told.names += [param[:_LONGEST_NAME]] if isinstance(param, str) and param else []
    told.delays += [
        _short(value[key]) for key in ("retryDelay", "retry_after", "retryAfter") if value.get(key)
    ]
    headers = value.get("headers")
    if isinstance(headers, dict):  # OpenRouter: those of the reply that it got
        told.delays += [
            _short(v) for k, v in headers.items() if "reset" in str(k).lower() or "retry" in str(k).lower()
        ]
    where = _location(value.get("loc"))
    if where:
        said = value.get("msg") or value.get("message") or value.get("type") or "refused"
        told.names.append(where)
        told.texts.append(f"{where}: {said}"[:_LONGEST])
        return
    for key in _INSIDE:
        _read(value.get(key), told, depth + 1)
    if depth == 0 and not told.texts and isinstance(value.get("title"), str):
        told.texts.append(value["title"][:_LONGEST])


def _location(loc: object) -> str:
    """A validator's ``loc`` as a path, its first word (body) left out."""
    if not isinstance(loc, list | tuple):
        return ""
    return ".".join(str(part) for part in loc[:20] if part not in ("body", "query"))[:_LONGEST_NAME]


def _short(wait: object) -> object:
    return wait[:_LONGEST_NAME] if isinstance(wait, str) else wait
