"""What nobody's words explain is found out by asking differently: which trials, in which order. Pure.

A trial is the same question without a group of what is optional. Groups, because eight causes have to be found in
four requests, of which the one that works is paid for; words choose which comes first. What made it work is
remembered, so that the next file takes one request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from glimpsed.vision.wire import Ask

Lever: TypeAlias = Literal["temperature", "user", "detail", "stream", "limit", "structure", "system", "image"]

MOST = 4  # trials after the request that was refused
# What the levers are called in a body, under any of its names; `structure` and `image` are none.
NAMES: dict[Lever, frozenset[str]] = {
    "temperature": frozenset({"temperature"}),
    "user": frozenset({"user", "safety_identifier"}),
    "detail": frozenset({"detail"}),
    "stream": frozenset({"stream", "stream_options"}),
    "limit": frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"}),
    "system": frozenset({"system"}),
}
# Those that cost nothing in quality go first, together.
HARMLESS: tuple[Lever, ...] = ("temperature", "user", "stream", "limit")
SHAPE: tuple[Lever, ...] = ("detail", "structure", "system")
# What a refusal may be about, as its words go. Too many hits cost a request, none cost nothing.
_SPOKEN_OF: dict[Lever, str] = {
    "temperature": r"temperature|sampling|温度",
    "user": r"[`'\"]user[`'\"](?!/)|\buser (field|param)|safety_identifier|end[- ]user",
    "detail": r"[`'\".]detail\b|\bdetail (level|field|param)",
    "stream": r"\bstream|\bsse\b|流式",
    "limit": r"max_?\w*tokens|output (limit|length)|completion tokens",
    "structure": r"schema|\bjson\b|structured|grammar|response.?format|guided",
    "system": r"\bsystem\b|developer|\broles?\b|instructions",
    "image": r"image|picture|photo|pixel|resolution|dimension|megabyte|too (large|big|long)|\bsize\b|context|图",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What is left out, or said otherwise; or a smaller image instead, by one rung or down to the last one."""

    without: frozenset[Lever] = frozenset()
    image: Literal["", "next", "last"] = ""


def trials(ask: Ask, words: str, *, most: int = MOST, other_api: bool = False) -> tuple[Trial, ...]:
    """The trials for a request that was refused in these words, likeliest first.

    `other_api`: one of them is to be kept for that, where there is room.
    """
    there = set(levers(ask))
    named = frozenset(
        lever
        for lever, said in _SPOKEN_OF.items()
        if lever in (*there, "image") and re.search(said, words, re.IGNORECASE)
    )
    harmless, shape = frozenset(there.intersection(HARMLESS)), frozenset(there.intersection(SHAPE))
    about_image = "image" in named
    groups = [Trial(group) for group in dict.fromkeys((named - {"image"}, harmless, shape)) if group]
    # Two causes at once are likelier than an API that has to be the other one, where there is as much to refuse.
    both = bool(harmless and shape & {"structure", "system"})
    most -= other_api and not both and not about_image
    if both and len(groups) + about_image + 1 < most:
        groups.append(Trial(harmless | shape))
    elif about_image and len(groups) > max(1, most - 2):  # one size smaller may not be enough
        groups[-2:] = [Trial(groups[-2].without | groups[-1].without)]
    left = most - len(groups)
    sizes = [Trial(image="next")] * (left - 1) + [Trial(image="last")] if left > 0 else []
    early = len(sizes[:1]) if about_image else 0  # the first of them is among the likeliest
    at = 1 if named - {"image"} else 0
    return tuple([*groups[:at], *sizes[:early], *groups[at:], *sizes[early:]][:most])


def levers(ask: Ask) -> Iterator[Lever]:
    """What is optional in this request."""
    request, refused = ask.request, ask.refused
    if request.temperature is not None and "temperature" not in refused:
        yield "temperature"
    if request.user and not refused >= NAMES["user"]:
        yield "user"
    if "detail" not in refused and any(True for _ in request.images):
        yield "detail"
    if ask.stream:
        yield "stream"
    if ask.limit is not None and not refused >= NAMES["limit"]:
        yield "limit"
    if request.schema is not None and ask.mode != "prompt":
        yield "structure"
    if request.system and "system" not in refused:
        yield "system"


def tried(ask: Ask, trial: Trial) -> Ask:
    """The request of a trial."""
    out = frozenset(name for lever in trial.without for name in NAMES.get(lever, ()))
    return replace(
        ask,
        refused=ask.refused | out,
        mode="prompt" if "structure" in trial.without else ask.mode,
        stream=ask.stream and "stream" not in trial.without,
    )
