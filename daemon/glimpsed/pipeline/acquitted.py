"""Files that are to fail because models refused them: whether it was their own fault (DESIGN 9, 'unanimity')."""

from __future__ import annotations

from glimpsed.errors import NO_ANSWER, VisionError
from glimpsed.model import FileKey, Job
from glimpsed.pipeline.place import Place


async def acquitted(job: Job, place: Place, error: VisionError, now: float) -> tuple[FileKey, ...] | None:
    """The files that failed for the same before, now that a model is at fault, which then pauses; None: the file is.

    Waits as long as others of its model are on their way, whose end tells.
    """
    for model in place.chain:
        likeness = error.alike.get(model.entry.name)
        if not likeness:
            continue
        if NO_ANSWER in likeness and model.pacing.is_blank(job.key.one):
            continue
        pause = model.pacing.paused
        # Found out while this one was on its way.
        if pause is not None and not pause.alike.isdisjoint(likeness):
            return ()
        if NO_ANSWER in likeness:  # its pace has counted who got none: these are too few
            continue
        verdict = await model.pacing.jury.hear(job.key, likeness)
        if verdict.guilty:
            continue
        if verdict.alike:
            reason = f"{len(verdict.alike) + 1} files in a row were refused alike: {error.verdict.reason}"
            model.pacing.pause_alike(reason, job.key.one, likeness, now, doubted=verdict.doubted)
        return verdict.alike
    return None
