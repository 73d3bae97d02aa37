"""Whether a reply that came whole is an answer, and fits the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from glimpsed import bounded
from glimpsed.children.child import Unavailable
from glimpsed.errors import Verdict, VerdictKind
from glimpsed.schemas.checker import Checker
from glimpsed.vision import chat, responses, structured
from glimpsed.vision.seen import emptiness
from glimpsed.vision.told import error_of
from glimpsed.vision.verdict import Finding, clean
from glimpsed.vision.verdict_table import Hint
from glimpsed.vision.wire import Answered

LARGEST = 8 << 20  # bytes of a reply
LONGEST = 4_000_000  # characters of an answer: its sidecars stay below what is read back
Finish: TypeAlias = Literal["end", "filtered", "cut", "broken", "unknown"]

ENDS = frozenset({
    "", "stop", "end", "end_turn", "end_of_turn", "eos", "eos_token", "stop_sequence", "stop_token", "complete", "completed",
    "normal", "natural", "finish", "finished", "done", "success", "succeeded", "finish_reason_stop", "null", "none",
    "stopped", "stopped_eos", "stopped_word", "tool_calls", "tool_use", "function_call",
})  # fmt: skip
# By the parts of their names, as new ones are made up all the time; the first that fits.
PARTS: tuple[tuple[Finish, re.Pattern[str]], ...] = (
    ("filtered", re.compile(r"filter|safe|guard|block|polic|refus|prohibit|recit|sensitive|spii|moderat|violat|flag|harm|censor|nsfw|risk|audit|reject|den(?:y|ied)|responsible")),
    ("broken", re.compile(r"error|abort|cancel|network|insufficient|fail|interrupt|timeout|timed_out|disconnect|unavailable|malformed"
                          r"|exception|crash|kill|closed|lost|reset|shutdown|preempt|evict|dead|died|\boom")),
    ("cut", re.compile(r"length|token|context|limit|window|truncat|exceed|max|budget|overflow|exhaust|(?:^|_)(?:cap|long|partial|incomplete|unfinished)(?:$|_)")),
)  # fmt: skip
NOTHING = {
    "blind": "the model says that it cannot see an image",
    "refusal": "the model refused",
    "loop": "the answer repeats itself without end",
}


def answer_of(body: bytes) -> Answered | None:
    """What a reply says, in whatever it is wrapped; None for one with an error in it, or without an answer."""
    try:
        reply = bounded.loads(body.removeprefix(b"\xef\xbb\xbf"), largest=LARGEST)
    except ValueError:
        return None
    reply = reply[0] if isinstance(reply, list) and reply else reply
    holders = [reply, *reply.values()] if isinstance(reply, dict) else []
    for holder in holders:
        if isinstance(holder, dict) and error_of(holder) is None:
            answered = chat.parse(holder) or responses.parse(holder)
            if answered is not None:
                return answered
    return None


def finish(reason: str) -> Finish:
    """What a finish reason means, by its name or the parts of its name."""
    name = re.sub(r"[\W_]+", "_", reason.lower()).strip("_")
    if name in ENDS:
        return "end"
    return next((meaning for meaning, parts in PARTS if parts.search(name)), "unknown")


async def read(
    answered: Answered,
    schema: Mapping[str, Any] | None,
    checker: Checker,
    accepted: frozenset[str] = frozenset(),
) -> tuple[Any, Finding | None]:
    """The answer's value (None without a schema), and why it is no answer.

    `accepted`: finish reasons that nobody knows, and that answers of this model end with.
    """
    text = answered.text
    if len(text) > LONGEST:
        return None, _finding("fail", f"the answer is longer than {LONGEST:,} characters", "")
    flaw = _flaw(answered, accepted)
    if flaw is not None or schema is None:
        return None, flaw
    try:
        data, misfit = await checker.read(text, schema)
    except Unavailable as e:
        return None, _finding("retry", f"the answer could not be checked against the schema: {e}", text)
    if misfit is None:
        return data, None
    if misfit.final:
        return None, _finding("fail", misfit.reason, text)
    told = structured.repair(misfit.told, schema)
    return None, Finding(Verdict("fail", misfit.reason), "repair", said=text, told=told)


def _flaw(answered: Answered, accepted: frozenset[str]) -> Finding | None:
    """Why this is no answer, or not all of one."""
    ended = finish(answered.finish)
    cut = ended == "cut"
    said = answered.text or answered.refusal or ""
    named = clean(answered.finish)[:60]
    if ended == "broken":
        return _finding("retry", f"the model broke off ({named})", said)
    nothing = "refusal" if answered.refusal or ended == "filtered" else emptiness(answered.text, cut=cut)
    if nothing == "empty" and not cut:
        return _finding("retry", "an empty answer", said, "empty" if answered.output_tokens else "")
    if nothing is not None and nothing != "empty":
        why = f" ({named})" if ended == "filtered" else ""
        return _finding("switch", NOTHING[nothing] + why, said, "blind" if nothing == "blind" else "refused")
    if cut:
        return _finding("longer", "the answer was cut off at the output limit", said)
    if ended == "unknown" and answered.finish not in accepted:
        return Finding(
            Verdict("retry", f"the answer ended for an unknown reason ({named})"),
            "finish",
            answered.finish,
            said,
        )
    return None


def _finding(kind: VerdictKind, reason: str, said: str, hint: Hint = "") -> Finding:
    return Finding(Verdict(kind, reason), hint, said=said)
