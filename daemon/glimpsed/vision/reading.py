"""Whether a reply that came whole is an answer, and fits the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glimpsed.children.child import Unavailable
from glimpsed.errors import Verdict, VerdictKind
from glimpsed.schemas.checker import Checker
from glimpsed.vision import structured
from glimpsed.vision.seen import emptiness
from glimpsed.vision.verdict import Finding
from glimpsed.vision.verdict_table import Hint
from glimpsed.vision.wire import Answered

LONGEST = 4_000_000  # characters of an answer: its sidecars stay below what is read back
CUT = frozenset({"length", "max_tokens", "max_output_tokens"})
FILTERED = frozenset({"content_filter", "safety", "recitation", "prohibited_content", "sensitive"})
NOTHING = {
    "blind": "the model says that it cannot see an image",
    "refusal": "the model refused",
    "loop": "the answer repeats itself without end",
}


async def read(
    answered: Answered, schema: Mapping[str, Any] | None, checker: Checker
) -> tuple[Any, Finding | None]:
    """The answer's value (None without a schema), and why it is no answer."""
    text = answered.text
    if len(text) > LONGEST:
        return None, _finding("fail", f"the answer is longer than {LONGEST:,} characters", "")
    flaw = _flaw(answered)
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


def _flaw(answered: Answered) -> Finding | None:
    """Why this is no answer, or not all of one."""
    finish = answered.finish.lower()
    cut = finish in CUT
    said = answered.text or answered.refusal or ""
    nothing = "refusal" if answered.refusal or finish in FILTERED else emptiness(answered.text, cut=cut)
    if finish == "error" or (nothing == "empty" and not cut):
        return _finding("retry", "an empty answer" if nothing else "the model broke off", said)
    if nothing is not None and nothing != "empty":
        return _finding("switch", NOTHING[nothing], said, "blind" if nothing == "blind" else "refused")
    return _finding("longer", "the answer was cut off at the output limit", said) if cut else None


def _finding(kind: VerdictKind, reason: str, said: str, hint: Hint = "") -> Finding:
    return Finding(Verdict(kind, reason), hint, said=said)
