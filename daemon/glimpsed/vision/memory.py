"""What was learnt about a model at an address: for a week, and across restarts when the service keeps it.

Facts belong to (base_url, model, API); `Facts.api` is that of the API that the config names. Each has the time it was learnt, so that
each expires on its own: a gateway that is mended is used in full again after a week at most.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from glimpsed.config.schema import ModelEntry
from glimpsed.model import Api, FileKey
from glimpsed.vision.jury import Refused
from glimpsed.vision.wire import Mode

WEEK = 7 * 86_400.0
_REFUSALS = " refusals"
SETS = frozenset({"refused", "finishes", "schemas"})  # facts that are added to


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds now."""

    api: Api | None = None  # the API that works
    mode: Mode | None = None  # how a schema gets across
    refused: frozenset[str] = field(default_factory=frozenset)  # parameters
    bytes: int | None = None  # of all images of a request, before base64: more was refused
    edge: int | None = None  # px, longest side that worked where a longer one was refused
    schemas: frozenset[str] = field(
        default_factory=frozenset
    )  # that get across in another mode than others do
    limit: int | None = None  # output tokens at most
    # Finish reasons that nobody knows, of answers.
    finishes: frozenset[str] = field(default_factory=frozenset)

    def mode_of(self, schema: Mapping[str, Any] | None) -> Mode:
        """How this schema gets across."""
        modes: tuple[Mode, ...] = get_args(Mode)  # the weakest is the last
        known: set[str | None] = {self.mode}
        if self.schemas and schema is not None:
            own = f"{fingerprint(schema)} "
            known |= {said.removeprefix(own) for said in self.schemas if said.startswith(own)}
        return next((mode for mode in reversed(modes) if mode in known), modes[0])


UNKNOWN = Facts()  # as of most models


def fingerprint(schema: Mapping[str, Any]) -> str:
    """What a schema is known by."""
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What one image may be, by what was learnt; None: nothing was."""

    edge: int | None = None  # px
    bytes: int | None = None  # before base64


def key(entry: ModelEntry, api: Api | None = None) -> str:
    """What facts about this entry are kept under, at the API that it names or at another one."""
    return f"{entry.base_url} {entry.model} {api or entry.api}"


def keys(entry: ModelEntry) -> tuple[str, ...]:
    """Everything that facts about this entry are kept under: none for a model on this machine."""
    return () if entry.local else (key(entry, "responses"), key(entry, "chat"))


def refusals_key(entry: ModelEntry) -> str:
    """What files refused alike are kept under: beside the facts, no lesson about the model."""
    return f"{key(entry)}{_REFUSALS}"


def is_lesson(where: str) -> bool:
    """Whether what is kept under this key was learnt about a model."""
    return not where.endswith(_REFUSALS)


class Memory:
    """Facts by `key`. `on_learn(key, facts)` hears of every change, with what `load` takes."""

    def __init__(self, on_learn: Callable[[str, dict[str, Any]], None] | None = None) -> None:
        self.on_learn = on_learn
        self._known: dict[str, dict[str, Any]] = {}

    def facts(self, where: str, now: float) -> Facts:
        """What is known and not older than a week."""
        if not (known := _fresh(self._known.get(where, {}), now)):
            return UNKNOWN
        return Facts(
            api=known.get("api", [None])[0],
            mode=known.get("mode", [None])[0],
            refused=frozenset(known.get("refused", [()])[0]),
            bytes=known.get("bytes", [None])[0],
            edge=known.get("edge", [None])[0],
            limit=known.get("limit", [None])[0],
            schemas=frozenset(known.get("schemas", [()])[0]),
            finishes=frozenset(known.get("finishes", [()])[0]),
        )

    def kept(self, where: str, name: str, now: float) -> Any:
        """One fact, as it was kept; None when it is not known."""
        return _fresh(self._known.get(where, {}), now).get(name, [None])[0]

    def learn(self, where: str, now: float, **facts: Any) -> None:
        """Keep these facts; those of `SETS` add to what is known already."""
        known = _fresh(self._known.get(where, {}), now)
        before = dict(known)
        for name, value in facts.items():
            kept = sorted({*known.get(name, [()])[0], *value}) if name in SETS else value
            if known.get(name, [None])[0] != kept:
                known[name] = [kept, now]
        self._known[where] = known
        if known != before and self.on_learn is not None:
            self.on_learn(where, dict(known))

    def forget(self, where: str | None = None) -> None:
        """Start anew, for one key or for all."""
        for known in [where] if where is not None else list(self._known):
            self._known.pop(known, None)

    def dump(self) -> dict[str, dict[str, Any]]:
        """All of it as plain JSON: ``{key: {name: [value, learnt at]}}``."""
        return {where: dict(known) for where, known in self._known.items()}

    def load(self, dumped: Mapping[str, Mapping[str, Any]]) -> None:
        """Know what `dump` gave, or `on_learn`, and nothing else.

        What another version wrote and this one cannot read is left out.
        """
        self._known = {
            where: {name: list(fact) for name, fact in known.items() if _valid(name, fact)}
            for where, known in dumped.items()
        }


def _fresh(known: Mapping[str, Any], now: float) -> dict[str, Any]:
    return {name: fact for name, fact in known.items() if now - fact[1] < WEEK}


def _valid(name: str, fact: object) -> bool:
    if not isinstance(fact, list | tuple) or len(fact) != 2 or not isinstance(fact[1], int | float):
        return False
    return name in _VALID and bool(_VALID[name](fact[0]))


def _are_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value > 0


def _are_files(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(f, list | tuple) and len(f) == 2 for f in value)


_VALID: dict[str, Callable[[Any], object]] = {
    "api": lambda value: value in get_args(Api),
    "mode": lambda value: value in get_args(Mode),
    "refused": _are_texts,
    "finishes": _are_texts,
    "schemas": _are_texts,
    "bytes": _is_count,
    "edge": _is_count,
    "limit": _is_count,
    "alike": lambda value: len(value) == 2 and _are_files(value[0]) and _are_texts(value[1]),
}


class RefusalRecord:
    """Files that a model refused alike, in a row: a `jury.Record` that other daemons and the next start know too."""

    def __init__(self, memory: Memory, entry: ModelEntry, clock: Callable[[], float]) -> None:
        self._memory = memory
        self._where = refusals_key(entry)
        self._clock = clock

    def read(self) -> Refused:
        """What is known and not older than a week."""
        kept = self._memory.kept(self._where, "alike", self._clock())
        if kept is None:
            return Refused()
        files, alike = kept
        return Refused(tuple(FileKey(*file) for file in files), frozenset(alike))

    def write(self, refused: Refused) -> None:
        """Keep it."""
        files = [[file.folder, file.path] for file in refused.files]
        self._memory.learn(self._where, self._clock(), alike=[files, sorted(refused.alike)])
