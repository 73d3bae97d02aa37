"""The first look at a file whose turn has come: what stands beside it, whether more can be written, what it holds."""

from __future__ import annotations

from glimpsed import searchable, sidecar
from glimpsed.discover.filters import is_called_pdf_of
from glimpsed.disk import files
from glimpsed.errors import FileError
from glimpsed.formats import whole
from glimpsed.model import Content, Job, Written
from glimpsed.pipeline.place import Place

COPY_AGAIN = "Copy the file into the folder again, whole."


def look(job: Job, place: Place, *, doubted: bool) -> tuple[Written, ...] | Content:
    """Before anything is paid for, see whether the answer is there already, and whether there is room for it.

    The file is done where its own sidecars stand: those. A searchable PDF of ours, whose folder does not ask for any
    now, is an answer itself.

    `doubted` as `sidecar.refuse_closed`. Raises as that, `sidecar.check` and `files.read_content`; `FileError` when
    somebody said `retry` and it is not whole.
    """
    if (written := _standing(job, place)) is not None:
        return written
    sidecar.refuse_closed(place.root, job.key.path, doubted=doubted)
    content = files.read_content(place.root, job.key.path, job.version)
    if job.round and not job.again:  # nothing has looked at it since, as at one that arrives
        _refuse_part(content)
    ours = searchable.is_ours(content.data) and is_called_pdf_of(place.folder, job.key.name)
    return () if ours else content


def _refuse_part(content: Content) -> None:
    data = content.data
    problem = whole.problem(lambda offset, length: data[offset : offset + length], len(data))
    if problem is not None:
        raise FileError(problem, COPY_AGAIN)


def _standing(job: Job, place: Place) -> tuple[Written, ...] | None:
    """The own sidecars about this very version that the ledger does not know of.

    It was restored from an old copy, or they came with the image: without a JSON among them, what a listing would
    take for them is taken here too. With one, it is enough alone, where the ledger knows of none: it was lost when
    the folder came to ask for more, or somebody took the others away. None: there are none, but they can be written.
    Raises as `sidecar.check` when they cannot.
    """
    root, folder, key = place.root, place.folder, job.key
    names = sidecar.names(folder, key.name)
    if "json" not in names and not job.written and not job.again:
        found = sidecar.adoptable(root, key.directory, key.name, job.version, folder, names.values())
        if found.verdict == "adopt":
            return found.known
    if not sidecar.check(root, key.path, folder, job.written) or "json" not in names or job.again:
        return None
    found = sidecar.adoptable(
        root, key.directory, key.name, job.version, folder, names.values(), lacking=not job.written
    )
    news = {w for w in found.written if w.name == names["json"]} - set(job.written)
    return found.known if found.verdict == "adopt" and news else None
