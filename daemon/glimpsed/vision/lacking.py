"""What a refusal says that a request lacks, and which key of the config gives it. Pure.

An experiment only leaves things out, so it never finds these: a person has to set them, once.
"""

from __future__ import annotations

import re

from glimpsed.vision.verdict import Finding
from glimpsed.vision.wire import Ask

STREAM = "set 'stream: true' for the model"
LIMIT = "set 'max_output_tokens' for the folder"
VERSION = "set the version in the model's 'query'"
_OF_A_FOLDER = frozenset({"temperature", "user", "detail"})  # parameters that are keys of the same name
_X = re.IGNORECASE | re.VERBOSE
_ASKED_FOR = re.compile(
    r"require | \bmissing\b | mandatory | (must|should|needs?[ ]to|has[ ]to)[ ]be[ ](set|given|specified|provided|present|included)"
    r"| (provide|specify|set|include|use|enable)[ ](a|an|the|your)\b | 必须 | 必需 | 必填 | 缺少 | 不能为空",
    _X,
)
_ONLY_SO = re.compile(r"\bonly\b | \bmust\b | \bneeds?\b | non[- ]?stream | [只仅]支持 | 需要", _X)
_STREAM = re.compile(r"\bstream | nonstream | 流式", _X)
_LIMIT = re.compile(r"\bmax_?(\w+_)?tokens\b", _X)
_VERSION = re.compile(r"\bapi[-_ ]?version\b", _X)


def lacking(ask: Ask, finding: Finding, *, sent: bool) -> str:
    """What to set, where the words ask for something that the request has not; else "".

    `sent`: the parameter that the finding names was.
    """
    words = finding.verdict.reason.partition(":")[2]
    asked_for = _ASKED_FOR.search(words) is not None
    if not ask.stream and "stream" not in ask.refused and _STREAM.search(words):
        return STREAM if asked_for or _ONLY_SO.search(words) else ""
    if _VERSION.search(words):
        return VERSION
    if not asked_for:
        return ""
    if ask.limit is None and _LIMIT.search(words):
        return LIMIT
    name = finding.name
    if not name or sent or name in ask.refused:
        return ""
    return f"set '{name}' for the folder" if name in _OF_A_FOLDER else f"set '{name}' in the model's 'extra'"
