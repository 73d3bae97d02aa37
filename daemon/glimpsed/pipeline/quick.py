"""Both ends of a plain file's story in the file worker: an image without sidecars is read, new ones are written.

None means that this was not tried, or that there is more to it: then the folder's own threads do it, who know
about sidecars that are there already, and tell what is wrong.
"""

from __future__ import annotations

import os

from glimpsed import sidecar
from glimpsed.model import Answer, Content, Job, Written
from glimpsed.pipeline.place import Place
from glimpsed.sidecar.own import FITS
from glimpsed.temporary import Owner


async def read(job: Job, place: Place) -> Content | None:
    """The content of an image whose sidecars can be written, since nothing stands where they belong."""
    names = _names(job, place)
    if place.worker is None or names is None:
        return None
    return await place.worker.read(place.root, job.key.path, job.version, tuple(names.values()))


async def write(job: Job, place: Place, answer: Answer, content: Content) -> tuple[Written, ...] | None:
    """Sidecars where there are none yet, durable."""
    names = _names(job, place)
    if place.worker is None or names is None:
        return None

    def rendered() -> dict[str, bytes]:
        return {name: sidecar.render(answer, kind) for kind, name in names.items()}

    like = Owner(content.uid, content.gid, content.mode)
    error = sidecar.error_name(job.key.name)
    return await place.worker.write(place.root, job.key.path, content.version, like, rendered, error)


def _names(job: Job, place: Place) -> dict[str, str] | None:
    """Kind -> name; None when two are the same, or one may be too long.

    And without a JSON among them: whose they are is told by one that may be there from other days, and by clocks.
    """
    names = sidecar.names(place.folder, job.key.name)
    every = {job.key.name, sidecar.error_name(job.key.name), *names.values()}
    plain = (
        "json" in names
        and len(every) == len(names) + 2
        and all(len(os.fsencode(name)) <= FITS for name in every)
    )
    return names if plain else None
