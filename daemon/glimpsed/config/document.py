"""YAML to plain values that remember their lines: duplicate keys refused, ``${NAME}`` filled in.

PyYAML parses; its tree of nodes, which knows every line, is turned into values here. That is also where
YAML 1.1's surprises end: keys are always text (a folder may be called ``2024`` or ``no``), and a date
stays the text it was written as.

A few bytes of YAML can stand for billions of values (aliases of aliases), and a number can take hours to be read.
What there may be of everything is therefore counted while it is read, not when it is there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from glimpsed.blocking import within
from glimpsed.disk.owner import denied
from glimpsed.errors import ConfigError, Problem, ShareTrouble
from glimpsed.model import shown
from glimpsed.redact import LEAST_SECRET, without_keys

Key: TypeAlias = tuple[str | int, ...]  # ("folders", "invoices", "outputs", 1)

LARGEST = 1_000_000  # bytes of a config file, or one that it names: more is some other file
DEEPEST = 100  # levels of mappings and lists in one another
VALUES = 200_000  # in the whole config, each alias and merge counted as what it stands for
TEXT = 16_000_000  # characters of all texts, aliases and variables filled in
PROBLEMS = 100  # told at once; whoever has more has one cause for them
_LONGEST_NUMBER = 100  # characters; '1:1:1:…' of a megabyte takes hours
_LONGEST_TOLD = 500  # characters of a message
_PATIENCE = 5.0  # seconds for a file that the config names
# For the config itself, which may come through a pipe, from a program that decrypts it.
_PATIENCE_CONFIG = 15.0
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, ten times as fast
_UNUSABLE = re.compile("[\0\ud800-\udfff]")  # what no header, argument or file can hold
_VARIABLE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_STATE = re.compile(rb"^state:[ \t]+[\"']?((?:sqlite|postgresql)[^\s\"']+)", re.MULTILINE)
_TAG = "tag:yaml.org,2002:"
_SCALARS = {_TAG + name for name in ("null", "bool", "int", "float")}
_TEXTS = {_TAG + name for name in ("str", "timestamp", "value")}
_COLLECTIONS = {_TAG + "map", _TAG + "seq"}
_MERGE = _TAG + "merge"


@dataclass(slots=True)
class ConfigFile:
    """A parsed config file: its values, where each of them stands, and what is wrong so far."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Key, int] = field(default_factory=dict)
    problems: dict[Problem, None] = field(default_factory=dict)  # in the order in which they were found
    # What came out of the environment, by ``${NAME}``.
    filled_in: dict[str, str] = field(default_factory=dict)
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
        self.note(Problem(message, dotted(key), line or self.line(key), self.file, hint))

    def note(self, problem: Problem) -> None:
        """Add a problem, as it may be shown. Raises `ConfigError` when there are enough of them."""
        key = problem.key and self._clean(problem.key)
        hint = problem.hint and self._clean(problem.hint)
        self.problems[replace(problem, message=self._clean(problem.message), key=key, hint=hint)] = None
        if len(self.problems) >= PROBLEMS:
            self.problems[Problem("has more mistakes than these", file=self.file)] = None
            raise self.error()

    def error(self) -> ConfigError:
        """All that is wrong, in the order of the file."""
        return ConfigError(*sorted(self.problems, key=lambda problem: problem.line or 0))

    def _clean(self, text: str) -> str:
        """Without what was filled in, or looks like a key: it may have been put where its name belongs."""
        for value in sorted(self.filled_in, key=len, reverse=True):
            text = text.replace(value, self.filled_in[value])
        return without_keys(shown(text if len(text) <= _LONGEST_TOLD else text[:_LONGEST_TOLD] + "…"))


def dotted(key: Key) -> str | None:
    """``folders.invoices.outputs[1]``; None for the whole document."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".") or None


def read(file: Path, env: Mapping[str, str]) -> ConfigFile:
    """Parse a config file. Raises `ConfigError` when there is no YAML mapping to go on with."""
    text = _readable(file)
    if len(text) > LARGEST:
        raise ConfigError(Problem("is too large for a config", file=str(file)))
    return parse(text, str(file), env)


def _readable(file: Path) -> bytes:
    try:
        return contents(file, _PATIENCE_CONFIG)
    except PermissionError as e:
        raise ConfigError(Problem(f"cannot be read: {denied(file)}", file=str(file))) from e
    except OSError as e:
        raise ConfigError(Problem(f"cannot be read: {e.strerror}", file=str(file))) from e
    except ShareTrouble as e:
        raise ConfigError(Problem(f"cannot be read: {e}", file=str(file))) from e


def contents(file: Path, seconds: float | None = None) -> bytes:
    """What is in a file, up to a little more than `LARGEST`. It may also be a pipe, a device, on a dead share.

    Raises `OSError`, and `ShareTrouble` where nothing comes.
    """

    def read() -> bytes:
        with file.open("rb") as stream:
            return stream.read(LARGEST + 1)

    return within(seconds or _PATIENCE, read)


def state_of(file: Path) -> str | None:
    """Where the ledger is, as far as a config tells that cannot be parsed. Raises `ConfigError` where it cannot be read."""
    found = _STATE.search(_readable(file))
    return found[1].decode("utf-8", "replace") if found else None


def parse(text: bytes | str, file: str, env: Mapping[str, str]) -> ConfigFile:
    """`read` for text that is already here."""
    document = ConfigFile(file)
    try:
        _measure(text, file)
        node = yaml.compose(text, Loader=_LOADER)
        data = None if node is None else _Builder(document, env).value(node, ())
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        message = ": ".join(part for part in (e.context, e.problem) if part)
        line = mark.line + 1 if mark else None
        raise ConfigError(Problem(without_keys(shown(f"is not YAML: {message}")), None, line, file)) from e
    # PyYAML passes on what chr() and decode() say.
    except (yaml.YAMLError, ValueError, OverflowError) as e:
        reason = getattr(e, "reason", "it cannot be parsed")
        raise ConfigError(Problem(f"is not YAML: {reason}", None, None, file)) from e
    if data is not None and not isinstance(data, dict):
        raise ConfigError(Problem("must hold keys and values, like 'folders:'", None, 1, file))
    document.data = data or {}
    return document


def _measure(text: bytes | str, file: str) -> None:
    """Look through the events, which takes no memory and no recursion, before a tree is made of them."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or count > 2 * VALUES:  # a collection has two events
            why = "is nested too deeply" if depth > DEEPEST else f"holds more than {VALUES:,} values"
            line = event.start_mark.line + 1 if event.start_mark else None
            raise ConfigError(Problem(why, None, line, file))


class _Builder:
    """Turns one tree of nodes into values."""

    def __init__(self, document: ConfigFile, env: Mapping[str, str]) -> None:
        self._document = document
        self._env = env
        self._open: list[yaml.Node] = []  # to notice an alias inside of what it names
        self._scalars = yaml.constructor.SafeConstructor()
        self._values, self._text = VALUES, TEXT  # that there still may be

    def value(self, node: yaml.Node, key: Key) -> Any:
        self._count(node)
        self._document.lines.setdefault(key, node.start_mark.line + 1)
        if node in self._open:
            self._document.problem(key, "is an alias of something that holds it")
            return None
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            self._document.problem(key, "has a YAML tag, which has no meaning here")
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
                message = f"duplicate key, first on line {first}"
                self._document.note(Problem(message, dotted((*key, name.value)), line, self._document.file))
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
            text = self._filled_in(node.value, key)
            if _UNUSABLE.search(text):
                self._document.problem(key, "holds a character that no text has")
                return None
            return text
        if node.tag in _SCALARS:
            try:
                if len(node.value) <= _LONGEST_NUMBER:
                    return self._scalars.construct_object(node)
            # `!!int ""`, `!!bool maybe`: with a tag, anything gets here.
            except (ValueError, LookupError, OverflowError, yaml.YAMLError):
                pass
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
            value = self._env[match[2]]
            self._take(len(value))
            if len(value) >= LEAST_SECRET:
                self._document.filled_in[value] = match[0]
            return value

        return _VARIABLE.sub(variable, text)

    def _count(self, node: yaml.Node) -> None:
        """One more value. Raises `ConfigError` when there are too many, or too much text in them."""
        self._values -= 1
        self._take(len(node.value) if isinstance(node, yaml.ScalarNode) else 0)

    def _take(self, characters: int) -> None:
        self._text -= characters
        if self._values < 0 or self._text < 0:
            most = f"{VALUES:,} values" if self._values < 0 else f"{TEXT:,} characters"
            raise ConfigError(Problem(f"stands for more than {most}", file=self._document.file))
