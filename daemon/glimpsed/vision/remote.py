"""One model behind an HTTP API, and the loop that gets an answer out of it.

`RemoteModel.ask` asks until there is an answer or nothing more to try: without what the model refuses, at the other
API of the same base_url, for a structure in another way, longer where an answer was cut, with smaller images
(`reaction`). What it learns on the way is remembered when it worked.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from glimpsed import bounded
from glimpsed.clock import elapsed
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import NO_ANSWER, Verdict, VisionError
from glimpsed.model import Api, Image, Reply, Request, Usage
from glimpsed.schemas.checker import Checker
from glimpsed.vision import chat, families, memory, reaction, reading
from glimpsed.vision.client import LARGEST_REPLY, Client, Failure, Response
from glimpsed.vision.meant import meant
from glimpsed.vision.memory import Ceiling, Memory
from glimpsed.vision.notes import Note, Spent
from glimpsed.vision.pacing import Pacing
from glimpsed.vision.pause import Ticket
from glimpsed.vision.reaction import APIS, State
from glimpsed.vision.verdict import Finding, judge
from glimpsed.vision.wire import MARK, Answered, splice

if TYPE_CHECKING:
    from glimpsed.vision import Smaller

MOST = 12  # requests for one question, whatever a gateway makes up
VAIN = 2  # experiments that found nothing, after which the same refusal is believed
NOTES = 1000  # jobs that something is remembered of
LEAST_LIMIT = 200_000  # bytes; what is less is refused for something else, whatever the words
BETWEEN = (502, 503, 504)  # statuses that may be a proxy's own
BLIND_OFTEN = 3  # times that only the other API's model saw the image, until that API is asked first
UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20}
_BYTES = re.compile(r"(\d{1,12}(?:\.\d{1,3})?) ?(bytes|[km]i?b)\b", re.IGNORECASE)
# What servers allow a body, usually: nginx's own default is the first.
USUAL_LIMITS = tuple(mb << 20 for mb in (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50))


class RemoteModel:
    """A model entry with ``api: chat`` or ``api: responses``."""

    def __init__(self, entry: ModelEntry, known: Memory, clock: Callable[[], float] = elapsed) -> None:
        self.entry = entry
        self.memory = known
        self.clock = clock
        self.pacing = Pacing(entry)
        self.pacing.jury.record = memory.Refusals(known, entry, clock)
        self.client = Client(entry)
        self.pacing.closed = self.client.stop
        self.checker = Checker()
        self.family = families.family(entry.model)
        self._notes: OrderedDict[str, Note] = OrderedDict()
        self._experimenting = asyncio.Lock()  # one finds out for all
        self._vain: frozenset[str] = frozenset()  # what experiments found nothing about …
        self._in_vain = 0  # … and how many in a row, with no answer in between
        self._blind = 0

    async def ask(self, request: Request, smaller: Smaller | None = None) -> Reply:
        """The answer; with `smaller`, images that are too large are replaced on the way.

        Raises VisionError, with what to do next, and nothing else.
        """
        spent = Spent(self.pacing.jury.answers)
        await self._experiment_over()
        state, alone = self._begin(request), False
        async with contextlib.AsyncExitStack() as stack:
            while spent.requests < MOST:
                outcome = await self._one_request(state, spent)
                if isinstance(outcome, Reply):
                    self._worked(state, outcome)
                    return outcome
                spent.raw = outcome.said or spent.raw
                spent.last = outcome.verdict
                if self._in_vain >= VAIN and not self._vain.isdisjoint(outcome.verdict.alike):
                    state = replace(state, left=False, other=None)
                after = self._after(state, outcome)
                if isinstance(after, State) and after.refused is not None and not alone:
                    known, alone = self._facts(), True
                    await stack.enter_async_context(self._experimenting)
                    if self._facts() != known:  # somebody else has found out meanwhile
                        after = self._begin(after.ask.request)
                if isinstance(after, Verdict) and after.kind == "shrink" and smaller is not None:
                    after = replace(self._begin(state.ask.request), smaller="next")
                if isinstance(after, State) and after.smaller:
                    after = await self._resized(after, outcome, smaller)
                if isinstance(after, Verdict):
                    if alone and after.kind == "switch":
                        self._in_vain = self._in_vain + 1 if self._vain & after.alike else 1
                        self._vain = after.alike
                    raise self._error(after, spent, request)
                state = after
        alike = spent.last.alike if spent.last is not None else frozenset[str]()
        raise self._error(Verdict("fail", f"no answer after {MOST} requests", alike=alike), spent, request)

    async def _experiment_over(self) -> None:
        """What is being found out is not asked beside it; but nobody waits for longer than an answer may take."""
        if self._experimenting.locked():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.entry.timeout), self._experimenting:
                    pass

    def _begin(self, request: Request) -> State:
        seen = self._notes.get(request.idempotency_key or "", Note()).seen
        state = reaction.begin(self.entry, request, self.api, self._facts(), seen)
        pause = self.pacing.paused
        # By turns, one of them may say more to a file that this one said nothing to; to another one, it would tell nothing.
        if pause is not None and _file(request) in pause.silent and pause.again % 2:
            return reaction.elsewhere(state, pause.reason)
        return state

    def _facts(self) -> dict[Api, memory.Facts]:
        return {api: self.facts(api) for api in APIS}

    async def _resized(self, state: State, finding: Finding, smaller: Smaller | None) -> reaction.Next:
        """With the smaller images that the state asks for."""
        self._refused(state, finding)
        if smaller is None and state.refused is None:  # whoever asks sees to them
            return replace(finding.verdict, kind="shrink")
        images = await smaller(state.smaller == "last") if smaller is not None else None
        return reaction.resized(state, images, finding)

    async def aclose(self) -> None:
        """Close every connection, end the process that checks answers."""
        await self.client.aclose()
        await self.checker.aclose()

    # --- one request ---

    async def _one_request(self, state: State, spent: Spent) -> Reply | Finding:
        request, module = state.ask.request, APIS[state.api]
        tokens = self.estimate(request)
        body = splice(module.body(state.ask, MARK), request.images, MARK)
        data, flaw = None, None
        try:
            async with self.pacing.slot(tokens, _file(request), self.clock) as ticket:
                spent.requests += 1
                try:
                    response = await self.client.post(module.PATH, body, _headers(request, spent.requests))
                    found, partial = self._understood(state, response), response.body
                except VisionError:
                    spent.requests -= 1  # it was never sent
                    raise
                except Failure as e:
                    found, partial = Finding(e.verdict, e.hint), e.body
                ticket.heard = True
                if isinstance(found, Answered):
                    ticket.used = spent.count(found, tokens)
                    found = replace(found, text=meant(found.text))
                    flaw = reading.flaw(
                        found, self._accepted(state, found), valued=request.schema is not None
                    )
                    if flaw is not None and NO_ANSWER in flaw.verdict.alike:
                        ticket.nothing = flaw.verdict.reason
                else:
                    ticket.used = self._lost(partial, tokens, spent)
                    found = self._blamed(
                        reaction.weighed(state, self._hidden(found), there=self.pacing.answers > 0), ticket
                    )
                    ticket.verdict, ticket.proof = found.verdict, found.hint != "missing"
        except VisionError as e:  # paused meanwhile
            raise self._error(e.verdict, spent, request, sent=False) from None
        if isinstance(found, Finding):
            return found
        if flaw is None:
            data, flaw = await reading.fitted(found.text, request.schema, self.checker)
        if flaw is None or not flaw.verdict.alike:
            self.pacing.jury.answered()
        if (
            flaw is not None
            and request.brief
            and (flaw.verdict.kind == "longer" or flaw.hint in ("repair", "finish"))
        ):
            flaw = None
        return flaw or self._reply(state, found, data, response, spent)

    def _accepted(self, state: State, answered: Answered) -> frozenset[str]:
        """Finish reasons that nobody knows, and that end an answer all the same."""
        return frozenset({answered.finish}) if state.odd else self.facts(state.api).finishes

    def _blamed(self, finding: Finding, ticket: Ticket) -> Finding:
        """What is refused to this file alone is no reason to pause, or to ask the same again."""
        if not self.pacing.at_fault(ticket, finding.verdict, self.clock()):
            return finding
        reason = f"{finding.verdict.reason} (to this file alone)"
        verdict = Verdict("switch", reason, alike=finding.verdict.alike)
        return replace(finding, verdict=verdict, hint="refused")

    def _understood(self, state: State, response: Response) -> Answered | Finding:
        if 200 <= response.status < 300 and (answered := reading.answer_of(response.body)) is not None:
            return answered
        found = judge(response.status, response.headers, response.body, state.api, time.time())
        said_by_api = response.body.lstrip().startswith((b"{", b"["))
        if response.through and (
            response.status in BETWEEN or not said_by_api
        ):  # it may be the proxy who says so
            reason = f"{found.verdict.reason}{response.through}"
            found = replace(found, verdict=replace(found.verdict, reason=reason))
        return found

    def _lost(self, body: bytes, tokens: int, spent: Spent) -> int | None:
        """Count what came of an answer that broke off or ended in an error: it was paid for. Its tokens, if any came."""
        try:
            reply = bounded.loads(body, largest=LARGEST_REPLY) if b'"choices"' in body else None
        except ValueError:
            return None
        broken = chat.parse(reply) if isinstance(reply, dict) else None
        if broken is None or not (broken.text or broken.output_tokens):
            return None
        return spent.count(broken, tokens)

    def _reply(
        self, state: State, answered: Answered, data: object, response: Response, spent: Spent
    ) -> Reply:
        return Reply(
            text=answered.text,
            finish="stop" if state.api == "responses" else answered.finish,
            answered=answered.model or state.ask.model,
            api=state.api,
            usage=self.usage(spent.input_tokens, spent.output_tokens, estimated=spent.estimated),
            request_id=response.headers.get("x-request-id") or answered.id,
            data=data,
            requests=spent.requests,
        )

    # --- what comes of it ---

    def _after(self, state: State, finding: Finding) -> reaction.Next:
        """The next state or the verdict, and what this finding says of the job's images."""
        after = reaction.react(state, finding)
        if isinstance(after, Verdict):
            if after.kind == "retry" and finding.hint:
                note = self.note(state.ask.request)
                note.seen |= {finding.hint}
            if after.kind == "shrink":
                self._refused(state, finding)
        return after

    def _worked(self, state: State, reply: Reply) -> None:
        """Remember how."""
        self._in_vain = 0
        learnt = dict(state.learnt)
        if state.odd == reply.finish:
            learnt["finishes"] = {reply.finish}
        if learnt:
            self.learn(state.api, **learnt)
        if state.first is not None:
            self.learn_api(state.api, sure=state.first.hint in reaction.ABSENT)
        self.answered(state.api, state.ask.request)

    def _error(self, verdict: Verdict, spent: Spent, request: Request, *, sent: bool = True) -> VisionError:
        """The exception. `sent`: the verdict is about a request, which does not count if it ended in a pause.

        A failure that comes while the model is paused is part of the pause, and costs the file nothing; but
        when this file alone failed, on the way or while it was waited for, it may be the reason: it counts. How long
        it waits then, the pause says, which can be lifted.
        """
        pause = self.pacing.paused
        if spent.raw and self.pacing.jury.answers > spent.answers:  # others were answered meanwhile, by more
            verdict = replace(verdict, alike=verdict.alike & {NO_ANSWER})
        if pause is not None and verdict.kind == "retry":
            again = verdict.server or (verdict.overload and pause.probed)
            alone = again and pause.alone and pause.file == _file(request)
            failed = verdict.transport or verdict.server or verdict.overload
            failed = failed or not verdict.alike.isdisjoint(pause.alike)
            alone = alone or (NO_ANSWER in verdict.alike and self.pacing.is_blank(_file(request)))
            if failed and not alone:
                verdict = replace(verdict, kind="pause", reason=pause.reason)
            verdict = replace(verdict, retry_after=None)
        usage = self.usage(spent.input_tokens, spent.output_tokens, estimated=spent.estimated)
        return VisionError(
            verdict,
            requests=spent.requests - (sent and verdict.kind == "pause"),
            raw=spent.raw,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cost=usage.cost,
        )

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

    def _refused(self, state: State, finding: Finding) -> None:
        """These images were, for what they are; a limit in bytes that they are far from teaches nothing of bytes."""
        request = state.ask.request
        named = [float(n) * UNITS[unit[0].lower()] for n, unit in _BYTES.findall(finding.verdict.reason)]
        near = not named or min(named) <= 2 * size(request.images)[0]
        self.too_large(state.api, request, by_bytes=finding.hint == "bytes" and near)

    def too_large(self, api: Api, request: Request, *, by_bytes: bool) -> None:
        """These images were refused for what they are."""
        note = self.note(request)
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
        texts = (request.prompt, request.system or "", *(own.text for own in request.texts))
        return pictures + sum(map(families.text_tokens, texts))

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

    def _hidden(self, finding: Finding) -> Finding:
        """Without the key and the entry's own headers, should a server have sent them back."""
        reason = finding.verdict.reason
        for secret in self.entry.secrets:
            reason = reason.replace(secret, "[hidden]")
        return replace(finding, verdict=replace(finding.verdict, reason=reason))


def size(images: tuple[Image, ...]) -> tuple[int, int]:
    """Bytes of all of them, and the longest side of any, px."""
    return sum(len(i.data) for i in images), max((max(i.width, i.height) for i in images), default=0)


def _file(request: Request) -> str:
    """What tells one file's requests from another's."""
    return request.file or request.idempotency_key or ""


def _headers(request: Request, number: int) -> dict[str, str]:
    """The job's key for its first request, the same when that is sent again later.

    The requests that differ from it have others, lest a gateway give them the first one's reply.
    """
    key = request.idempotency_key
    return {} if key is None else {"idempotency-key": key if number == 1 else f"{key}-{number}"}
