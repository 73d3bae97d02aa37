"""Whether a reply that came whole is an answer, and fits the schema."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Literal, TypeAlias

from glimpsed import bounded
from glimpsed.children.child import Unavailable
from glimpsed.errors import NO_ANSWER, Verdict, VerdictKind
from glimpsed.schemas.checker import Checker
from glimpsed.vision import chat, responses, structured
from glimpsed.vision.seen import emptiness
from glimpsed.vision.told import error_of
from glimpsed.vision.verdict import Finding, clean
from glimpsed.vision.verdict_table import Hint
from glimpsed.vision.wire import Answered, used

LARGEST = 8 << 20  # bytes of a reply
_IN_FRONT = 4096  # bytes that may stand in front of a reply
_DEEPEST = 2  # wrappers around one …
_WIDEST = 50  # … and members of each that are looked into
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
# The texts of a reply whose end is missing, the last of them cut.
_TEXTS = re.compile(rb'"(?:content|text|reasoning_content)"\s{0,9}:\s{0,9}"((?:[^"\\]|\\.)*+)')
_ANSWERING = re.compile(rb'"(?:choices|output)"\s{0,9}:\s{0,9}\[')
NOTHING = {
    "blind": "the model says that it cannot see an image",
    "refusal": "the model refused",
    "loop": "the answer repeats itself without end",
}


def answer_of(body: bytes) -> Answered | None:
    """What a reply says, in whatever it is wrapped; None for one with an error in it, or without an answer."""
    for number, holder in enumerate(_holders(_value(body))):
        if error_of(holder) is None:
            answered = chat.parse(holder) or responses.parse(holder)
            if answered is not None:
                return answered
        elif number == 0:  # whatever it holds beside
            return None
    return None


def _value(body: bytes) -> Any:
    """The value of a body; None for none."""
    plain = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not plain.startswith((b"{", b"[", b'"')):  # a guard against scripts, or a notice of a script's
        plain = plain[max(0, plain.find(b'{"', 0, _IN_FRONT)) :]
    try:
        return bounded.received(plain, largest=LARGEST)
    except json.JSONDecodeError as e:
        # A proxy's comment, or the same once more: behind an answer that was paid for.
        return json.loads(e.doc[: e.pos]) if e.msg == "Extra data" else None
    except ValueError:
        return None


def _holders(reply: Any, deep: int = 0) -> Iterator[dict[str, Any]]:
    """Whatever may hold an answer: the reply, one in a list, what stands in it, and JSON in a text."""
    if isinstance(reply, str):
        reply = _value(reply.encode("utf-8", "replace")) if reply.lstrip().startswith("{") else None
    if isinstance(reply, list):
        reply = reply[0] if reply else None
    if isinstance(reply, dict):
        yield reply
        for inner in islice(reply.values(), _WIDEST) if deep < _DEEPEST else ():
            yield from _holders(inner, deep + 1)


def broken(body: bytes) -> Answered | None:
    """What came of an answer in a reply that is none: it was paid for. None, where nothing did."""
    reply = _value(body)
    if reply is None:
        cut = _TEXTS.findall(body) if _ANSWERING.search(body) else []
        text = b"".join(cut).decode("utf-8", "replace")
        return Answered(text=text, finish="") if text else None
    for holder in _holders(reply):
        answered = chat.parse(holder) or responses.parse({**holder, "status": ""})
        counted = used(holder)
        answered = answered or Answered(
            "", "", None, "", None, counted["input_tokens"], counted["output_tokens"]
        )
        if answered.text or answered.thought or answered.input_tokens or answered.output_tokens:
            return answered
    return None


def finish(reason: str) -> Finish:
    """What a finish reason means, by its name or the parts of its name."""
    name = re.sub(r"[\W_]+", "_", reason.lower()).strip("_")
    if name in ENDS:
        return "end"
    return next((meaning for meaning, parts in PARTS if parts.search(name)), "unknown")


async def fitted(text: str, schema: Mapping[str, Any] | None, checker: Checker) -> tuple[Any, Finding | None]:
    """The answer's value (None without a schema), and why it does not fit."""
    if schema is None:
        return None, None
    try:
        data, misfit = await checker.read(text, schema)
    except Unavailable as e:
        return None, _finding("retry", f"the answer could not be checked against the schema: {e}", text)
    if misfit is None:
        return data, None
    if misfit.final:
        return None, _finding("fail", misfit.reason, text)
    told = structured.repair(misfit.told, schema)
    # The same to different files is no answer to any of them.
    alike = frozenset({f"said {hashlib.sha256(text.strip().encode()).hexdigest()[:16]}"})
    return None, Finding(Verdict("fail", misfit.reason, alike=alike), "repair", said=text, told=told)


def flaw(  # noqa: PLR0911 - one for each kind
    answered: Answered, accepted: frozenset[str] = frozenset(), *, valued: bool = False
) -> Finding | None:
    """Why this is no answer, or not all of one, whatever it is to fit.

    `accepted`: finish reasons that nobody knows, and that answers of this model end with. `valued`: it is to hold a JSON
    value.
    """
    text = answered.text if valued or not answered.called else ""  # nobody gave it that tool
    if len(text) > LONGEST:
        return _finding("fail", f"the answer is longer than {LONGEST:,} characters", "")
    ended = finish(answered.finish)
    said = text or answered.refusal or ""
    named = clean(answered.finish)[:60]
    if ended == "broken":
        return _finding("retry", f"the model broke off ({named})", said, alike=NO_ANSWER)
    cut, filtered = ended == "cut", ended == "filtered"
    nothing = "refusal" if answered.refusal or filtered else emptiness(text, cut=cut, valued=valued)
    if nothing == "empty" and not cut:
        hint: Hint = "empty" if answered.output_tokens or answered.thought or answered.called else ""
        return _finding("retry", "an empty answer", said, hint, alike=NO_ANSWER)
    if nothing is not None and nothing != "empty":
        blind = "blind" if nothing == "blind" else ""
        why = NOTHING[nothing] + (f" ({named})" if filtered else "")
        return _finding("switch", why, said, "blind" if blind else "refused", alike=blind)
    if cut:
        return _finding("longer", "the answer was cut off at the output limit", said)
    if ended == "unknown" and answered.finish not in accepted:
        why = f"the answer ended for an unknown reason ({named})"
        return Finding(Verdict("retry", why), "finish", answered.finish, said)
    return None


def _finding(kind: VerdictKind, reason: str, said: str, hint: Hint = "", *, alike: str = "") -> Finding:
    return Finding(Verdict(kind, reason, alike=frozenset({alike} if alike else ())), hint, said=said)
