"""YAML to plain values that remember their lines: duplicate keys refused, ``${NAME}`` filled in.

PyYAML parses; its tree of nodes, which knows every line, is turned into values here. That is also where
YAML 1.1's surprises end: keys are always text (a folder may be called ``2024`` or ``no``), and a date
stays the text it was written as.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from glimpsed.errors import ConfigError, Problem
from glimpsed.model import shown

Key: TypeAlias = tuple[str | int, ...]  # ("folders", "invoices", "outputs", 1)

LARGEST = 4_000_000  # bytes of a config file: more is some other file
_VARIABLE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + name for name in ("null", "bool", "int", "float")}
_TEXTS = {_TAG + name for name in ("str", "timestamp", "value")}
_MERGE = _TAG + "merge"


@dataclass(slots=True)
class Document:
    """A parsed config file: its values, where each of them stands, and what is wrong so far."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _wrong: set[Key] = field(default_factory=set)

    def written(self, key: Key) -> Key:
        """Where a folder's value stands: with the folder, or under `defaults`."""
        if len(key) > 2 and key[0] == "folders" and key[:3] not in self.lines:
            inherited = ("defaults", *key[2:])
            return inherited if inherited[:2] in self.lines else key
        return key

    def line(self, key: Key) -> int | None:
        """The line of this key, or of the closest thing around it that is written in the file."""
        return next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), None)

    def is_wrong(self, key: Key) -> bool:
        """Whether a problem with this key, or with what holds it, is noted already."""
        key = self.written(key)
        return any(key[:n] in self._wrong for n in range(1, len(key) + 1))

    def problem(self, key: Key, message: str, hint: str | None = None, line: int | None = None) -> None:
        """Note what is wrong with a key; the same thing is noted once."""
        key = self.written(key)
        self._wrong.add(key)
        shown_hint = None if hint is None else shown(hint)
        found = Problem(shown(message), dotted(key), line or self.line(key), self.file, shown_hint)
        if found not in self.problems:
            self.problems.append(found)


def dotted(key: Key) -> str | None:
    """``folders.invoices.outputs[1]``; None for the whole document."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return shown(text.removeprefix(".")) or None


def read(file: Path, env: Mapping[str, str]) -> Document:
    """Parse a config file. Raises `ConfigError` when there is no YAML mapping to go on with."""
    try:
        with open(file, "rb", opener=_without_waiting) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise ConfigError(Problem("is not a regular file", file=str(file)))
            text = stream.read(LARGEST + 1)
    except OSError as e:
        raise ConfigError(Problem(f"cannot be read: {e.strerror}", file=str(file))) from e
    if len(text) > LARGEST:
        raise ConfigError(Problem("is too large for a config", file=str(file)))
    return parse(text, str(file), env)


def _without_waiting(path: str, flags: int) -> int:
    """A FIFO would be opened once somebody writes to it, which may be never."""
    return os.open(path, flags | os.O_NONBLOCK)


def parse(text: bytes | str, file: str, env: Mapping[str, str]) -> Document:
    """`read` for text that is already here."""
    document = Document(file)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = None if node is None else _Builder(document, env).value(node, ())
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        message = ": ".join(part for part in (e.context, e.problem) if part)
        line = mark.line + 1 if mark else None
        raise ConfigError(Problem(shown(f"is not YAML: {message}"), None, line, file)) from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        reason = getattr(e, "reason", "it cannot be parsed")
        raise ConfigError(Problem(f"is not YAML: {reason}", None, None, file)) from e
    except RecursionError as e:
        raise ConfigError(Problem("is nested too deeply", None, None, file)) from e
    if data is not None and not isinstance(data, dict):
        raise ConfigError(Problem("must hold keys and values, like 'folders:'", None, 1, file))
    document.data = data or {}
    return document


class _Builder:
    """Turns one tree of nodes into values."""

    def __init__(self, document: Document, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env
        self._open: list[yaml.Node] = []  # to notice an alias inside of what it names
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, key: Key) -> Any:
        self._document.lines.setdefault(key, node.start_mark.line + 1)
        if node in self._open:
            self._document.problem(key, "is an alias of something that holds it")
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, key)
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*key, i)) for i, item in enumerate(node.value)]
            return self._scalar(node, key)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if name.tag == _MERGE:
                merged = self._merged(value, key) | merged
            elif not isinstance(name, yaml.ScalarNode):
                self._document.problem(key, "has a key that is not plain text")
            elif name.value in own:
                first = self._document.lines[*key, name.value]
                file = self._document.file
                problem = Problem(
                    f"duplicate key, first on line {first}", dotted((*key, name.value)), line, file
                )
                self._document.problems.append(problem)
            else:
                self._document.lines[*key, name.value] = line
                own[name.value] = self.value(value, (*key, name.value))
        return merged | own

    def _merged(self, node: yaml.Node, key: Key) -> dict[str, Any]:
        """``<<: *anchor``, or a list of them, of which the first wins."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values = [self.value(part, key) for part in parts]
        if not all(isinstance(value, dict) for value in values):
            self._document.problem((*key, "<<"), "must name a mapping")
            return {}
        return {name: value for mapping in reversed(values) for name, value in mapping.items()}

    def _scalar(self, node: yaml.Node, key: Key) -> Any:
        if node.tag in _TEXTS:
            return self._filled_in(node.value, key)
        if node.tag in _SCALARS:
            try:
                return self._scalars.construct_object(node)
            except (ValueError, yaml.YAMLError):
                self._document.problem(key, "is not a value that YAML knows")
                return None
        self._document.problem(key, "has a YAML tag, which has no meaning here")
        return None

    def _filled_in(self, text: str, key: Key) -> str:
        """``${NAME}`` from the environment, once; ``$${NAME}`` stays as ``${NAME}``."""

        def variable(match: re.Match[str]) -> str:
            if match[1]:
                return match[0][1:]
            if match[2] not in self._env:
                message = f"the environment variable {match[2]} is not set"
                self._document.problem(key, message, f"write $${{{match[2]}}} for the text itself")
                return match[0]
            return self._env[match[2]]

        return _VARIABLE.sub(variable, text)
