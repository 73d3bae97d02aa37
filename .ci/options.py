"""Writes config.example.yaml and docs/options.md from the config's schema: `make options`.

What an option means and what it may be is said once, in `glimpsed.config.schema`; here is only what an example adds:
values that differ from the defaults, and the other models.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from glimpsed.config import units
from glimpsed.config.schema import Config, Folder, ModelEntry
from glimpsed.config.validate import section_in

ROOT = Path(__file__).parents[1]
WIDTH = 112

HEAD = """\
# glimpsed: every option, with its meaning. A config needs little of this: `glimpsed init` writes a short one.
#
# Looked up in this order: -c FILE, $GLIMPSED_CONFIG, ./glimpsed.yaml, $XDG_CONFIG_HOME/glimpsed/config.yaml,
# /etc/glimpsed/config.yaml. `glimpsed check` names every mistake; `glimpsed schema` has all of this for an
# editor. Durations: 500ms, 2s, 5m, 1h, or a number of seconds. Sizes: 700KB, 5MB. Relative paths are relative
# to this file. ${NAME} in a value is taken from the environment ($${NAME} is the text itself).
# Where it says 'default', the value shown here is what counts when the key is left out.
# Made by `make options` from the program's own description of its options.

# ---- models: how to reach them. Left out altogether: one model `local`. ------------------------------------
models:

  # The entry's key is the name that folders, logs and `glimpsed status` use.
  gpt-4o:
"""
MODELS = """
  # Gemini behind one-api and new-api gateways wants chat. Up to 3072 px, counted in tiles of 768 px.
  gemini-2.5-flash:
    api: chat
    base_url: https://openai-ss.cn/v1
    api_key_env: GLIMPSED_API_KEY
    max_edge: 3072
    price: {input: 0.30, output: 2.50}

  # Claude sees 1568 px of the longest side; 5 MB an image after base64 is its own limit, 1 MB the gateway's.
  claude-sonnet-4-20250514:
    api: chat
    base_url: https://openai-ss.cn/v1
    api_key_env: GLIMPSED_API_KEY
    max_edge: 1568
    price: {input: 3.00, output: 15.00}

  # Doubao wants chat, too, and `detail: high` (a folder's default) for text: it then sees up to 4 megapixels.
  doubao-1.5-vision-pro-250328:
    api: chat
    base_url: https://openai-ss.cn/v1
    api_key_env: GLIMPSED_API_KEY
    max_edge: 2352
    price: {input: 3.00, output: 9.00}
    currency: CNY

  # An older experimental model: few requests a minute, and long silent thinking, which `stream` keeps alive.
  gemini-2.0-flash-thinking-exp-1219:
    api: chat
    base_url: https://openai-ss.cn/v1
    api_key_env: GLIMPSED_API_KEY
    concurrency: 2
    requests_per_minute: 10
    stream: true
    max_edge: 3072
    price: {input: 0.10, output: 0.40}

  # The OCR inside glimpsed: no key, no network, no cost; it reads text, and ignores the prompt.
  local:
    api: local
    model: rapidocr                   # default; or tesseract (Debian's), with extra: {languages: [eng, chi_sim]} or auto
    concurrency: 1

# ---- defaults: any folder key but `path`; a folder's own value wins. ---------------------------------------
defaults:
  model: gpt-4o

# ---- folders: the name is the one in logs, metrics and the ledger; keep it. --------------------------------
folders:
  inbox:
"""
DAEMON = """
# ---- the daemon --------------------------------------------------------------------------------------------
"""
# What stands in the example where it is not the default, as YAML.
VALUES: dict[type[BaseModel], dict[str, str]] = {
    ModelEntry: {
        "base_url": "https://openai-ss.cn/v1",
        "model": "gpt-4o",
        "api_key_env": "GLIMPSED_API_KEY",
        "api_key_file": "openai.key",
        "api_key_credential": "glimpsed.api-key",
        "price": "{input: 2.50, output: 10.00}",
        "budget": "{per_day: null, per_month: null}",
    },
    Folder: {
        "path": "inbox",
        "prompt": """|
This is {filename}, page {page} of {pages}. Extract the invoice number, date, supplier and total.
Answer with JSON like {"number": "...", "date": "2026-11-22", "supplier": "...", "total": 12.5}.""",
        "prompt_file": "invoice.prompt.txt",
        "system": "You transcribe scans faithfully.",
        "model": "gpt-4o",
        "fallbacks": "[gemini-2.5-flash]",
        "schema": """
type: object
properties:
  number: {type: string}
  date: {type: string}
  supplier: {type: string}
  total: {type: number}
required: [number, date, supplier, total]
additionalProperties: false""",
        "exclude": '["drafts/"]',
        "budget": "{per_day: null, per_month: null}",
    },
}
INSTEAD = {"api_key_file", "api_key_credential", "prompt_file"}  # of the key before: commented out


def example() -> str:
    """The text of config.example.yaml."""
    parts = [HEAD, *_section(ModelEntry, 4, 38), MODELS, *_section(Folder, 4, 38), DAEMON]
    return "".join([*parts, *_section(Config, 0, 24, without={"models", "folders"})])


def options() -> str:
    """The text of docs/options.md."""
    parts = ["# Every option\n\nMade by `make options`. `config.example.yaml` shows them in use.\n"]
    for title, section in _sections("The top level", Config):
        parts.append(f"\n## {title}\n\n| key | default | |\n|---|---|---|\n")
        for key, field in _fields(section):
            default = "required" if field.is_required() else f"`{_default(field)}`"
            meaning = ". ".join([*_choices(field), field.description or ""]).replace("|", "\\|")
            parts.append(f"| `{key}` | {default} | {meaning} |\n")
    return "".join(parts)


def _sections(title: str, section: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """A section and those in it, by the keys that lead there."""
    yield title, section
    for key, field in _fields(section):
        inner, named = section_in(field.annotation)
        if inner is not None:
            above = "" if section is Config else f"{title}, "
            yield from _sections(f"{above}{key}{': NAME' if named else ''}", inner)


def _fields(section: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return ((f.alias or name, f) for name, f in section.model_fields.items() if not f.exclude)


def _section(
    section: type[BaseModel], indent: int, column: int, without: frozenset[str] | set[str] = frozenset()
) -> Iterator[str]:
    """The lines of all keys of a section."""
    for key, field in _fields(section):
        if key in without:
            continue
        value = VALUES.get(section, {}).get(key, _default(field))
        if isinstance(field.default, BaseModel):
            yield from _commented(f"{' ' * indent}{key}:", _meaning(field, None), column)
            yield from _section(type(field.default), indent + 2, column)
            continue
        first, *more = value.split("\n")
        line = f"{' ' * indent}{'#' if key in INSTEAD else ''}{key}: {first}".rstrip()
        meaning = _meaning(field, None if key in INSTEAD else value)
        if first == "|":  # what follows is text: no comment can go on there
            yield from (f"{' ' * indent}# {line}\n" for line in textwrap.wrap(meaning, WIDTH - indent - 2))
            meaning = textwrap.shorten(f"default: {_default(field)}", WIDTH - column - 4, placeholder=" ...")
        yield from _commented(line, meaning, column)
        yield from (f"{' ' * (indent + 2)}{line}\n" for line in more)


def _commented(text: str, comment: str, column: int) -> Iterator[str]:
    """A line with its comment, which goes on below where it is long."""
    start = max(column, len(text) + 2)
    first, *more = textwrap.wrap(comment, max(50, WIDTH - start - 4), break_on_hyphens=False)
    yield f"{text:<{start}}# {first}\n"
    yield from (f"{'':<{start}}#   {line}\n" for line in more)


def _meaning(field: FieldInfo, shown: str | None) -> str:
    """``default; a | b. What it is for``."""
    description = (field.description or "").rstrip(".")
    parts = _choices(field)
    if shown is not None and not field.is_required() and "default" not in description:
        default = _default(field)
        if default == shown:
            parts.insert(0, "default")
        elif default in ("null", "[]"):
            parts.insert(0, "default: none")
    return ". ".join(["; ".join(parts), description] if parts else [description])


def _choices(field: FieldInfo) -> list[str]:
    """What may stand there: one of a few words, or a section that is not there by default."""
    if get_origin(field.annotation) is Literal:
        return [" | ".join(map(str, get_args(field.annotation)))]
    inner, named = section_in(field.annotation)
    return (
        []
        if inner is None or named or field.default
        else [f"{{{', '.join(key for key, _ in _fields(inner))}}}"]
    )


def _default(field: FieldInfo) -> str:
    """A default as people write it."""
    value = None if field.is_required() else field.default
    kinds = _functions(field.annotation) | {getattr(part, "func", None) for part in field.metadata}
    if units.keeping in kinds:
        return "forever"
    if units.seconds in kinds and value is not None:
        return _unit(value * 1000, {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1})
    if units.size in kinds and value is not None:
        return _unit(value, {"MB": 1_000_000, "KB": 1000, "": 1})
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, BaseModel):
        value = value.model_dump()
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")
    return text.replace("'", '"')


def _unit(value: float, names: dict[str, int]) -> str:
    return next(f"{value / size:g}{name}" for name, size in names.items() if value % size == 0 and value)


def _functions(annotation: Any) -> set[Any]:
    """The functions that validate a type, also in a union with null."""
    found = {getattr(part, "func", None) for part in getattr(annotation, "__metadata__", ())}
    return found.union(*map(_functions, get_args(annotation)))


if __name__ == "__main__":
    (ROOT / "config.example.yaml").write_text(example(), encoding="utf-8")
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "options.md").write_text(options(), encoding="utf-8")
