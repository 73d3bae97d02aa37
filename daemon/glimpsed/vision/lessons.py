"""What one model's replies teach: which API, which parameters, how large an image may be.

Of the model it is remembered for a week (`memory`), of one job from request to request.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from glimpsed.config.schema import ModelEntry
from glimpsed.model import Api, Image, Request
from glimpsed.vision import memory
from glimpsed.vision.memory import Ceiling, Memory
from glimpsed.vision.notes import Note
from glimpsed.vision.verdict import Finding
from glimpsed.vision.verdict_table import Hint
from glimpsed.vision.wire import Mode

NOTES = 1000  # jobs that something is remembered of
LEAST_LIMIT = 200_000  # bytes; what is less is refused for something else, whatever the words
BLIND_OFTEN = 3  # times that only the other API's model saw the image, until that API is asked first
UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20}
_BYTES = re.compile(r"(\d{1,12}(?:\.\d{1,3})?) ?(bytes|[km]i?b)\b", re.IGNORECASE)
# What servers allow a body, usually: nginx's own default is the first.
USUAL_LIMITS = tuple(mb << 20 for mb in (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50))


class Lessons:
    """What was learnt about the model of one entry."""

    def __init__(self, entry: ModelEntry, known: Memory, clock: Callable[[], float]) -> None:
        self._entry = entry
        self._memory = known
        self._clock = clock
        self._notes: OrderedDict[str, Note] = OrderedDict()
        self._blind = 0
        self._taken: set[str] = set()  # fingerprints of schemas that the model took as such
        self._silenced = 0  # answers that came only once the schema was said otherwise, with none in between

    @property
    def api(self) -> Api:
        """The API that is asked first."""
        return self.facts(self._entry.api).api or self._entry.api

    def facts(self, api: Api) -> memory.Facts:
        """What was learnt about the model at this API."""
        return self._memory.facts(memory.key(self._entry, api), self._clock())

    def learn(self, at: Api, /, **facts: object) -> None:
        """Remember what was found at this API."""
        self._memory.learn(memory.key(self._entry, at), self._clock(), **facts)

    def learn_api(self, api: Api, *, sure: bool) -> None:
        """Remember, perhaps, that `api` gave an answer where the other one could not. `sure`: because the other is not there."""
        self._blind += 1
        if sure or self._blind >= BLIND_OFTEN:
            self._blind = 0
            self.learn(self._entry.api, api=api)

    def of_schema(self, schema: Mapping[str, Any], mode: Mode, learnt: dict[str, Any]) -> dict[str, Any]:
        """What an answer to a question with this schema, said in this mode, teaches.

        Where the model took other schemas as such, how this one gets across is a lesson about this one.
        """
        own = memory.fingerprint(schema)
        if mode == "schema":
            self._taken.add(own)
            self._silenced = 0
        elif "mode" in learnt and self._taken - {own}:
            learnt = {**learnt, "schemas": {f"{own} {learnt['mode']}"}}
            del learnt["mode"]
        return learnt

    def silenced(self) -> bool:
        """An answer came where the schema as such had got nothing. Whether that is so often that it is no chance."""
        self._silenced += 1
        return self._silenced >= BLIND_OFTEN

    def ceiling(self, images: int = 1) -> Ceiling:
        """What each of so many images of one request may be."""
        facts = self.facts(self.api)
        return Ceiling(facts.edge, facts.bytes and max(1, facts.bytes // max(1, images)))

    def seen(self, request: Request) -> frozenset[Hint]:
        """What the job that this request is for was put off for, earlier."""
        return self._notes.get(request.idempotency_key or "", Note()).seen

    def put_off(self, request: Request, hint: Hint) -> None:
        """It is put off, for this."""
        self._note(request).seen |= {hint}

    def _note(self, request: Request) -> Note:
        name = request.idempotency_key
        if name is None:
            return Note()
        note = self._notes[name] = self._notes.pop(name, Note())
        while len(self._notes) > NOTES:
            self._notes.popitem(last=False)
        return note

    def refused(self, api: Api, request: Request, finding: Finding) -> None:
        """These images were, for what they are; a limit in bytes that they are far from teaches nothing of bytes."""
        named = [float(n) * UNITS[unit[0].lower()] for n, unit in _BYTES.findall(finding.verdict.reason)]
        near = not named or min(named) <= 2 * size(request.images)[0]
        self._too_large(api, request, by_bytes=finding.hint == "bytes" and near)

    def _too_large(self, api: Api, request: Request, *, by_bytes: bool) -> None:
        """These images were refused for what they are."""
        note = self._note(request)
        total, edge = size(request.images)
        note.edge = edge
        if not by_bytes or total < LEAST_LIMIT:
            return
        note.bytes = total
        encoded = total * 4 // 3
        limit = max((usual for usual in USUAL_LIMITS if usual <= encoded), default=encoded // 2)
        allowed = limit * 3 // 4 - (20_000 if limit > 100_000 else 0)  # the prompt is in the body too
        known = self.facts(api).bytes
        self.learn(api, bytes=min(allowed, known) if known else allowed)

    def accepted(self, api: Api, request: Request) -> None:
        """These images were accepted: if larger ones of the same job were not, this is the ceiling."""
        note = self._notes.pop(request.idempotency_key or "", None)
        total, edge = size(request.images)
        if note is not None and note.edge is not None and edge < note.edge:
            known = self.facts(api).edge
            self.learn(api, edge=min(edge, known) if known else edge)
        elif note is not None and note.bytes is not None and total < note.bytes:
            self.learn(api, bytes=total)


def size(images: tuple[Image, ...]) -> tuple[int, int]:
    """Bytes of all of them, and the longest side of any, px."""
    return sum(len(i.data) for i in images), max((max(i.width, i.height) for i in images), default=0)
