"""What a folder holds that is passed over because of how its name ends: counted, so that nobody waits for it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping

from glimpsed.config.schema import Folder
from glimpsed.discover.filters import SIDECARS, Filter

SECONDS = 2.0  # for a look: a sample of a large folder is enough
_KINDS = 8  # endings that are named


def passed_over(folder: Folder, *, seconds: float = SECONDS) -> dict[str, int]:
    """How many files there are of each ending that is not looked at (``.docx``; ``''``: none), most first.

    Without what is excluded on purpose, and without what ends like a sidecar.
    """
    rules, until = Filter(folder), time.monotonic() + seconds
    found: Counter[str] = Counter()
    ahead = [""]
    while ahead and time.monotonic() < until:
        prefix = ahead.pop()
        try:
            entries = os.scandir(os.path.join(folder.path, prefix))
        except OSError:
            continue
        with entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if folder.recursive and not rules.skips(path, is_dir=True):
                        ahead.append(f"{path}/")
                elif entry.is_file(follow_symlinks=False) and not (
                    rules.may_be(path) or rules.excluded(path)
                ):
                    ending = os.path.splitext(entry.name)[1].lower()
                    found[ending] += ending[1:] not in SIDECARS
    return {ending: count for ending, count in found.most_common() if count}


def in_words(counts: Mapping[str, int]) -> str:
    """``12 .docx, 3 .mp4 and 5 others``."""
    named = [f"{count:,} {ending or 'without an ending'}" for ending, count in list(counts.items())[:_KINDS]]
    rest = sum(list(counts.values())[_KINDS:])
    return ", ".join(named) + (f" and {rest:,} others" if rest else "")
