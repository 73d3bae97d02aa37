"""One question to one model, request by request, until there is an answer or nothing more to try."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from glimpsed.errors import Verdict, VisionError
from glimpsed.model import Api, Reply, Request
from glimpsed.schemas import NOT_JSON, Misfit
from glimpsed.vision import chat, families, responses, structured
from glimpsed.vision.client import Failure, Response
from glimpsed.vision.seen import emptiness
from glimpsed.vision.verdict import Finding, judge
from glimpsed.vision.wire import MARK, Answered, Ask, Mode, splice

if TYPE_CHECKING:
    from glimpsed.vision.remote import RemoteModel

APIS = {"chat": chat, "responses": responses}
OTHER: dict[Api, Api] = {"chat": "responses", "responses": "chat"}
LONGEST = 4_000_000  # characters of an answer: its sidecars stay below what is read back
MOST = 12  # requests for one question, whatever a gateway makes up
CUT = frozenset({"length", "max_tokens", "max_output_tokens"})
FILTERED = frozenset({"content_filter", "safety", "recitation", "prohibited_content", "sensitive"})
STRUCTURE = frozenset({"response_format", "text", "format", "json_schema", "schema", "strict"})
LEAST_LONGER, MOST_LONGER = 8192, 32_768  # output tokens, when an answer was cut
NOTHING = {
    "blind": "the model says that it cannot see an image",
    "refusal": "the model refused",
    "loop": "the answer repeats itself without end",
}
ABSENT = ("api", "missing")  # hints that an API is not there
BIG_BODY = 1_000_000  # bytes; some gateways answer 404 to more


@dataclass(slots=True)
class Spent:
    """What the requests so far came to."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False


@dataclass(slots=True)
class Conversation:
    """The state of one `RemoteModel.ask`."""

    model: RemoteModel
    request: Request
    api: Api = field(init=False)
    ask: Ask = field(init=False)
    spent: Spent = field(default_factory=Spent)
    raw: str | None = None  # the last text that was no answer
    first: Finding | None = None  # why the other API was asked
    pending: dict[str, Any] = field(default_factory=dict)  # learnt when this leads to an answer
    lengthened: bool = False
    repaired: bool = False
    body_bytes: int = 0
    sent: frozenset[str] = frozenset()  # top-level keys of the last body

    def __post_init__(self) -> None:
        self._use(self.model.api)

    @property
    def _file(self) -> str:
        """What tells one file's requests from another's."""
        return self.request.idempotency_key or ""

    async def run(self) -> Reply:
        """Ask until there is a reply. Raises VisionError."""
        while self.spent.requests < MOST:
            outcome = await self._one_request()
            if isinstance(outcome, Reply):
                return outcome
            self._react(outcome)
        raise self._error(Verdict("fail", f"no answer after {MOST} requests"))

    # --- one request ---

    async def _one_request(self) -> Reply | Finding:
        path, body = self._body()
        tokens = self.model.estimate(self.request)
        try:
            async with self.model.pacing.slot(tokens, self._file, self.model.clock) as ticket:
                self.spent.requests += 1
                finding, answered, request_id = await self._exchange(path, body)
                ticket.heard = True
                if finding is not None:
                    finding = self._no_api_here(finding)
                    ticket.verdict, ticket.proof = finding.verdict, finding.hint != "missing"
                if answered is not None:
                    ticket.used = self._count(answered, tokens)
        except VisionError as e:  # paused meanwhile
            raise self._error(e.verdict, sent=False) from None
        if answered is None:
            assert finding is not None
            return finding
        return await self._read(answered, request_id)

    def _body(self) -> tuple[str, list[bytes]]:
        module = APIS[self.api]
        body = module.body(self.ask, MARK)
        self.sent = frozenset(body)
        spliced = splice(body, self.request.images, MARK)
        self.body_bytes = sum(map(len, spliced))
        return module.PATH, spliced

    async def _exchange(
        self, path: str, body: Sequence[bytes]
    ) -> tuple[Finding | None, Answered | None, str | None]:
        """What came back: a finding or an answer, and the request's id."""
        try:
            response = await self.model.client.post(path, body, self._headers())
        except Failure as e:
            return Finding(self._hidden(e.verdict)), None, None
        answered = self._parsed(response)
        if answered is None:
            found = judge(response.status, response.headers, response.body, self.api, self.model.clock())
            return replace(found, verdict=self._hidden(found.verdict)), None, None
        return None, answered, response.headers.get("x-request-id") or answered.id

    def _no_api_here(self, finding: Finding) -> Finding:
        """Both APIs gave a plain 404: base_url is wrong, unless the body is one that gateways do not find."""
        first = self.first
        if (
            first is None
            or first.hint != "missing"
            or finding.hint != "missing"
            or self.body_bytes > BIG_BODY
        ):
            return finding
        reason = f"{finding.verdict.reason}: no model API at base_url"
        return replace(finding, verdict=replace(finding.verdict, kind="pause", reason=reason))

    def _headers(self) -> dict[str, str]:
        """The job's key for its first request, the same when that is sent again later.

        The requests that differ from it have others, lest a gateway give them the first one's reply.
        """
        key = self.request.idempotency_key
        number = self.spent.requests
        return {} if key is None else {"idempotency-key": key if number == 1 else f"{key}-{number}"}

    def _parsed(self, response: Response) -> Answered | None:
        if response.status != 200:
            return None
        try:
            reply = json.loads(response.body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(reply, dict) or reply.get("error"):
            return None
        return chat.parse(reply) or responses.parse(reply)

    def _count(self, answered: Answered, tokens: int) -> int:
        """Add the reply's usage, or an estimate of it; its tokens."""
        got, gave = answered.input_tokens, answered.output_tokens
        if got is None or gave is None:
            self.spent.estimated = True
        got = tokens if got is None else got
        gave = families.text_tokens(answered.text) if gave is None else gave
        self.spent.input_tokens += got
        self.spent.output_tokens += gave
        return got + gave

    # --- reading an answer ---

    async def _read(self, answered: Answered, request_id: str | None) -> Reply | Finding:
        text = answered.text
        if len(text) > LONGEST:
            return _finding("fail", f"the answer is longer than {LONGEST:,} characters")
        flaw = _flaw(answered)
        if flaw is not None:
            self.raw = text or answered.refusal or self.raw
            return flaw
        data = None
        if self.request.schema is not None:
            data, misfit = await self.model.checker.read(text, text, self.request.schema)
            if misfit is not None:
                return self._repair(text, misfit)
        return self._reply(answered, request_id, data)

    def _repair(self, text: str, misfit: Misfit) -> Finding:
        assert self.request.schema is not None
        self.raw = text
        if misfit.final:
            return _finding("fail", misfit.reason)
        if self.repaired:
            return _finding("fail", f"{misfit.reason}, also after a repair request")
        self.repaired = True
        if misfit.reason == NOT_JSON and self.ask.mode == "schema":
            # The gateway dropped the schema without a word: the next question has it in the prompt as well,
            # which costs less than a repair for each.
            self.pending["mode"] = "json"
        self.ask = replace(self.ask, turns=((text, structured.repair(misfit.told, self.request.schema)),))
        return _finding("longer", misfit.reason, "repair")

    def _reply(self, answered: Answered, request_id: str | None, data: object) -> Reply:
        self._learn()
        finish = "stop" if self.api == "responses" else answered.finish
        spent = self.spent
        return Reply(
            text=answered.text,
            finish=finish,
            answered=answered.model or self.ask.model,
            api=self.api,
            usage=self.model.usage(spent.input_tokens, spent.output_tokens, estimated=spent.estimated),
            request_id=request_id,
            data=data,
            requests=spent.requests,
        )

    def _learn(self) -> None:
        """It worked: remember how."""
        if self.pending:
            self.model.learn(self.api, **self.pending)
        if self.first is not None:
            self.model.learn_api(self.api, sure=self.first.hint in ABSENT)
        self.model.answered(self.api, self.request)

    # --- reacting to what is no answer: change the next request, or raise ---

    def _react(self, finding: Finding) -> None:
        kind, hint = finding.verdict.kind, finding.hint
        if hint == "repair":
            return
        if hint == "parameter" and self._without(finding.name):
            return
        if hint == "schema" and self._other_structure():
            return
        if hint == "limit" and self._lower(finding):
            return
        if kind == "longer" and self._longer():
            return
        if hint == "candidates" and self._again_without_candidates():
            kind = "switch"
        if kind == "switch" and self._other_api(finding):
            return
        raise self._error(self._final(finding, kind))

    def _without(self, name: str) -> bool:
        """Leave out a parameter, or use its other name."""
        if name in STRUCTURE and self.request.schema is not None:
            return self._other_structure()
        known = name in self.sent or name in ("system", "detail")
        if not known or name in self.ask.refused or name in ("model", "messages", "input"):
            return False
        self.ask = replace(self.ask, refused=self.ask.refused | {name})
        if name == "stream":
            self.ask = replace(self.ask, stream=False)
        self.pending["refused"] = self.pending.get("refused", frozenset()) | {name}
        return True

    def _other_structure(self) -> bool:
        mode = structured.NEXT.get(self.ask.mode)
        if self.request.schema is None or mode is None:
            return False
        self.ask = replace(self.ask, mode=mode)
        self.pending["mode"] = mode
        return True

    def _lower(self, finding: Finding) -> bool:
        """The output limit is above the model's own, which the message may name."""
        limit = self.ask.limit
        numbers = [int(n) for n in re.findall(r"\d{3,6}", finding.verdict.reason.partition(":")[2])]
        fitting = [n for n in numbers if limit is not None and n < limit]
        if not fitting:
            return False
        if self.lengthened and max(fitting) <= (self.request.max_output_tokens or 0):
            return False
        self.ask = replace(self.ask, limit=max(fitting))
        return True

    def _longer(self) -> bool:
        """Once, four times as long."""
        if self.lengthened:
            return False
        self.lengthened = True
        limit = min(max((self.ask.limit or 0) * 4, LEAST_LONGER), MOST_LONGER)
        if self.ask.limit is not None and limit <= self.ask.limit:
            return False
        self.ask = replace(self.ask, limit=limit)
        return True

    def _again_without_candidates(self) -> bool:
        note = self.model.note(self.request)
        note.no_candidates += 1
        return note.no_candidates > 1

    def _other_api(self, finding: Finding) -> bool:
        if self.first is not None:
            return False
        self.first = finding
        self._use(OTHER[self.api])
        return True

    def _use(self, api: Api) -> None:
        """Begin anew at this API, with what is known of it."""
        self.api = api
        facts = self.model.facts(api)
        entry = self.model.entry
        mode: Mode = facts.mode or "schema"
        self.ask = Ask(
            self.request,
            model=entry.model,
            extra=entry.extra,
            limit=self.request.max_output_tokens,
            refused=facts.refused,
            mode=mode,
            stream=entry.stream and "stream" not in facts.refused,
        )
        self.pending = {}
        self.lengthened = False

    def _final(self, finding: Finding, kind: str) -> Verdict:
        """What comes out: of two APIs that both gave no answer, what the better one said."""
        verdict, first = finding.verdict, self.first
        if kind == "shrink":
            self.model.too_large(self.api, self.request, by_bytes=finding.hint == "bytes")
        if kind == "longer":
            return replace(verdict, kind="fail")
        if kind != "switch":
            return verdict
        if first is not None and finding.hint in ABSENT:
            if first.hint in ABSENT and self.body_bytes > BIG_BODY:
                return replace(verdict, kind="shrink")
            return replace(first.verdict, kind="switch")
        return replace(verdict, kind="switch")

    def _hidden(self, verdict: Verdict) -> Verdict:
        return replace(verdict, reason=self.model.hidden(verdict.reason))

    def _error(self, verdict: Verdict, *, sent: bool = True) -> VisionError:
        """The exception. `sent`: the verdict is about a request, which does not count if it ended in a pause.

        A failure that comes while the model is paused is part of the pause, and costs the file nothing; but
        when this file alone failed, on the way or while it was waited for, it may be the reason: it counts.
        """
        pause = self.model.pacing.paused
        failed = verdict.kind == "retry" and (verdict.transport or verdict.server)
        if pause is not None and failed and not (verdict.server and pause.file == self._file):
            verdict = replace(verdict, kind="pause", reason=pause.reason)
        spent = self.spent
        usage = self.model.usage(spent.input_tokens, spent.output_tokens, estimated=spent.estimated)
        return VisionError(
            verdict,
            requests=spent.requests - (sent and verdict.kind == "pause"),
            raw=self.raw,
            input_tokens=spent.input_tokens,
            output_tokens=spent.output_tokens,
            cost=usage.cost,
        )


def _flaw(answered: Answered) -> Finding | None:
    """Why this is no answer, or not all of one."""
    finish = answered.finish.lower()
    cut = finish in CUT
    nothing = "refusal" if answered.refusal or finish in FILTERED else emptiness(answered.text, cut=cut)
    if finish == "error" or (nothing == "empty" and not cut):
        return _finding("retry", "an empty answer" if nothing else "the model broke off")
    if nothing is not None and nothing != "empty":
        return _finding("switch", NOTHING[nothing], "blind" if nothing == "blind" else "refused")
    return _finding("longer", "the answer was cut off at the output limit") if cut else None


def _finding(kind: Any, reason: str, hint: Any = "") -> Finding:
    return Finding(Verdict(kind, reason), hint)
