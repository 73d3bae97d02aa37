"""What was asked, as a fingerprint: two files with the same content and question share an answer.

Where a prompt names the file, what it says of it is part of the question: the fingerprint has a second part then
(`of_file`). Which prompt and model that was, the first tells.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import json
import time
from collections.abc import Sequence

from glimpsed import prompt, searchable
from glimpsed.config.schema import Folder, ModelEntry
from glimpsed.model import Answer, FileKey, Image, Job, PageText, Request, shown


def prompt_sha256(folder: Folder) -> str:
    """Of system and prompt before anything is filled in (DESIGN 7)."""
    return _sha256(f"{folder.system or ''}\0{folder.prompt}")


def fingerprint(folder: Folder, entry: ModelEntry, *, stands_in: bool = False) -> str:
    """Prompt × system × schema × model × pages, bands and detail; the file's content is kept apart.

    `stands_in`: for a folder's own model that was not asked, being paused. Such an answer is stale from the
    start, so that ``redo --stale`` can put the question to the model that it was meant for.
    """
    return _fingerprint(
        stands_in,
        "" if entry.local else prompt_sha256(folder),  # an OCR engine does not read it
        None if folder.schema_ is None else json.dumps(folder.schema_, sort_keys=True),
        entry.model,
        "local" if entry.local else entry.base_url,
        folder.pages,
        folder.bands,
        folder.detail,
        *_unusual(folder),
        *(["lines"] if entry.local and folder.lines else []),
        *(["upright"] if folder.upright and not entry.local else []),
    )


def _unusual(folder: Folder) -> list[str]:
    """What came later to the question, only where it is not as it always was: old answers keep their fingerprint."""
    later = {"pdf_text": "auto", "send_pages": "all", "blank_pages": "send"}
    found = {name: str(getattr(folder, name)) for name in later}
    return [f"{name}={value}" for name, value in found.items() if value != later[name]]


def of_file(folder: Folder, entries: Sequence[ModelEntry], key: FileKey, mtime_ns: int) -> dict[str, str]:
    """What this file is asked, by model entry, in the order in which they are.

    Unless another stands in for it, the folder's own is first.
    """
    own, says = folder.model, said_of(folder, key, mtime_ns)
    return {
        entry.name: fingerprint(folder, entry, stands_in=own not in (entry.name, entries[0].name))
        + ("" if entry.local else says)
        for entry in entries
    }


def said_of(folder: Folder, key: FileKey, mtime_ns: int) -> str:
    """What system and prompt say of the file by name, place or day, as a fingerprint; empty, if nothing."""
    templates = (folder.system or "", folder.prompt)
    if not any(map(prompt.names_file, templates)):
        return ""
    said = "\0".join(_filled(template, key, mtime_ns, "", 0) for template in templates)
    return f":{hashlib.sha256(said.encode()).hexdigest()[:32]}"


# A handful of questions, each put to thousands of files.
@functools.lru_cache(maxsize=1024)
def _fingerprint(stands_in: bool, prompt: str, schema: str | None, *others: object) -> str:
    asked = [prompt, None if schema is None else json.loads(schema), *others]
    return _sha256(json.dumps(["stands in", *asked] if stands_in else asked, sort_keys=True))


@functools.lru_cache(maxsize=1024)
def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def fits_file(found: Answer, folder: Folder, entry: ModelEntry, was: FileKey, file: Job) -> bool:
    """`fits`, and the prompt says of this file what it said of that one, when the answer was given."""
    if not fits(found, folder, entry):
        return False
    if entry.local or not (says := said_of(folder, file.key, file.version.mtime_ns)):
        return True
    directory = f"{was.directory}/" if was.directory else ""
    was = FileKey(was.folder, f"{directory}{found.source.name}")  # it may have another name by now
    try:
        modified = dt.datetime.fromisoformat(found.source.modified)
        return says == said_of(folder, was, int(modified.timestamp() * 1_000_000_000))
    except (ValueError, OverflowError):  # anybody may have written it
        return False


def fits(found: Answer, folder: Folder, entry: ModelEntry) -> bool:
    """Whether an answer is one to the folder's question, as far as its sidecar tells: schema and bands it does not."""
    return (
        (entry.local or found.prompt.sha256 == prompt_sha256(folder))
        and found.model.asked == entry.model
        and (found.data is not None) == (folder.schema_ is not None)
        and (found.pages is not None) == (folder.pages == "each")
        and (found.lines is not None) == (entry.local and folder.lines)
    )


def request(
    job: Job, folder: Folder, images: tuple[Image, ...], texts: tuple[PageText, ...], pages: int, key: str
) -> Request:
    """The whole question for these pages, its templates filled in. `key`: as `idempotency_key` gave it."""
    asked = sorted({i.page for i in images} | {t.page for t in texts})
    page = str(asked[0]) if folder.pages == "each" else f"{asked[0]}-{asked[-1]}"  # 1-N (DESIGN 5)
    key_, mtime_ns = job.key, job.version.mtime_ns
    text = _filled(folder.prompt, key_, mtime_ns, page, pages)
    if any(i.band for i in images):
        text += "\n\n" + BANDS
    return Request(
        prompt=text,
        images=images,
        texts=texts,
        system=_filled(folder.system, key_, mtime_ns, page, pages) if folder.system else None,
        schema=folder.schema_,
        temperature=folder.temperature,
        max_output_tokens=folder.max_output_tokens,
        detail=folder.detail,
        user=folder.user,
        lines=folder.lines or bool(set(folder.outputs) & set(searchable.KINDS)),
        idempotency_key=key,
        file=job.key.one,
    )


BANDS = (
    "The page is cut into overlapping horizontal bands, sent from top to bottom. Read them as one page, "
    "and give what stands in an overlap only once."
)


def _filled(template: str, key: FileKey, mtime_ns: int, page: str, pages: int) -> str:
    name = shown(key.name)
    stem = name.rpartition(".")[0] or name
    # The file's own day, not today: a retry after midnight asks the same question.
    date = time.strftime("%Y-%m-%d", time.localtime(mtime_ns // 1_000_000_000))
    return prompt.fill(
        template,
        filename=name,
        stem=stem,
        folder=key.folder,
        relpath=shown(key.path),
        date=date,
        page=page,
        pages=pages,
    )


def idempotency_key(job: Job, folder: Folder, entry: ModelEntry, pages: Sequence[int]) -> str:
    """The same for all retries of one job, smaller images included; another for another model or a redo."""
    parts = [
        job.id,
        job.key.path,
        job.version.size,
        job.version.mtime_ns,
        job.round,
        fingerprint(folder, entry),
        entry.name,
        list(pages),
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"glimpsed-{digest[:40]}"
