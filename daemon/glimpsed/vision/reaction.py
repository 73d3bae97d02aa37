"""What is asked next: a state and a finding in, the next state out, or the verdict that nothing is left to try. Pure.

`RemoteModel.ask` is the loop around it. Nothing here knows of time, connections or other questions; what is known
of the model comes in with `begin`, what was learnt on the way goes out in `State.learnt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, TypeAlias

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict
from glimpsed.model import Api, Request
from glimpsed.schemas import NOT_JSON
from glimpsed.vision import chat, responses, structured
from glimpsed.vision.memory import Facts
from glimpsed.vision.verdict import Finding
from glimpsed.vision.wire import MARK, Ask, Mode

APIS: dict[Api, ModuleType] = {"chat": chat, "responses": responses}
OTHER: dict[Api, Api] = {"chat": "responses", "responses": "chat"}
STRUCTURE = frozenset({"response_format", "text", "format", "json_schema", "schema", "strict"})
LEAST_LONGER, MOST_LONGER = 8192, 32_768  # output tokens, when an answer was cut
ABSENT = ("api", "missing")  # hints that an API is not there
BIG_BODY = 1_000_000  # bytes; some gateways answer 404 to more
NEEDED = frozenset({"model", "messages", "input"})  # parameters that are no choice


@dataclass(frozen=True, slots=True)
class State:
    """Where a question stands between two requests."""

    api: Api
    ask: Ask  # the next request
    other: Ask | None  # how the other API would be asked; None: it was
    first: Finding | None = None  # why the other API was asked
    learnt: Mapping[str, Any] = field(default_factory=dict)  # remembered when this leads to an answer
    candidates: int = 0  # how often this job's answer had no candidates, before this question
    lengthened: bool = False
    repaired: bool = False

    @property
    def big(self) -> bool:
        """Whether the body is one that gateways may not find an endpoint for."""
        return sum(len(i.data) for i in self.ask.request.images) * 4 // 3 > BIG_BODY


Next: TypeAlias = State | Verdict


def begin(
    entry: ModelEntry, request: Request, api: Api, facts: Mapping[Api, Facts], candidates: int = 0
) -> State:
    """The first request, at this API, with what is known of both."""
    first, other = (_ask(entry, request, facts[at]) for at in (api, OTHER[api]))
    return State(api, first, other, candidates=candidates)


def _ask(entry: ModelEntry, request: Request, facts: Facts) -> Ask:
    mode: Mode = facts.mode or "schema"
    return Ask(
        request,
        model=entry.model,
        extra=entry.extra,
        limit=request.max_output_tokens,
        refused=facts.refused,
        mode=mode,
        stream=entry.stream and "stream" not in facts.refused,
    )


def weighed(state: State, finding: Finding) -> Finding:
    """What a finding means after the one before it: both APIs gave a plain 404, so base_url is wrong.

    Unless the body is one that gateways do not find.
    """
    first = state.first
    if first is None or {first.hint, finding.hint} != {"missing"} or state.big:
        return finding
    reason = f"{finding.verdict.reason}: no model API at base_url"
    return replace(finding, verdict=replace(finding.verdict, kind="pause", reason=reason))


def react(state: State, finding: Finding) -> Next:
    """The next state; or, when there is nothing left that the same images could do, the verdict."""
    kind, hint = finding.verdict.kind, finding.hint
    after: State | None = None
    if hint == "repair":
        return _repaired(state, finding)
    if hint == "parameter":
        after = _without(state, finding.name)
    elif hint == "schema":
        after = _other_structure(state)
    elif hint == "limit":
        after = _lowered(state, finding)
    elif kind == "longer":
        after = _lengthened(state)
    if after is None and (kind == "switch" or (hint == "candidates" and state.candidates)):
        after = _other_api(state, finding)
        kind = "switch"
    return after or _verdict(state, finding, kind)


def _repaired(state: State, finding: Finding) -> Next:
    """Told what does not fit, once."""
    if state.repaired:
        return Verdict("fail", f"{finding.verdict.reason}, also after a repair request")
    learnt = state.learnt
    if finding.verdict.reason == NOT_JSON and state.ask.mode == "schema":
        # The gateway dropped the schema without a word: the next question has it in the prompt as well,
        # which costs less than a repair for each.
        learnt = {**learnt, "mode": "json"}
    ask = replace(state.ask, turns=((finding.said, finding.told),))
    return replace(state, ask=ask, learnt=learnt, repaired=True)


def _without(state: State, name: str) -> State | None:
    """Leave out a parameter, or use its other name."""
    ask = state.ask
    if name in STRUCTURE and ask.request.schema is not None:
        return _other_structure(state)
    known = name in APIS[state.api].body(ask, MARK) or name in ("system", "detail")
    if not known or name in ask.refused or name in NEEDED:
        return None
    learnt = {**state.learnt, "refused": state.learnt.get("refused", frozenset()) | {name}}
    ask = replace(ask, refused=ask.refused | {name}, stream=ask.stream and name != "stream")
    return replace(state, ask=ask, learnt=learnt)


def _other_structure(state: State) -> State | None:
    """The schema said in the next way."""
    mode = structured.NEXT.get(state.ask.mode)
    if state.ask.request.schema is None or mode is None:
        return None
    return replace(state, ask=replace(state.ask, mode=mode), learnt={**state.learnt, "mode": mode})


def _lowered(state: State, finding: Finding) -> State | None:
    """The output limit is above the model's own, which the message may name."""
    limit = state.ask.limit
    numbers = [int(n) for n in re.findall(r"\d{3,6}", finding.verdict.reason.partition(":")[2])]
    fitting = [n for n in numbers if limit is not None and n < limit]
    if not fitting or (state.lengthened and max(fitting) <= (state.ask.request.max_output_tokens or 0)):
        return None
    return replace(state, ask=replace(state.ask, limit=max(fitting)))


def _lengthened(state: State) -> State | None:
    """Once, four times as long."""
    limit = min(max((state.ask.limit or 0) * 4, LEAST_LONGER), MOST_LONGER)
    if state.lengthened or (state.ask.limit is not None and limit <= state.ask.limit):
        return None
    return replace(state, ask=replace(state.ask, limit=limit), lengthened=True)


def _other_api(state: State, finding: Finding) -> State | None:
    """Begin anew at the other API, with what is known of it."""
    if state.other is None:
        return None
    return State(OTHER[state.api], state.other, None, first=finding, repaired=state.repaired)


def _verdict(state: State, finding: Finding, kind: str) -> Verdict:
    """What comes out: of two APIs that both gave no answer, what the better one said."""
    verdict, first = finding.verdict, state.first
    if kind == "longer":
        return replace(verdict, kind="fail")
    if kind != "switch":
        return verdict
    if first is not None and finding.hint in ABSENT:
        if first.hint in ABSENT and state.big:
            return replace(verdict, kind="shrink")
        return replace(first.verdict, kind="switch")
    return replace(verdict, kind="switch")
