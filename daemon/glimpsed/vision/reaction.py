"""What is asked next: a state and a finding in, the next state out, or the verdict that nothing is left to try. Pure.

`RemoteModel.ask` is the loop around it. Nothing here knows of time, connections or other questions; what is known
of the model comes in with `begin`, what was learnt on the way goes out in `State.learnt`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any, Literal, TypeAlias

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict
from glimpsed.model import Api, Image, Request
from glimpsed.schemas import NOT_JSON
from glimpsed.vision import chat, experiment, responses, structured
from glimpsed.vision.experiment import Trial
from glimpsed.vision.lacking import lacking
from glimpsed.vision.memory import Facts
from glimpsed.vision.verdict import Finding
from glimpsed.vision.verdict_table import Hint
from glimpsed.vision.wire import MARK, Ask

APIS: dict[Api, ModuleType] = {"chat": chat, "responses": responses}
OTHER: dict[Api, Api] = {"chat": "responses", "responses": "chat"}
STRUCTURE = frozenset({"response_format", "text", "format", "json_schema", "schema", "strict"})
LEAST_LONGER, MOST_LONGER = 8192, 32_768  # output tokens, when an answer was cut
ABSENT = ("api", "missing")  # hints that an API is not there
BIG_BODY = 1_000_000  # bytes; some gateways answer 404 to more
_THOUSANDS = re.compile(r"(?<![\d\[(.])\d{1,3}(?:[,_'\u00a0\u202f]\d{3})+(?!\d)")  # no range: [1,512]
NEEDED = frozenset({"model", "messages", "input"})  # parameters that are no choice
CUT = "the answer was cut off at the output limit"
UNEXPLAINED = ("unknown", "parameter", "limit")
TOO_MANY = "fewer images in one request, please: set 'pages: each' or 'bands: none' for the folder"


@dataclass(frozen=True, slots=True)
class State:
    """Where a question stands between two requests."""

    api: Api
    ask: Ask  # the next request
    other: Ask | None  # how the other API would be asked; None: it was
    first: Finding | None = None  # why the other API was asked
    learnt: Mapping[str, Any] = field(default_factory=dict)  # remembered when this leads to an answer
    seen: frozenset[Hint] = frozenset()  # what came of this job's earlier questions
    both: bool = True  # both APIs may be there, as far as is known
    left: bool = True  # whether an experiment may be made: one a question
    raised: Literal["", "asked", "lowered"] = ""  # the output limit, since an answer was cut
    repaired: bool = False
    odd: str | None = None  # the finish reason that nobody knows, asked once more about
    smaller: Literal["", "next", "last"] = ""  # the next request needs smaller images
    # An experiment: the request that was refused, with what was known then; the trials that are left.
    refused: State | None = None
    trials: tuple[Trial, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        """What is sent."""
        return self.ask.request.images

    @property
    def big(self) -> bool:
        """Whether the body is one that gateways may not find an endpoint for."""
        return sum(len(i.data) for i in self.images) * 4 // 3 > BIG_BODY


Next: TypeAlias = State | Verdict


def begin(
    entry: ModelEntry,
    request: Request,
    api: Api,
    facts: Mapping[Api, Facts],
    seen: frozenset[Hint] = frozenset(),
) -> State:
    """The first request, at this API, with what is known of both."""
    first, other = (_ask(entry, request, facts[at]) for at in (api, OTHER[api]))
    learnt: dict[str, Any] = {}
    if "unended" in seen and first.stream:  # as one reply, which has an end
        first, learnt = replace(first, stream=False), {"refused": frozenset({"stream"})}
    # Nothing, where it was given a schema: that may be the reason, not the page.
    if "empty" in seen and request.schema is not None and first.mode == "schema":
        first, learnt = replace(first, mode="json"), {**learnt, "mode": "json"}
    return State(api, first, other, learnt=learnt, seen=seen, both=facts[entry.api].api is None)


def elsewhere(state: State, reason: str) -> State:
    """The first request at the other API, where it may be there: an answer says that this one has none to give."""
    if not state.both or state.other is None:
        return state
    first = Finding(Verdict("retry", reason), "api")
    return replace(state, api=OTHER[state.api], ask=state.other, other=state.ask, first=first, learnt={})


def _ask(entry: ModelEntry, request: Request, facts: Facts) -> Ask:
    limits = [limit for limit in (request.max_output_tokens, facts.limit) if limit is not None]
    return Ask(
        request,
        model=entry.model,
        extra=entry.extra,
        limit=min(limits) if request.max_output_tokens is not None else None,
        refused=facts.refused,
        mode=facts.mode_of(request.schema),
        stream=entry.stream and "stream" not in facts.refused,
    )


def weighed(state: State, finding: Finding, *, there: bool = False) -> Finding:
    """What a finding means after the one before it, for whoever paces and pauses as well. `there`: the model has answered."""
    if finding.hint == "missing" and _names_model(state, finding.verdict.reason):
        finding = replace(finding, hint="model")
    first, hint = state.first, finding.hint
    if first is not None and first.hint == hint == "missing" and not state.big:
        # Neither API is there, unless the body is one that gateways do not find.
        verdict = replace(
            finding.verdict, kind="pause", reason=f"{finding.verdict.reason}: no model API at base_url"
        )
        return replace(finding, verdict=replace(verdict, doubtful=there))  # perhaps for this file alone
    if state.raised and _about_limit(finding):
        # The same request without it was answered just now: this is no verdict about images or the account.
        return replace(_as(finding, "longer", finding.verdict.reason), hint="limit")
    if hint == "limit" and finding.verdict.kind == "pause" and _named(state, finding) is not None:
        return _as(finding, "switch", finding.verdict.reason)
    if hint == "count" and len(state.images) > 1:
        return _as(finding, "switch", f"{finding.verdict.reason} ({TOO_MANY})")
    if hint in UNEXPLAINED and (fix := lacking(state.ask, finding, sent=_is_sent(state, finding.name))):
        return replace(finding, verdict=replace(finding.verdict, reason=f"{finding.verdict.reason} ({fix})"))
    return finding


def _names_model(state: State, reason: str) -> bool:
    """Whether it is the model that is not there: its name is told, and no address that may hold it.

    A name that is a plain word (`default`, `vision`) may stand there for anything.
    """
    words, name = reason.lower(), state.ask.model.lower()
    if name.isalpha() or name.isdigit() or any(api.PATH in words for api in APIS.values()):
        return False
    return re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w/-]|\.\w)", words) is not None


def _as(finding: Finding, kind: Literal["pause", "longer", "switch"], reason: str) -> Finding:
    return replace(finding, verdict=replace(finding.verdict, kind=kind, reason=reason))


def _about_limit(finding: Finding) -> bool:
    if finding.hint == "limit":
        return True
    refused = finding.verdict.kind in ("switch", "shrink", "pause")
    return refused and 400 <= finding.status < 500 and finding.status not in (401, 404, 405, 407)


def react(state: State, finding: Finding) -> Next:
    """The next state; or, when there is nothing left to try, the verdict."""
    kind = finding.verdict.kind
    after = REACTIONS[finding.hint](state, finding) if finding.hint in REACTIONS else None
    if after is None and kind == "longer":
        after = _raised(state, finding)
    if after is None and kind == "shrink":
        after = _shrunk(state, finding)
    if after is None and (
        kind == "switch" or (finding.hint in ("candidates", "empty") and finding.hint in state.seen)
    ):
        after = _other_api(state, finding)
        kind = "switch"
    return after or _verdict(state, finding, kind)


def resized(state: State, images: tuple[Image, ...] | None, finding: Finding) -> Next:
    """The smaller images that the state asked for; None: there are none that are smaller."""
    if images is not None:
        request = replace(state.ask.request, images=images)
        return replace(state, ask=replace(state.ask, request=request, turns=()), smaller="")
    if state.refused is not None:
        left = tuple(trial for trial in state.trials if not trial.image)
        return _next_trial(replace(state, smaller="", trials=left), finding)
    return replace(finding.verdict, kind="switch", reason=f"refused at every size: {finding.verdict.reason}")


# --- what an answer lacks ---


def _repaired(state: State, finding: Finding) -> Next:
    """Told what does not fit, once."""
    if state.repaired:
        reason = f"{finding.verdict.reason}, also after a repair request"
        return Verdict("fail", reason, alike=finding.verdict.alike)
    learnt = state.learnt
    if finding.verdict.reason == NOT_JSON and state.ask.mode == "schema":
        # The gateway dropped the schema without a word: the next question has it in the prompt as well,
        # which costs less than a repair for each.
        learnt = {**learnt, "mode": "json"}
    ask = replace(state.ask, turns=((finding.said, finding.told),))
    return replace(state, ask=ask, learnt=learnt, repaired=True)


def _once_more(state: State, finding: Finding) -> Next:
    """The same again: an end that nobody knows counts when it comes again."""
    return replace(state, odd=finding.name)


def _raised(state: State, finding: Finding) -> Next:
    """Once, four times as long; a refusal of that is met by the limit that it names. A cut answer is never a success."""
    if finding.hint == "limit":
        return _lowered(state, finding) or _cut(
            Verdict("fail", f"{CUT}, and more is refused: {finding.verdict.reason}")
        )
    limit = min(max((state.ask.limit or 0) * 4, LEAST_LONGER), MOST_LONGER)
    if state.raised or (state.ask.limit is not None and limit <= state.ask.limit):
        return _cut(replace(finding.verdict, kind="fail"))
    return replace(state, ask=replace(state.ask, limit=limit), raised="asked")


def _cut(verdict: Verdict) -> Verdict:
    return replace(
        verdict,
        advice="Raise max_output_tokens of the folder, have it asked page by page ('pages: each'), or ask for less in its prompt; "
        "then run 'glimpsed retry' on the file.",
    )


# --- what a request should not have held ---


def _without(state: State, finding: Finding) -> Next | None:
    """Leave out a parameter, or use its other name."""
    ask, name = state.ask, finding.name
    if name in STRUCTURE and ask.request.schema is not None:
        return _other_structure(state, finding)
    if not _is_sent(state, name) or name in ask.refused or name in NEEDED:
        return _experiment(state, finding) if finding.status in (400, 422) else None
    learnt = {**state.learnt, "refused": state.learnt.get("refused", frozenset()) | {name}}
    ask = replace(ask, refused=ask.refused | {name}, stream=ask.stream and name != "stream")
    return replace(state, ask=ask, learnt=learnt)


def _is_sent(state: State, name: str) -> bool:
    return name in ("system", "detail") or name in APIS[state.api].body(state.ask, MARK)


def _other_structure(state: State, finding: Finding) -> Next | None:
    """The schema said in the next way."""
    mode = structured.NEXT.get(state.ask.mode)
    if state.ask.request.schema is None or mode is None:
        return _experiment(state, finding)
    return replace(state, ask=replace(state.ask, mode=mode), learnt={**state.learnt, "mode": mode})


def _badly(state: State, finding: Finding) -> Next | None:
    """Generated badly, which is no refusal, until it comes again."""
    return _other_structure(state, finding) if "badly" in state.seen else None


def _later(state: State, finding: Finding) -> Next | None:
    """It may be over soon; if not, it may be about what was asked."""
    return _experiment(state, finding) if "inside" in state.seen or state.refused is not None else None


def _lowered(state: State, finding: Finding) -> Next | None:
    """The output limit is above what the message names; one of the folder's is remembered as the model's own."""
    limit = _named(state, finding)
    if limit is None or state.raised == "lowered":
        if state.raised or finding.verdict.kind != "switch":
            return None
        return _shrunk(state, finding) if state.ask.limit is None else _experiment(state, finding)
    learnt = state.learnt if state.raised or finding.status == 402 else {**state.learnt, "limit": limit}
    raised: Literal["", "lowered"] = "lowered" if state.raised else ""
    return replace(state, ask=replace(state.ask, limit=limit), learnt=learnt, raised=raised)


def _named(state: State, finding: Finding) -> int | None:
    """The output limit that a refusal names: the largest below ours, or what a context leaves beside the prompt."""
    asked = state.ask.limit
    words = _THOUSANDS.sub(
        lambda found: re.sub(r"\D", "", found[0]), finding.verdict.reason.partition(":")[2]
    )
    numbers = [int(n) for n in re.findall(r"(?<![\d.])\d{2,7}(?![\d.]\d)", words)]
    if asked is None:
        return min((n for n in numbers if n >= 16), default=None) if finding.status == 402 else None
    # A context of C tokens, T tokens requested, of which ours are part: what is left for us is C - (T - ours).
    prompts = {n - asked for n in numbers if n > asked}
    left = [n - prompt for n in numbers for prompt in prompts if n != asked and asked > n - prompt > 0]
    fitting = left or [n for n in numbers if n < asked]
    best = max(fitting, default=0)
    return best if best > (state.ask.request.max_output_tokens or 0 if state.raised else 0) else None


def _shrunk(state: State, _: Finding) -> State:
    """The next rung; in an experiment as well, where the words have become clear meanwhile."""
    return replace(state, smaller="next", refused=None, trials=())


def _fewer(state: State, finding: Finding) -> State | None:
    """Too many images: which are left out is the folder's choice. One alone is not too many, but too much."""
    return _shrunk(state, finding) if len(state.images) == 1 else None


# --- what nobody's words explain ---


def _experiment(state: State, finding: Finding) -> Next:
    """Ask differently, or go on with that."""
    if not state.left:
        return _verdict(state, finding, "switch")
    if state.refused is None:
        # The other API is one of the trials, or was; else there is no room for it.
        most = experiment.MOST - (state.first is not None)
        other_api = state.both and state.other is not None
        trials = experiment.trials(state.ask, finding.verdict.reason, most=most, other_api=other_api)
        before = state if len(trials) < most else replace(state, other=None)
        state = replace(state, refused=before, trials=trials)
    return _next_trial(state, finding)


def _next_trial(state: State, finding: Finding) -> Next:
    before = state.refused
    assert before is not None
    if not state.trials:
        return _other_api(replace(before, left=False), finding) or _verdict(before, finding, "switch")
    trial, *rest = state.trials
    if trial.image:
        # From one rung to the next, without what an earlier trial left out.
        ask = replace(before.ask, request=state.ask.request)
        return replace(state, ask=ask, learnt=before.learnt, trials=tuple(rest), smaller=trial.image)
    ask = experiment.tried(before.ask, trial)
    learnt = dict(before.learnt)
    if ask.refused != before.ask.refused:
        learnt["refused"] = learnt.get("refused", frozenset()) | (ask.refused - before.ask.refused)
    if ask.stream != before.ask.stream:
        learnt["refused"] = learnt.get("refused", frozenset()) | {"stream"}
    if ask.mode != before.ask.mode:
        learnt["mode"] = ask.mode
    return replace(state, ask=ask, learnt=learnt, trials=tuple(rest))


# --- another API, or the end ---


def _other_api(state: State, finding: Finding) -> State | None:
    """Begin anew at the other API, with what is known of it."""
    if state.other is None:
        return None
    other = replace(state.other, request=state.ask.request)
    return State(
        OTHER[state.api],
        other,
        None,
        left=state.left,
        first=finding,
        seen=state.seen,
        repaired=state.repaired,
        odd=state.odd,
    )


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


REACTIONS: Mapping[Hint, Callable[[State, Finding], Next | None]] = {
    "repair": _repaired,
    "parameter": _without,
    "schema": _other_structure,
    "badly": _badly,
    "limit": _lowered,
    "count": _fewer,
    "unknown": _experiment,
    "inside": _later,
    "finish": _once_more,
}
