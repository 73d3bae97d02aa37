"""When a file is asked again, and when it is given up (DESIGN 9). Pure: the dice are an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glimpsed.errors import Verdict
from glimpsed.model import Job

FIRST = 1.0  # seconds; doubled each time
LONGEST = 600.0
ASKED = 3600.0  # of what an API asks to wait
MOST_RETRIES = 12  # 'retry' verdicts for one file: about half an hour
MOST_CUT_OFF = 2  # 504 and 524 among them: upstream may have finished, and billed


@dataclass(frozen=True, slots=True)
class Again:
    """Ask again so many seconds from now, with these counts in the row; `after` None: give up."""

    after: float | None
    retries: int
    cut_off: int


def again(job: Job, verdict: Verdict, dice: Callable[[], float]) -> Again:
    """What a 'retry' verdict means for this job; `dice` gives a number in [0, 1) (full jitter)."""
    retries = job.retries + 1
    cut_off = job.cut_off + verdict.cut_off
    if retries >= MOST_RETRIES or cut_off >= MOST_CUT_OFF:
        return Again(None, retries, cut_off)
    # Clamped before it is exponentiated: 2 ** retries of a wild row would overflow.
    ceiling = min(LONGEST, FIRST * 2 ** min(retries - 1, 20))
    return Again(max(ceiling * dice(), min(verdict.retry_after or 0.0, ASKED)), retries, cut_off)


def unreached(job: Job, dice: Callable[[], float]) -> Again:
    """What it means for this job that the model could not be reached: no try is lost, however often.

    It is asked again within a second: several of that in a row pause the model, and if others get through meanwhile, so
    will this one.
    """
    return Again(FIRST * dice(), job.retries, job.cut_off)


def share_pause(failures: int) -> float:
    """Seconds until a file on a troubled share, or a sidecar without space, is tried again: 1 to 60."""
    return min(60.0, 2.0 ** min(max(failures, 0), 6))
