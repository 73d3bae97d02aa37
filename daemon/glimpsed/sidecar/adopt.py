"""What is there already: sidecars that make a file done without asking, answers that can be used again.

A lost ledger must cost no money (DESIGN 8), so this is asked for each of perhaps a million files that
the ledger does not know: files without sidecars cost no system call, files with them one read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pydantic

from glimpsed import bounded
from glimpsed.config.schema import Folder
from glimpsed.disk.files import (
    Root,
    digest_of,
    entry,
    is_as_written,
    opened_directory,
    opened_file,
    translated,
    version_of,
)
from glimpsed.errors import FileError, ShareTrouble, Vanished
from glimpsed.model import Answer, Paid, Usage, Version, Written, shown, utc_ns
from glimpsed.sidecar import own
from glimpsed.sidecar.render import MADE, names, sidecar_name

_NEVER = -1  # ns: no file that we wrote has this time
_LONGEST_NAME = 200
_MOST_TOKENS, _MOST_MONEY = 1_000_000_000, 10_000_000  # of one answer: what says more was made up
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Adoptable:
    """What the sidecars beside a file that the ledger does not know make of it.

    ``adopt``: done, nothing to send. ``outdated``: an own JSON about another version, or a damaged one, so ask, and replace.
    ``foreign``: all the names are taken, by what cannot be shown to be ours. ``none``: not all are there.
    """

    verdict: Literal["adopt", "outdated", "foreign", "none"]
    written: tuple[Written, ...] = ()  # as they stand there
    # The same, but of no time what somebody edited: it goes on counting as edited.
    known: tuple[Written, ...] = ()
    sha256: str | None = None  # of the image, when the JSON tells
    answer: Answer | None = None  # when the JSON tells
    paid: tuple[Paid, ...] = ()  # what it cost; nothing, if it was used again


def adoptable(
    root: Root,
    directory: str,
    name: str,
    version: Version,
    folder: Folder,
    names_in_directory: Collection[str],
    *,
    lacking: bool = False,
) -> Adoptable:
    """Judge the sidecars that stand beside a file without a ledger row.

    `lacking`: those that can be made from the JSON need not be there.
    Reads the image only when the JSON names its size but another time (a restored backup): then the
    SHA-256 decides. Raises `ShareTrouble`, or `Vanished` when the directory or the image is gone.
    """
    sidecars = names(folder, name)
    missing = {kind for kind, sidecar in sidecars.items() if sidecar not in names_in_directory}
    if missing - {"pdf"} or (missing and "json" not in sidecars):
        return Adoptable("none")
    pdf = sidecars.pop("pdf") if missing else None
    with opened_directory(root, directory) as parent, translated(directory):
        statuses = {sidecar: entry(parent, sidecar) for sidecar in sidecars.values()}
        if lacking and "json" in sidecars:
            sidecars = {k: s for k, s in sidecars.items() if k == "json" or statuses[s] is not None}
        data = own.read(parent, sidecars["json"]) if "json" in sidecars else None
        parsed = own.parse_own(data)
        edited = (
            _edited(own.Beside(parent, folder, name, {}, parsed), sidecars, statuses) if parsed else set()
        )
    written = tuple(
        Written(sidecar, status.st_size, status.st_mtime_ns)
        for sidecar, status in statuses.items()
        if status is not None and stat.S_ISREG(status.st_mode)
    )
    if len(written) < len(sidecars):
        return Adoptable("foreign")
    if "json" not in sidecars:
        newer = all(sidecar.mtime_ns > version.mtime_ns for sidecar in written)
        return Adoptable("adopt", written, written) if newer else Adoptable("foreign")
    if parsed is None or (pdf is not None and parsed["source"].get("signed") is not True):
        return Adoptable("foreign" if pdf is None else "none")  # one that is signed gets no PDF
    path = f"{directory}/{name}" if directory else name
    if not _is_about(parsed["source"], root, path, version):
        return Adoptable("outdated")
    digests = {} if data is None else {sidecars["json"]: digest_of(data)}
    known = tuple(
        replace(w, mtime_ns=_NEVER) if w.name in edited else replace(w, digest=digests.get(w.name))
        for w in written
    )
    said = _said(parsed)
    return Adoptable("adopt", written, known, said["source"].get("sha256"), _answer(said), _paid(said))


def _edited(
    place: own.Beside, sidecars: Mapping[str, str], statuses: Mapping[str, os.stat_result | None]
) -> set[str]:
    """Those that are not what the own JSON says; and if one is not, nobody can tell whether that is the JSON."""
    found = {kind for kind, name in sidecars.items() if place.is_edited(name, kind, statuses[name])}
    if found - MADE:
        found.add("json")
    return {sidecars[kind] for kind in found}


def _paid(said: Mapping[str, Any]) -> tuple[Paid, ...]:
    """What that cost, as far as that is possible."""
    if said.get("reused_from") is not None:
        return ()
    try:
        at = dt.datetime.fromisoformat(said["finished"]).timestamp()
        found = [Paid(said["model"]["entry"], Usage.model_validate(said["usage"]), at, 1)]
        if (second := said.get("verified")) is not None:
            found.append(Paid(second["by"], Usage.model_validate(second["usage"]), at, 0))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return ()
    return tuple(found) if all(map(_is_possible, found)) else ()


def _is_possible(paid: Paid) -> bool:
    usage = paid.usage
    return (
        isinstance(paid.entry, str)
        and paid.entry.isprintable()
        and len(paid.entry) <= _LONGEST_NAME
        and len(usage.currency or "") <= _LONGEST_NAME
        and 0 <= usage.input_tokens <= _MOST_TOKENS
        and 0 <= usage.output_tokens <= _MOST_TOKENS
        and 0 <= (usage.cost or 0.0) <= _MOST_MONEY
    )


def load(root: Root, path: str, folder: Folder) -> Answer | None:
    """The answer in the own JSON sidecar of this image, to be used for the same content elsewhere.

    None when there is none, or it cannot be read (whatever the reason: then the model is asked).
    """
    directory, _, name = path.rpartition("/")
    try:
        with opened_directory(root, directory) as parent, translated(path):
            parsed = own.parse_own(own.read(parent, sidecar_name(folder, name, "json")))
    except (Vanished, ShareTrouble, FileError):
        return None
    return None if parsed is None else _answer(_said(parsed))


def _said(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """What an own JSON says, which anybody may have written, as the ledger takes it: text, and no bytes that are none."""
    source = dict(parsed["source"])
    if isinstance(name := source.get("name"), str):
        source["name"] = shown(name)
    said: dict[str, Any] = bounded.sane_value({**parsed, "source": source})
    return said


def _answer(said: Mapping[str, Any]) -> Answer | None:
    """What `_said` says; None where that is no answer, as of one that is damaged."""
    try:
        answer = Answer.model_validate(said)
    except pydantic.ValidationError:
        return None
    return answer if _SHA256.fullmatch(answer.source.sha256) else None


def load_text(root: Root, path: str, folder: Folder, written: Sequence[Written]) -> str | None:
    """The text in a ``txt`` or ``md`` sidecar that is still as the ledger knows it, for folders without JSON."""
    directory, _, name = path.rpartition("/")
    known = {w.name: w for w in written}
    try:
        with opened_directory(root, directory) as parent, translated(path):
            for kind in ("txt", "md"):
                sidecar = known.get(sidecar_name(folder, name, kind))
                status = entry(parent, sidecar.name) if sidecar else None
                if sidecar and status and is_as_written(parent, sidecar, status):
                    data = own.read(parent, sidecar.name)
                    return data.decode("utf-8", "replace").removesuffix("\n") if data is not None else None
    except (Vanished, ShareTrouble, FileError):
        pass
    return None


def _is_about(source: dict[str, Any], root: Root, path: str, version: Version) -> bool:
    sha256 = source.get("sha256")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        return False  # damaged, or planted
    if source.get("bytes") != version.size:
        return False
    if source.get("modified") == utc_ns(version.mtime_ns):
        return True
    return sha256 is not None and sha256 == _sha256(root, path, version)


def _sha256(root: Root, path: str, version: Version) -> str | None:
    with opened_file(root, path) as (fd, status), translated(path):
        if version_of(status) != version:
            return None
        with open(fd, "rb", buffering=0, closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
