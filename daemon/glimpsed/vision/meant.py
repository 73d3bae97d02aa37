"""What of a model's text is the answer: all of it, less reasoning in front and a fence around the whole. Pure, linear.

Reasoning comes in marks that models were trained on (DeepSeek, Qwen, GLM and Seed ``<think>``, Gemma ``<thought>``, Mistral
``[THINK]``, Kimi ``◁think▷``, gpt-oss channels), which servers should take away and some do not. Where the server put
the opening mark into the prompt, only the closing one comes. A fence or a mark further inside is part of the answer.
"""

from __future__ import annotations

import re

_NAME = r"[\w:-]{0,20}?(?:think|thought|reasoning|reflection|scratchpad)(?:ing|s)?"
_MARKS = re.compile(
    rf"(?P<close></(?:{_NAME})>|<\|(?:/|end_of_)(?:{_NAME})\|>|\[/THINK\]|◁/think▷)"
    rf"|(?P<open><(?:{_NAME})>|<\|(?:begin_of_)?(?:{_NAME})\|>|\[THINK\]|◁think▷)",
    re.IGNORECASE,
)
_FINAL = re.compile(r"<\|channel\|>\s*final\s*<\|message\|>")
_CHANNELS = ("<|channel|>", "<|start|>")
_ENDS = re.compile(r"<\|(?:return|end)\|>\s*\Z")
_AROUND = (("<answer>", "</answer>"), ("<|begin_of_box|>", "<|end_of_box|>"))
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*+([^\n`]*)")


def meant(text: str) -> str:
    """The answer in this text; empty, where it is reasoning alone."""
    return _without_fence(_without_reasoning(text))


def _without_reasoning(text: str) -> str:
    if text.lstrip().startswith(_CHANNELS):
        parts = _FINAL.split(text)
        return _ENDS.sub("", parts[-1]).strip() if len(parts) > 1 else ""
    at = 0
    while (end := _reasoning_ends(text, at)) is not None:
        at = end
    return _unwrapped(text[at:].lstrip()) if at else text


def _reasoning_ends(text: str, at: int) -> int | None:
    """Where the reasoning that begins there ends; None: none does."""
    first = _MARKS.search(text, at)
    if first is None:
        return None
    if first["close"]:
        return first.end() if at == 0 and not _is_quoted(text, first) else None
    if text[at : first.start()].strip():
        return None
    depth, last = 0, len(text)  # without an end, it is reasoning to the end
    for mark in _MARKS.finditer(text, at):
        depth += 1 if mark["open"] else -1
        last = mark.end() if mark["close"] else last
        if depth == 0:
            break
    return last


def _is_quoted(text: str, closing: re.Match[str]) -> bool:
    """Whether a closing mark without an opening one ends no reasoning: in JSON, or in the middle of a line."""
    before, after = text[: closing.start()][-1:], text[closing.end() :][:1]
    in_line = before in tuple(" \t\"'`(") and after not in ("", "\n", "\r")
    return in_line or text.lstrip()[:1] in ("{", "[", "`")


def _unwrapped(text: str) -> str:
    """What stands in the marks that some models put around an answer after their reasoning."""
    for opening, closing in _AROUND:
        if text.startswith(opening) and text.rstrip().endswith(closing):
            return text.rstrip()[len(opening) : -len(closing)].strip()
    return text


def _without_fence(text: str) -> str:
    """What stands in a fence that is around the whole text, also where its end is missing."""
    lines = text.strip().split("\n")
    opening = _FENCE.fullmatch(lines[0])
    if opening is None:
        return text
    inner, fences = 0, 0
    for number, line in enumerate(lines[1:], 1):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        fences += 1
        if fence[2].strip():
            inner += 1  # another one opens inside
        elif number == len(lines) - 1 and fence[1].startswith(
            opening[1]
        ):  # of the same kind, as long at least
            return "\n".join(lines[1:-1])
        elif inner:
            inner -= 1
        elif fence[1].startswith(opening[1]):
            return text  # it ends before the text does
    return "\n".join(lines[1:]) if opening[2].strip() and not fences else text
