"""What a sidecar is called and what stands in it (DESIGN 7). Pure: no file is touched here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pydantic_core

from glimpsed import __version__, bounded, extras
from glimpsed.config.schema import Folder
from glimpsed.errors import FileError
from glimpsed.language import Language, told, translator
from glimpsed.model import Answer, shown
from glimpsed.sidecar import xmp

LARGEST = 16 << 20  # bytes of a sidecar that is written, and so of one that is believed to be ours
# Kinds that no `render` makes: they take the image, and where words stand in it.
MADE = frozenset({"pdf", "hocr"})
LARGEST_ERROR = 1 << 20  # bytes of an error sidecar

_PLACEHOLDER = re.compile(r"\{(name|stem|ext)\}")
# Every error sidecar ends its facts with this; it is how one is told from somebody's own file.
_SIGNATURE = "written by: glimpsed "
PAGE_BREAK = "\n\f"  # a form feed alone leaves two pages on one line in most editors
_ERROR = ".error.txt"
_HALF = re.compile("[\ud800-\udfff]")
_NAME_HERE = "\0name\0"
_INTRICATE = 10_000  # bytes of indented JSON: fewer hold neither too many values nor too many levels
_LINE = ("page", "text", "box", "confidence")  # its words are for other kinds
_LONGEST_RAW = 100_000  # characters of what a model said that an error sidecar shows


def names(folder: Folder, name: str) -> dict[str, str]:
    """Kind (``txt``, ``json``, …) -> file name, for each of the folder's outputs; JSON first.

    That order is also the order of writing: the JSON proves that what stands beside it is ours, so a
    crash between two files never leaves one behind that the next start would take for somebody else's.
    """
    return {kind: sidecar_name(folder, name, kind) for kind in _json_first(folder.outputs)}


def sidecar_name(folder: Folder, name: str, kind: str) -> str:
    """The file name of one kind of sidecar for the image of this name."""
    values = {"name": name, "stem": stem(name), "ext": kind}
    return "".join([values[key] if key else literal for literal, key in _pieces(folder.sidecar)])


@cache
def _pieces(template: str) -> tuple[tuple[str, str], ...]:
    """The template as (text, "") and ("", key): a million names are made at a start."""
    parts = _PLACEHOLDER.split(template)
    return tuple(("", part) if at % 2 else (part, "") for at, part in enumerate(parts))


@cache
def _json_first(kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(kinds, key=lambda kind: kind != "json"))


def made_names(folder: Folder, name: str, made: Mapping[str, bytes]) -> dict[str, str]:
    """`names`, without a PDF that could not be made; its text stands beside the image then, in one form or another."""
    found = possible_names(folder, name)
    instead = "pdf" not in made and not set(folder.outputs) & {"txt", "md", "json"}
    return {
        kind: sidecar
        for kind, sidecar in found.items()
        if (kind in made if kind in MADE else kind in folder.outputs or instead)
    }


def possible_names(folder: Folder, name: str) -> dict[str, str]:
    """`names`, and that of the text which stands there where no PDF could be made."""
    found = names(folder, name)
    if "pdf" in found and "{ext}" in folder.sidecar:
        found.setdefault("txt", sidecar_name(folder, name, "txt"))
    return found


def error_name(name: str) -> str:
    """``scan.jpg.error.txt``, whatever the folder's template: it must not be shared by two images."""
    return f"{name}{_ERROR}"


def beginnings(folder: Folder, sidecar: str) -> set[str]:
    """What the images are called, or called before an ending, one of whose sidecars has this name."""
    found = {sidecar.removesuffix(_ERROR)} - {sidecar}
    for kind in possible_names(folder, "any"):
        if match := re.fullmatch(_reversed(folder.sidecar, kind), sidecar, re.DOTALL):
            found.add(match["beginning"])
    return found


@cache
def _reversed(template: str, kind: str) -> str:
    """An expression for the names that the template makes."""
    keys = [key for _, key in _pieces(template)]
    ending = (
        r"(?:\.[^.]*)?" if {"name", "stem"} <= set(keys) else ""
    )  # of a name, where its beginning is the stem
    whole, once = "", False
    for literal, key in _pieces(template):
        if key in {"", "ext"}:
            whole += re.escape(kind if key else literal)
            continue
        whole += "(?P=beginning)" if once else "(?P<beginning>.+)"
        whole += ending if key == "name" else ""
        once = True
    return whole


def stem(name: str) -> str:
    """``scan`` of ``scan.jpg``; a name without an ending is its own stem."""
    return name.rpartition(".")[0] or name


def render(answer: Answer, kind: str, name: str | None = None) -> bytes:
    """The bytes of one sidecar; the same answer always gives the same bytes.

    `name`: of the image, exactly; the answer may have it only as it is `shown`, as the ledger holds nothing else.
    Raises `FileError` when it would be too large to be taken for ours when it is read back.
    """
    if kind == "json":
        return _within_bounds(_json(answer, answer.source.name if name is None else name), kind)
    text = whole_text(answer).rstrip("\r\n")
    if kind == "xmp":
        return _within_bounds(_encoded(xmp.packet(text, answer.data)), kind)
    return _within_bounds(_encoded(text + "\n") if text.strip() else b"", kind)


def _within_bounds(data: bytes, kind: str) -> bytes:
    too_much = f"is larger than {LARGEST >> 20} MB" if len(data) > LARGEST else ""
    if kind == "json" and not too_much and len(data) > _INTRICATE:
        try:
            bounded.check(data)
        except ValueError as e:
            too_much = str(e)
    if too_much:
        raise FileError(
            f"The answer is too large: its {kind} sidecar {too_much}.",
            "Split the document, or have the prompt ask for less.",
        )
    return data


def whole_text(answer: Answer) -> str:
    """The text for people: pages apart by `PAGE_BREAK`, what a schema asked for as indented JSON."""
    if answer.pages is None:
        return answer.text if answer.data is None else _pretty(answer.data)
    return PAGE_BREAK.join(
        page.text.rstrip("\r\n") if page.data is None else _pretty(page.data) for page in answer.pages
    )


def render_error(
    reason: str,
    advice: str,
    facts: Mapping[str, object],
    raw: str | None = None,
    language: Language = "en",
) -> bytes:
    """One sentence of what happened, one of what to do, then the facts; last, what the model gave."""
    _ = translator(language).gettext
    lines = [shown(told(" ".join(said.split()), language)) for said in (reason, advice)]
    lines[1] = lines[1].replace("glimpsed retry", f"{extras.program()} retry")
    lines += ["", *[f"{key}: {shown(str(value))}" for key, value in facts.items() if value is not None]]
    lines.append(f"{_SIGNATURE}{__version__}")
    if raw:
        cut = "…" if len(raw) > _LONGEST_RAW else ""
        lines += ["", _("what the model answered:"), shown(raw[:_LONGEST_RAW].rstrip(), lines=True) + cut]
    return _encoded("\n".join(lines) + "\n")


def is_error_sidecar(data: bytes) -> bool:
    """Whether these bytes are an error sidecar as `render_error` writes them."""
    return f"\n{_SIGNATURE}".encode() in data


def _json(answer: Answer, name: str) -> bytes:
    dumped = as_data(answer)
    plain = name.isprintable() or not _HALF.search(name)
    dumped["source"]["name"] = name if plain else _NAME_HERE
    text = _pretty(dumped)
    if not plain:  # bytes that are no text, which JSON can only escape
        escaped = _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", json.dumps(name, ensure_ascii=False))
        text = text.replace(json.dumps(_NAME_HERE), escaped, 1)
    return _encoded(text + "\n")


def as_data(answer: Answer) -> dict[str, Any]:
    """What the JSON sidecar says: the answer, rounded, without keys that would say nothing."""
    dumped = answer.model_dump()
    dumped["seconds"] = round(answer.seconds, 3)
    _without(dumped["source"], "left_out", "signed")
    if answer.verified is None:  # else null says that both readers agree
        del dumped["doubt"]
    else:
        _tidy(dumped["verified"]["usage"])
    _tidy(dumped["usage"])
    _without(dumped, "verified", "review", "lines")
    if "lines" in dumped:
        dumped["lines"] = [{name: line[name] for name in _LINE} for line in dumped["lines"]]
    dumped["sent"] = [
        {key: value for key, value in sent.items() if value is not None} for sent in dumped["sent"]
    ]
    return dumped


def _without(values: dict[str, Any], *optional: str) -> None:
    """Leave these out where there is nothing to say."""
    for name in optional:
        if values[name] is None:
            del values[name]


def _tidy(usage: dict[str, Any]) -> None:
    if usage["cost"] is not None:
        usage["cost"] = round(usage["cost"], 6)
    if not usage["estimated"]:
        del usage["estimated"]


def _pretty(value: Any) -> str:
    try:
        return pydantic_core.to_json(value, indent=2, inf_nan_mode="null").decode()
    except (pydantic_core.PydanticSerializationError, ValueError):
        # Half a surrogate pair, a very large number.
        return json.dumps(_finite(value), indent=2, ensure_ascii=False)


def _finite(value: Any) -> Any:
    """NaN and infinity are no JSON: null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _encoded(text: str) -> bytes:
    """UTF-8; halves of surrogate pairs, which models do send as escapes, are joined or replaced."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
