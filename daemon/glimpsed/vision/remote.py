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
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from glimpsed.clock import elapsed
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import NO_ANSWER, Verdict, VisionError
from glimpsed.model import Api, Reply, Request
from glimpsed.schemas.checker import Checker
from glimpsed.vision import families, memory, reaction, reading
from glimpsed.vision.client import Client, Failure, Response
from glimpsed.vision.lessons import Lessons
from glimpsed.vision.meant import meant
from glimpsed.vision.memory import Ceiling, Memory
from glimpsed.vision.notes import Spent
from glimpsed.vision.pacing import Pacing
from glimpsed.vision.reaction import APIS, State
from glimpsed.vision.slots import Ticket
from glimpsed.vision.verdict import Finding, judge
from glimpsed.vision.wire import MARK, Answered, splice

if TYPE_CHECKING:
    from glimpsed.vision import Smaller

MOST = 12  # requests for one question, whatever a gateway makes up
VAIN = 2  # experiments that found nothing, after which the same refusal is believed
BETWEEN = (502, 503, 504)  # statuses that may be a proxy's own


class RemoteModel:
    """A model entry with ``api: chat`` or ``api: responses``."""

    def __init__(self, entry: ModelEntry, known: Memory, clock: Callable[[], float] = elapsed) -> None:
        self.entry = entry
        self.lessons = Lessons(entry, known, clock)
        self.clock = clock
        self.pacing = Pacing(entry)
        self.pacing.jury.record = memory.RefusalRecord(known, entry, clock)
        self.client = Client(entry)
        self.pacing.closed = self.client.stop
        self.checker = Checker()
        self.family = families.family(entry.model)
        self._experimenting = asyncio.Lock()  # one finds out for all
        self._vain: frozenset[str] = frozenset()  # what experiments found nothing about …
        self._in_vain = 0  # … and how many in a row, with no answer in between

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
                spent.raw = self._hidden(outcome.said) or spent.raw
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
        seen = self.lessons.seen(request)
        state = reaction.begin(self.entry, request, self.lessons.api, self._facts(), seen)
        pause = self.pacing.paused
        # By turns, one of them may say more to a file that this one said nothing to; to another one, it would tell nothing.
        if pause is not None and _file(request) in pause.silent and pause.again % 2:
            return reaction.elsewhere(state, pause.reason)
        return state

    def _facts(self) -> dict[Api, memory.Facts]:
        return {api: self.lessons.facts(api) for api in APIS}

    async def _resized(self, state: State, finding: Finding, smaller: Smaller | None) -> reaction.Next:
        """With the smaller images that the state asks for."""
        self.lessons.refused(state.api, state.ask.request, finding)
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
        tokens = self._estimate(request)
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
                    found = replace(found, text=meant(found.text), finish=self._hidden(found.finish))
                    flaw = reading.flaw(
                        found, self._accepted(state, found), valued=request.schema is not None
                    )
                    if flaw is not None and NO_ANSWER in flaw.verdict.alike:
                        ticket.nothing = flaw.verdict.reason
                else:
                    ticket.used = self._lost(partial, tokens, spent)
                    found = self._blamed(
                        reaction.weighed(state, self._told(found), there=self.pacing.answers > 0), ticket
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
        return frozenset({answered.finish}) if state.odd else self.lessons.facts(state.api).finishes

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
        # It may be the proxy who says so.
        if response.through and (response.status in BETWEEN or not said_by_api):
            reason = f"{found.verdict.reason}{response.through}"
            found = replace(found, verdict=replace(found.verdict, reason=reason))
        return found

    def _lost(self, body: bytes, tokens: int, spent: Spent) -> int | None:
        """Count what came of an answer that broke off or ended in an error: it was paid for. Its tokens, if any came."""
        broken = reading.broken(body)
        return None if broken is None else spent.count(broken, tokens)

    def _reply(
        self, state: State, answered: Answered, data: object, response: Response, spent: Spent
    ) -> Reply:
        request_id = response.headers.get("x-request-id") or answered.id
        return Reply(
            text=answered.text,
            finish="stop" if state.api == "responses" else answered.finish,
            answered=self._hidden(answered.model) or state.ask.model,
            api=state.api,
            usage=spent.usage(self.entry),
            request_id=request_id and self._hidden(request_id),
            data=data,
            requests=spent.requests,
        )

    # --- what comes of it ---

    def _after(self, state: State, finding: Finding) -> reaction.Next:
        """The next state or the verdict, and what this finding says of the job's images."""
        after = reaction.react(state, finding)
        if isinstance(after, Verdict):
            if after.kind == "retry" and finding.hint:
                self.lessons.put_off(state.ask.request, finding.hint)
            if after.kind == "shrink":
                self.lessons.refused(state.api, state.ask.request, finding)
        return after

    def _worked(self, state: State, reply: Reply) -> None:
        """Remember how."""
        self._in_vain = 0
        learnt = dict(state.learnt)
        if state.odd == reply.finish:
            learnt["finishes"] = {reply.finish}
        if "mode" in learnt and "empty" in state.seen and not self.lessons.silenced():
            del learnt["mode"]
        if (schema := state.ask.request.schema) is not None:
            learnt = self.lessons.of_schema(schema, state.ask.mode, learnt)
        if learnt:
            self.lessons.learn(state.api, **learnt)
        if state.first is not None:
            self.lessons.learn_api(state.api, sure=state.first.hint in reaction.ABSENT)
        self.lessons.accepted(state.api, state.ask.request)

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
        usage = spent.usage(self.entry)
        return VisionError(
            verdict,
            requests=spent.requests - (sent and verdict.kind == "pause"),
            raw=spent.raw,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cost=usage.cost,
        )

    def ceiling(self, images: int = 1) -> Ceiling:
        """As `Lessons.ceiling`."""
        return self.lessons.ceiling(images)

    def _estimate(self, request: Request) -> int:
        """About how many input tokens a request has."""
        pictures = sum(self.family.tokens((i.width, i.height), request.detail) for i in request.images)
        texts = (request.prompt, request.system or "", *(own.text for own in request.texts))
        return pictures + sum(map(families.text_tokens, texts))

    def _hidden(self, said: str) -> str:
        """What a server says, without the key and the entry's own headers, should it have sent them back.

        For whatever is kept of a reply but the answer's text: that is what stands in the image.
        """
        for secret in self.entry.secrets if said else ():
            said = re.sub(re.escape(secret), "[hidden]", said, flags=re.IGNORECASE)
        return said

    def _told(self, finding: Finding) -> Finding:
        """The same, of a refusal; what it has in common with others is kept, too, in small letters."""
        verdict = finding.verdict
        alike = frozenset(map(self._hidden, verdict.alike))
        return replace(finding, verdict=replace(verdict, reason=self._hidden(verdict.reason), alike=alike))


def _file(request: Request) -> str:
    """What tells one file's requests from another's."""
    return request.file or request.idempotency_key or ""


def _headers(request: Request, number: int) -> dict[str, str]:
    """The job's key for its first request, the same when that is sent again later.

    The requests that differ from it have others, lest a gateway give them the first one's reply.
    """
    key = request.idempotency_key
    return {} if key is None else {"idempotency-key": key if number == 1 else f"{key}-{number}"}
