"""What people say of an answer: corrected or confirmed, it is what the sidecars and the ledger have from then on (DESIGN 13).

Written beside the daemon, as `rewrite` does it. Whoever reviews names the state that they looked at (`seen`): a file that was
answered anew meanwhile, or that somebody else was quicker to correct, is not written over.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.disk import files
from glimpsed.disk.files import Root
from glimpsed.errors import UsageError
from glimpsed.journal import events, get_logger
from glimpsed.ledger import FileRow, Ledger
from glimpsed.model import Answer, Content, FileKey, Review, shown, utc
from glimpsed.pipeline import anew
from glimpsed.searchable.maker import Made

log = get_logger()

LONGEST_NAME = 100  # characters of who reviewed

# By folder: one that hangs holds up its own.
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


class Conflict(UsageError):
    """The file, or its answer, is not what the reviewer looked at."""


def current(ledger: Ledger, root: Root, folder: Folder, key: FileKey) -> tuple[FileRow, Answer]:
    """A done file and its answer. Raises `UsageError` where there is none, `ShareTrouble`."""
    row = ledger.find(key)
    if row is None or row.state != "done":
        raise UsageError(f"{shown(key.path)} is not done: there is no answer to review")
    found = anew.answer(root, row, folder, ledger.kept_for(row))
    if found is None:
        raise UsageError(f"{shown(key.path)}: neither the ledger nor a JSON sidecar has its answer")
    return row, found


def token(row: FileRow, answer: Answer) -> str:
    """What a reviewer has looked at: another after any change of the file or its answer."""
    said = answer.model_dump_json(include={"text", "data", "pages", "review"})
    state = f"{row.version.size} {row.version.mtime_ns} {row.changed} {said}"
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def correct(
    ledger: Ledger,
    root: Root,
    folder: Folder,
    key: FileKey,
    *,
    seen: str,
    by: str,
    text: str | None = None,
    data: Any = None,
    instead: Answer | None = None,
    undo: bool = False,
    make: Callable[[Folder, Answer, Content, str], Made] = lambda *_: Made(),
) -> Answer:
    """Another text, or other data (which the caller has held against the schema), written to the sidecars.

    `data` is shaped as the answer's: with ``pages: each`` a list with a value for each page. `instead`: another whole
    answer in its place, which is kept among the others then; `undo`: it is the model's own, which nobody
    has reviewed then. Without any of these, the answer is confirmed. `make`: what more than the answer takes to be rendered
    (`Maker.make`). Raises `Conflict` when it is not what
    was `seen`, else as `sidecar.write`.
    """
    with _turns[folder.name]:  # of two who look at the same answer, the second hears of the first
        row, old = current(ledger, root, folder, key)
        if token(row, old) != seen:
            raise Conflict(f"{shown(key.path)} has changed since you looked at it: look again")
        new, changed = _changed(old, text, data) if instead is None else _taken(row, old, instead, undo=undo)
        if old.review is not None:  # who corrected before stays said
            changed = [*dict.fromkeys([*old.review.changed, *changed])]
        at = ledger.clock.wall()
        by = " ".join(shown(by).split())[:LONGEST_NAME]
        review = None if undo else Review(at=utc(at), by=by, changed=tuple(changed))
        new = new.model_copy(update={"review": review})
        there, path = anew.where(root, key.path)
        content = files.read_content(there, path, row.version)
        made = make(folder, new, content, path.rpartition("/")[2])
        written = sidecar.write(there, path, folder, new, row.written, content, made.files)
        keep = ledger.review if instead is None else ledger.take
        if not keep(row, old, new, written, at, None if undo else by):
            raise Conflict(f"{shown(key.path)} was answered anew at this moment: look again")
        what = "review undone" if undo else f"{', '.join(changed)} corrected" if changed else "confirmed"
        log.info(events.FILE_REVIEWED, folder=key.folder, file=shown(key.path), reason=f"{what} by {by}")
        return new


def _changed(old: Answer, text: str | None, data: Any) -> tuple[Answer, list[str]]:
    """The answer with what was corrected, and the paths of that."""
    update: dict[str, Any] = {}
    changed: list[str] = []
    if data is not None and data != old.data:
        update["data"] = data
        changed += _paths(old.data, data, "")
        if old.pages is not None and isinstance(data, list) and len(data) == len(old.pages):
            pages = zip(old.pages, data, strict=True)
            update["pages"] = tuple(page.model_copy(update={"data": one}) for page, one in pages)
    if text is not None and text != old.text:
        update["text"] = text
        changed.append("text")
        if old.pages is not None:
            parts = text.split(sidecar.PAGE_BREAK)
            if len(parts) != len(old.pages):
                raise UsageError(f"the text must keep its {len(old.pages)} pages, apart by a form feed")
            pages = zip(update.get("pages", old.pages), parts, strict=True)
            update["pages"] = tuple(page.model_copy(update={"text": part}) for page, part in pages)
    return old.model_copy(update=update), changed


def _taken(row: FileRow, old: Answer, other: Answer, *, undo: bool) -> tuple[Answer, list[str]]:
    """Another answer, of which nobody has doubted anything but where it stood before; and where it differs."""
    new = anew.about(row, other)
    if not undo:
        new = new.model_copy(update={"doubt": None, "verified": None})
    if old.data is not None or new.data is not None:
        return new, [*_paths(old.data, new.data, "")]
    return new, ["text"] if old.text != new.text else []


def _paths(old: Any, new: Any, path: str) -> Iterator[str]:
    """Where two values differ, as `doubt` names it."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(key, old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new])]
    elif isinstance(old, list) and isinstance(new, list):
        longest = range(max(len(old), len(new)))
        pairs = [(at, _at(old, at), _at(new, at)) for at in longest]
    else:
        if old != new or type(old) is not type(new):
            yield path
        return
    for key, one, other in pairs:
        yield from _paths(one, other, f"{path}.{key}" if path else str(key))


def _at(values: list[Any], at: int) -> Any:
    return values[at] if at < len(values) else None
