"""One model behind an HTTP API, and the conversation that gets an answer out of it.

`RemoteModel.ask` does by itself what needs no new images: leave out a parameter that the model refuses, ask
the other API at the same base_url, ask for a structure in another way, let a cut answer be longer once, have
an answer that does not fit the schema repaired once. What it learns on the way is remembered when it worked.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from glimpsed.config.schema import ModelEntry
from glimpsed.model import Api, Image, Reply, Request, Usage
from glimpsed.schemas.checker import Checker
from glimpsed.vision import families, memory
from glimpsed.vision.client import Client
from glimpsed.vision.conversation import Conversation
from glimpsed.vision.memory import Ceiling, Memory
from glimpsed.vision.pacing import Pacing

NOTES = 1000  # jobs that something is remembered of
BLIND_OFTEN = 3  # times that only the other API's model saw the image, until that API is asked first
# What servers allow a body, usually: nginx's own default is the first.
USUAL_LIMITS = tuple(mb << 20 for mb in (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50))


@dataclass(slots=True)
class Note:
    """What happened to one job's earlier requests."""

    edge: int | None = None  # px, longest side that was refused
    bytes: int | None = None  # of all images, that was refused
    no_candidates: int = 0


class RemoteModel:
    """A model entry with ``api: chat`` or ``api: responses``."""

    def __init__(self, entry: ModelEntry, known: Memory, clock: Callable[[], float] = time.time) -> None:
        self.entry = entry
        self.memory = known
        self.clock = clock
        self.pacing = Pacing(entry)
        self.client = Client(entry)
        self.checker = Checker()
        self.family = families.family(entry.model)
        self._notes: OrderedDict[str, Note] = OrderedDict()
        self._blind = 0

    async def ask(self, request: Request) -> Reply:
        """The answer. Raises VisionError, with what to do next, and nothing else."""
        return await Conversation(self, request).run()

    async def aclose(self) -> None:
        """Close every connection, end the process that checks answers."""
        await self.client.aclose()
        await self.checker.aclose()

    # --- what is known ---

    @property
    def api(self) -> Api:
        """The API that is asked first."""
        return self.facts(self.entry.api).api or self.entry.api

    def facts(self, api: Api) -> memory.Facts:
        """What was learnt about the model at this API."""
        return self.memory.facts(memory.key(self.entry, api), self.clock())

    def learn(self, at: Api, /, **facts: object) -> None:
        """Remember what was found at this API."""
        self.memory.learn(memory.key(self.entry, at), self.clock(), **facts)

    def learn_api(self, api: Api, *, sure: bool) -> None:
        """Remember, perhaps, that `api` gave an answer where the other one could not. `sure`: because the other is not there."""
        self._blind += 1
        if sure or self._blind >= BLIND_OFTEN:
            self._blind = 0
            self.learn(self.entry.api, api=api)

    def ceiling(self, images: int = 1) -> Ceiling:
        """What each of so many images of one request may be."""
        facts = self.facts(self.api)
        return Ceiling(facts.edge, facts.bytes and max(1, facts.bytes // max(1, images)))

    def note(self, request: Request) -> Note:
        """What is remembered of the job that this request is for."""
        name = request.idempotency_key
        if name is None:
            return Note()
        note = self._notes[name] = self._notes.pop(name, Note())
        while len(self._notes) > NOTES:
            self._notes.popitem(last=False)
        return note

    def too_large(self, api: Api, request: Request, *, by_bytes: bool) -> None:
        """These images were refused for what they are."""
        note = self.note(request)
        total, edge = size(request.images)
        note.edge = edge
        if not by_bytes or not total:
            return
        note.bytes = total
        encoded = total * 4 // 3
        limit = max((usual for usual in USUAL_LIMITS if usual <= encoded), default=encoded // 2)
        allowed = limit * 3 // 4 - (20_000 if limit > 100_000 else 0)  # the prompt is in the body too
        known = self.facts(api).bytes
        self.learn(api, bytes=min(allowed, known) if known else allowed)

    def answered(self, api: Api, request: Request) -> None:
        """These images were accepted: if larger ones of the same job were not, this is the ceiling."""
        note = self._notes.pop(request.idempotency_key or "", None)
        total, edge = size(request.images)
        if note is not None and note.edge is not None and edge < note.edge:
            known = self.facts(api).edge
            self.learn(api, edge=min(edge, known) if known else edge)
        elif note is not None and note.bytes is not None and total < note.bytes:
            self.learn(api, bytes=total)

    # --- money ---

    def estimate(self, request: Request) -> int:
        """About how many input tokens a request has."""
        pictures = sum(self.family.tokens((i.width, i.height), request.detail) for i in request.images)
        return pictures + families.text_tokens(request.prompt) + families.text_tokens(request.system or "")

    def usage(self, input_tokens: int, output_tokens: int, *, estimated: bool) -> Usage:
        """Tokens, and what they cost by the entry's price."""
        price = self.entry.price
        cost = None
        if price is not None:
            cost = round((input_tokens * price.input + output_tokens * price.output) / 1e6, 6)
        return Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost=cost,
            currency=None if price is None else self.entry.currency,
            estimated=estimated,
        )

    def hidden(self, text: str) -> str:
        """`text` without the key and the entry's own headers, should a server have sent them back."""
        for secret in self.entry.secrets:
            text = text.replace(secret, "[hidden]")
        return text


def size(images: tuple[Image, ...]) -> tuple[int, int]:
    """Bytes of all of them, and the longest side of any, px."""
    return sum(len(i.data) for i in images), max((max(i.width, i.height) for i in images), default=0)
