"""The rules about folders: whom they ask, what they write, and that no two of them are the same."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from glimpsed import extras
from glimpsed.blocking import within
from glimpsed.config.document import ConfigFile, Key
from glimpsed.config.schema import Config, Folder
from glimpsed.config.validate import meant
from glimpsed.errors import ShareTrouble
from glimpsed.extras import OCR_MODULES
from glimpsed.formats.sniff import ENDINGS
from glimpsed.prompt import near_misses
from glimpsed.words import lasting

Finding: TypeAlias = tuple[Key, str, str | None]
# A directory: its device, number and time where it is there, else its path.
Place: TypeAlias = Path | tuple[int, int, int]

_BRACES = re.compile(r"\{([^{}]*)\}")
_DATA = re.compile(r"data\.([^.:]+(?:\.[^.:]+)*)(?::[0-9]+)?")
_MOST_REFERENCES = 20  # from one part of a schema to another
_PLACEHOLDERS = {"name", "stem", "ext"}
_PATIENCE = 5.0  # seconds that all paths may take to be resolved: a dead share would take for ever


def about(key: Key, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings with the key that they are about in front of theirs."""
    return (((*key, *below), message, hint) for below, message, hint in findings)


def folder_findings(folder: Folder, config: Config, document: ConfigFile) -> Iterator[Finding]:
    """Everything about one folder by itself."""
    yield from _named(folder)
    yield from _asking(folder, config)
    yield from _private(folder, config, document)
    yield from _upright(folder, config)
    yield from _prompts(folder, document)
    yield from _sidecars(folder)
    yield from _patterns(folder)
    yield from _moving(folder)
    if folder.settle_limit < folder.settle:
        yield ("settle",), f"must not be longer than settle_limit, {lasting(folder.settle_limit)}", None


def _named(folder: Folder) -> Iterator[Finding]:
    name = folder.name
    if (
        not name.isprintable()
        or name != name.strip()
        or not 0 < len(name) <= 100
        or name[0] in "-."
        or "/" in name
    ):
        yield (), "is no name for a folder: up to 100 printable characters, no '/', no '-' or '.' first", None


def _asking(folder: Folder, config: Config) -> Iterator[Finding]:
    known = config.models
    if not folder.model:
        yield ("model",), f"is required: one of {', '.join(known)}", None
    elif folder.model not in known:
        yield ("model",), f"there is no model '{folder.model}'", meant(folder.model, known)
    elif known[folder.model].local and folder.schema_ is not None:
        yield ("schema",), f"'{folder.model}' is plain OCR, which cannot answer by a schema", None
    for i, name in enumerate(folder.fallbacks):
        if name not in known:
            yield ("fallbacks", i), f"there is no model '{name}'", meant(name, known)
        elif name == folder.model or name in folder.fallbacks[:i]:
            yield ("fallbacks", i), f"'{name}' has been asked by then", None
    second = folder.verify_with
    if second is not None and second not in known:
        yield ("verify_with",), f"there is no model '{second}'", meant(second, known)
    elif second is not None and second == folder.model:
        yield (
            ("verify_with",),
            f"'{second}' gives the answer itself: a second reading needs another model",
            None,
        )


def _private(folder: Folder, config: Config, document: ConfigFile) -> Iterator[Finding]:
    """Nothing of a `local_only` folder leaves the machine; said where the folder itself contradicts."""
    asked: list[tuple[Key, str]] = [(("model",), folder.model)]
    asked += [(("fallbacks", i), name) for i, name in enumerate(folder.fallbacks)]
    asked += [] if folder.verify_with is None else [(("verify_with",), folder.verify_with)]
    for key, name in asked:
        if folder.local_only and name in config.models and not config.models[name].local:
            own = ("folders", folder.name, key[0]) in document.lines
            message = f"'{name}' is a remote model, and the folder '{folder.name}' is local_only"
            yield key if own else ("local_only",), message, None


def _upright(folder: Folder, config: Config) -> Iterator[Finding]:
    asked = (folder.model, *folder.fallbacks)
    if not folder.upright or not any(
        name in config.models and not config.models[name].local for name in asked
    ):
        return
    if folder.image_url_base:
        yield ("upright",), "cannot be with image_url_base: what stands at the URL is not turned", None
    if any(importlib.util.find_spec(module) is None for module in OCR_MODULES):
        yield ("upright",), f"needs an extra that is not installed: {extras.command('ocr')}", None


def _prompts(folder: Folder, document: ConfigFile) -> Iterator[Finding]:
    places = (document.data["folders"][folder.name], document.data["defaults"])
    if any(place.get("prompt") is not None and place.get("prompt_file") is not None for place in places):
        yield ("prompt_file",), "stands beside prompt: only one of them can count", None
    elif folder.prompt_file is None and not folder.prompt.strip():
        yield ("prompt",), "is empty", None
    prompt_key = "prompt" if folder.prompt_file is None else "prompt_file"
    for key, text in ((prompt_key, folder.prompt), ("system", folder.system or "")):
        for word, name in near_misses(text):
            literal = "; for the text itself put spaces inside the braces" if word[1] != " " else ""
            yield (key,), f"{word} would not be filled in", f"did you mean {{{name}}}?{literal}"


def _sidecars(folder: Folder) -> Iterator[Finding]:
    if len(set(folder.outputs)) < len(folder.outputs):
        yield ("outputs",), "names a kind twice", None
    key, template = ("sidecar",), folder.sidecar
    if "/" in template or "\\" in template or not template.isprintable():
        yield key, "must be a plain file name: sidecars stand beside their image", None
        return
    names = {match[1] for match in _BRACES.finditer(template)}
    if not names <= _PLACEHOLDERS or {"{", "}"} & set(_BRACES.sub("", template)):
        yield key, "may only hold {name}, {stem} and {ext} in braces", None
    elif not {"name", "stem"} & names:
        yield key, "must hold {name} or {stem}, or all images would share one sidecar", None
    elif "ext" not in names and len(folder.outputs) > 1:
        yield key, f"must hold {{ext}}, or {' and '.join(folder.outputs)} would be one file", None
    else:
        yield from _clashes(key, template, folder)


def _clashes(key: Key, template: str, folder: Folder) -> Iterator[Finding]:
    """Names that mean something else: the image itself, other images, the error sidecar, a kept edit."""
    for ext in folder.outputs:
        made = {kind: _sidecar(template, f"scan.{kind}", ext).lower() for kind in ENDINGS}
        if any(name == f"scan.{kind}" for kind, name in made.items()):
            yield key, "would be the name of the image itself", None
        elif made["jpg"].endswith(tuple(f".{kind}" for kind in ENDINGS - {ext})):
            yield key, "would look like an image", None
        elif made["jpg"] == "scan.jpg.error.txt" or made["jpg"].endswith("~"):
            yield key, "is reserved for what glimpsed writes itself", None
        else:
            continue
        return


def _sidecar(template: str, name: str, ext: str) -> str:
    values = {"name": name, "stem": name.rpartition(".")[0], "ext": ext}
    return _BRACES.sub(lambda match: values[match[1]], template)


def _patterns(folder: Folder) -> Iterator[Finding]:
    if (folder.include, folder.exclude) == (("*",), ()):
        return
    import pathspec  # noqa: PLC0415 - most folders have no patterns, and commands start sooner without

    for key, patterns in (("include", folder.include), ("exclude", folder.exclude)):
        for i, pattern in enumerate(patterns):
            try:
                rules = pathspec.GitIgnoreSpec.from_lines([pattern]).patterns
            except ValueError:
                yield (key, i), "is not a gitignore-style pattern", None
                continue
            if all(rule.include is None for rule in rules):
                yield (key, i), "matches nothing: empty, or a comment", None


def _moving(folder: Folder) -> Iterator[Finding]:
    done = folder.on_done
    if done.move_to is not None:
        if os.path.normpath(done.move_to or ".") == "." or not done.move_to.isprintable():
            yield (
                ("on_done", "move_to"),
                "must be a directory, relative to the folder, but not the folder itself",
                None,
            )
        else:
            yield from _filled_in(folder, "move_to", done.move_to, ("folder", "date"))
    if done.rename_to is not None:
        if "/" in done.rename_to or not done.rename_to.strip(" .") or not done.rename_to.isprintable():
            yield ("on_done", "rename_to"), "must be a name, without a directory; move_to has that", None
        else:
            yield from _filled_in(folder, "rename_to", done.rename_to, ("folder", "date", "stem"))
    if done.command is not None and not done.command[0].strip():
        yield ("on_done", "command", 0), "names no program", None
    if (webhook := done.webhook) is not None:
        key: Key = ("on_done", "webhook")
        if not _is_url(webhook.url):
            yield key, "must be a URL of http or https", None
        if (
            sum(s is not None for s in (webhook.secret_env, webhook.secret_file, webhook.secret_credential))
            > 1
        ):
            yield key, "takes one of secret_env, secret_file and secret_credential", None


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is none
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.fragment


def _filled_in(folder: Folder, key: str, template: str, known: tuple[str, ...]) -> Iterator[Finding]:
    """What is filled in from the answer must be in the schema: else each file would be called 'unknown'."""
    for name in (match[1] for match in _BRACES.finditer(template)):
        data = _DATA.fullmatch(name)
        if data and folder.schema_ is None:
            yield ("on_done", key), f"{{{name}}} needs a schema of the folder's answers", None
        elif data and not knows(folder.schema_, folder.schema_, data[1].split(".")):
            yield ("on_done", key), f"{{{name}}} is not in the folder's schema", None
        elif not data and name not in known:
            allowed = ", ".join(f"{{{one}}}" for one in known)
            yield ("on_done", key), f"may only hold {allowed} and {{data.KEY}} in braces", None


def knows(whole: object, schema: object, keys: Sequence[str]) -> bool:
    """Whether a value of this schema may have these keys, one in the other; references are followed."""
    for _ in range(_MOST_REFERENCES):
        if not isinstance(schema, dict) or not isinstance(reference := schema.get("$ref"), str):
            break
        schema = _referred(whole, reference)
    if not isinstance(schema, dict):
        return False
    if not keys:
        return True
    properties = schema.get("properties")
    below = properties.get(keys[0]) if isinstance(properties, dict) else None
    if below is not None:
        return below is True or knows(whole, below, keys[1:])
    some = [one for way in ("anyOf", "oneOf", "allOf") for one in schema.get(way, ()) if one is not schema]
    return any(knows(whole, one, keys) for one in some)


def _referred(whole: object, reference: str) -> object:
    found = whole
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            found = found.get(part) if isinstance(found, dict) else None
    return found


def overlapping(config: Config) -> Iterator[Finding]:
    """Two folders of which one holds the other would do every file twice, and pay twice."""
    at: dict[Place, str] = {}  # the folders so far
    below: dict[Place, list[str]] = {}  # and each directory above one of them
    for name, (place, *parents) in _places(config).items():
        key = ("folders", name, "path")
        if place in at:
            yield key, f"is the same directory as that of '{at[place]}'", None
        for parent in parents:
            if parent in at:
                yield key, f"is inside of that of '{at[parent]}'", None
            below.setdefault(parent, []).append(name)
        for other in below.get(place, ()):
            yield key, f"holds that of '{other}'", None
        at.setdefault(place, name)


def _places(config: Config) -> dict[str, list[Place]]:
    """The folders' directories and those above them, as far as the file systems answer in time."""
    until = time.monotonic() + _PATIENCE
    found: dict[str, list[Place]] = {}
    for name, folder in config.folders.items():
        found[name] = [folder.path, *folder.path.parents]
        with contextlib.suppress(ShareTrouble):
            found[name] = within(max(0.0, until - time.monotonic()), _upwards, folder.path)
    return found


def _upwards(path: Path) -> list[Place]:
    real = Path(os.path.realpath(path))
    return [_place(one) for one in (real, *real.parents)]


def _place(path: Path) -> Place:
    try:
        status = path.stat()
    except OSError:
        return path
    # The time, too: there are file systems that give one number to several.
    return status.st_dev, status.st_ino, status.st_ctime_ns
