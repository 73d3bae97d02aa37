"""What of a model's text is the answer: all of it, less reasoning in front and a fence around the whole. Pure, linear.

Reasoning comes in marks that models were trained on (DeepSeek, Qwen, GLM and Seed ``<think>``, Gemma ``<thought>``, Mistral
``[THINK]``, Kimi ``◁think▷``, gpt-oss channels), which servers should take away and some do not. Where the server put
the opening mark into the prompt, only the closing one comes. A fence or a mark further inside is part of the answer.
"""

from __future__ import annotations

import re

_NAME = r"[\w:-]{0,20}?(?:think|thought|reasoning|reflection|scratch_?pad)(?:ing|s)?"
_MARKS = re.compile(
    rf"(?P<close></(?:{_NAME})>|<\|(?:/|end_(?:of_)?)(?:{_NAME})\|>|\[/THINK\]|◁/think▷|<unused95>)"
    rf"|(?P<open><(?:{_NAME})>|<\|(?:(?:begin|start)_(?:of_)?)?(?:{_NAME})\|>|\[THINK\]|◁think▷|<unused94>)",
    re.IGNORECASE,
)
_FINAL = re.compile(r"<\|channel\|>\s*final\s*<\|message\|>")
_CHANNELS = ("<|channel|>", "<|start|>")
# What stands around a turn in a model's template, which a server should have kept.
_TURN = re.compile(
    r"<\|im_start\|>assistant\n|<\|start_header_id\|>assistant<\|end_header_id\|>\n{0,2}|<start_of_turn>model\n"
)
_TURN_ENDS = re.compile(
    r"(?:<\|(?:im_end|end|return|eot_id|eot|eom_id|eos|end_?of_?(?:text|turn|sentence))\|>|<end_of_(?:turn|utterance)>|<eos>|</s>)\Z",
    re.IGNORECASE,
)
MOST_ENDS = 3  # one after the other
_RESULT = r"(?:final[_ ]?)?(?:answer|response|solution|output|result)|final"
# Reasoning that its own name does not show: a result follows it, to the end of the text; or an attribute says so.
_ELEMENT = re.compile(r"<([a-z][\w:-]{0,40})>", re.IGNORECASE)
_RESULT_ENDS = re.compile(rf"</({_RESULT})>\Z", re.IGNORECASE)
_SAID_APART = re.compile(
    r"<([a-z]\w{0,20}) [^<>]{0,60}\b(?:reasoning|thinking|thought)\b[^<>]{0,60}>.*?</\1>\s*"
    r"|Here(?: is|'s) my thought process:.*?Here(?: is|'s) my response:\s*",  # Granite
    re.DOTALL | re.IGNORECASE,
)
_AROUND = re.compile(
    rf"<(?P<tag>{_RESULT})>(?P<one>.*)</(?P=tag)>"
    rf"|<\|(?:begin|start)_(?:of_)?(?P<mark>{_RESULT}|box)\|>(?P<other>.*)<\|end_(?:of_)?(?P=mark)\|>",
    re.DOTALL | re.IGNORECASE,
)
# Around lines of their own, with nothing else marked in them: no field of a form.
_PLAIN_ANSWER = re.compile(r"<((?:final[_ ]?)?answer)>\n[^<>]*\n</\1>", re.IGNORECASE)
_FENCE = re.compile(r""" {0,3}(`{3,}|~{3,}|"{3}|'{3})[ \t]*+([^\n`]*)""")
_IN_LINE = re.compile(r"(`{3,})([^`\n]+)\1")


def meant(text: str) -> str:
    """The answer in this text; empty, where it is reasoning alone."""
    return _without_fence(_without_reasoning(_without_template(text)))


def _without_template(text: str) -> str:
    begun = _TURN.match(text.lstrip())
    inner = text.lstrip()[begun.end() :] if begun else text
    for _ in range(MOST_ENDS):
        kept = inner.rstrip()
        ended = _TURN_ENDS.search(kept, max(0, len(kept) - 40))
        if ended is None or (ended[0] == "</s>" and "<s>" in kept):  # struck through
            break
        inner = kept[: ended.start()].rstrip()
    return inner


def _without_reasoning(text: str) -> str:
    if text.lstrip().startswith(_CHANNELS):
        parts = _FINAL.split(text)
        return parts[-1].strip() if len(parts) > 1 else ""
    whole = text.strip()
    apart = _SAID_APART.match(whole)
    at = apart.end() if apart is not None else _before_result(whole)
    if at:
        return _unwrapped(whole[at:])
    while (end := _reasoning_ends(text, at)) is not None:
        at = end
    return _unwrapped(text[at:].lstrip() if at else text, reasoned=at > 0)


def _before_result(text: str) -> int:
    """Where the result begins that follows one element, whatever its name, to the end; 0: there is none."""
    element, ends = _ELEMENT.match(text), _RESULT_ENDS.search(text, max(0, len(text) - 40))
    if element is None or ends is None:
        return 0
    closing = f"</{element[1]}>"
    at = text.find(closing) + len(closing)
    at += len(text[at:]) - len(text[at:].lstrip())
    return at if at >= len(closing) and text[at : at + len(ends[1]) + 2] == f"<{ends[1]}>" else 0


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


def _unwrapped(text: str, *, reasoned: bool = True) -> str:
    """What stands in the marks that some models put around an answer; in those that a page may have, after reasoning only."""
    around = _AROUND.fullmatch(text.strip())
    if around is None:
        return text
    if not (reasoned or around["mark"] or _PLAIN_ANSWER.fullmatch(text.strip())):
        return text
    return (around["one"] or around["other"] or "").strip()


def _without_fence(text: str) -> str:
    """What stands in a fence that is around the whole text, also where its end is missing."""
    if in_line := _IN_LINE.fullmatch(text.strip()):
        return in_line[2]
    lines = text.strip().split("\n")
    opening = _FENCE.fullmatch(lines[0])
    if opening is None or not lines[1:] or (opening[1][0] in "\"'" and opening[2].strip()):
        return text
    inner, fences = 0, 0
    for number, line in enumerate(lines[1:], 1):
        fence = _FENCE.match(line)
        if fence is None or fence[1][0] != opening[1][0]:
            continue
        fences += 1
        if fence[2].strip():
            inner += 1  # another one opens inside
        elif number == len(lines) - 1 and fence[1].startswith(opening[1]):
            # Of the same kind, as long at least.
            return "\n".join(lines[1:-1])
        elif inner:
            inner -= 1
        elif fence[1].startswith(opening[1]):
            return text  # it ends before the text does
    if not fences and lines[-1].rstrip().endswith(opening[1]):  # behind the last line
        lines[-1] = lines[-1].rstrip().removesuffix(opening[1])
        return "\n".join(lines[1:])
    return "\n".join(lines[1:]) if opening[2].strip() and not fences else text
