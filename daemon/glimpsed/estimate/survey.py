"""Which files wait, found by looking; a sample of them measured. Nothing is sent, nothing is changed."""

from __future__ import annotations

import contextlib
import math
import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from glimpsed import sidecar
from glimpsed.blocking import Blocking
from glimpsed.clock import elapsed
from glimpsed.config.schema import Folder
from glimpsed.discover.filters import Filter
from glimpsed.discover.walk import Directory, Walk
from glimpsed.disk.files import Root, read_content
from glimpsed.errors import FileError, NotYet, Vanished
from glimpsed.estimate import Group, Past, Sampled
from glimpsed.images.pages import pages_of, text_of
from glimpsed.images.prepare import Images
from glimpsed.ledger import FileRow, Ledger, local_day
from glimpsed.model import Content, Version
from glimpsed.vision.families import text_tokens

LOOKED_AT = 5  # pages of a document whose own text is read
PATIENCE = 60.0  # seconds that a file system may take for a file
# Files of one kind that are looked at, chosen by chance: as many as tell how large the others are, and so long at most.
FEWEST, PER_KIND, LOOKING = 25, 400, 20.0
_ERROR = 0.03  # of the mean, likely: then it is hardly ever out by a tenth
_PAGE = 1_000_000  # px: a larger picture has no more tokens, about


@dataclass(slots=True)
class Kind:
    """Files with the same ending: how many, and some of them."""

    files: int = 0
    some: list[tuple[str, Version]] = field(default_factory=list)

    def add(self, path: str, version: Version, dice: random.Random) -> None:
        """One more; each of them has the same chance to be looked at."""
        self.files += 1
        if len(self.some) < PER_KIND:
            self.some.append((path, version))
        elif (place := dice.randrange(self.files)) < PER_KIND:
            self.some[place] = (path, version)


def waiting(folder: Folder, root: Root, ledger: Ledger) -> dict[str, Kind]:
    """The files of a folder that a daemon would ask about, by ending.

    Raises `ShareTrouble` when the folder cannot be listed.
    """
    return _by_kind(_waiting(folder, root, ledger))


def of_rows(rows: Sequence[FileRow], files: int) -> dict[str, Kind]:
    """The same for so many files of which the ledger named some: their kinds, scaled up."""
    kinds = _by_kind((row.key.path, row.version) for row in rows)
    for kind in kinds.values():
        kind.files = round(kind.files * files / len(rows))
    return kinds


def past(ledger: Ledger, folder: Folder, now: float) -> Past:
    """What the folder's model answered in it so far."""
    spent = [
        s
        for s in ledger.spend_between("0000-00-00", local_day(now), folder=folder.name)
        if s.model == folder.model
    ]
    return Past(sum(s.answers for s in spent), sum(s.output_tokens for s in spent))


async def measured(folder: Folder, kinds: Iterable[Kind], root: Root, images: Images) -> list[Group]:
    """Each kind with those of its files that could be looked at. Raises `ShareTrouble`."""
    groups, until = [], elapsed() + LOOKING
    lane = Blocking(f"estimate of {folder.name}")  # a share that hangs is this folder's alone
    try:
        for kind in kinds:
            sample: list[Sampled | None] = []
            for path, version in kind.some:
                if len(sample) >= FEWEST and (elapsed() > until or _tells(sample, kind.files)):
                    break
                with contextlib.suppress(Vanished):
                    async with images.room.of(version.size):
                        content = await lane.run_within(PATIENCE, _read, root, path, version)
                        seen = await _seen(folder, images, content) if content is not None else None
                    sample.append(seen)
            groups.append(Group(kind.files, tuple(sample)))
    finally:
        lane.close()
    return groups


def _tells(sample: Sequence[Sampled | None], files: int) -> bool:
    """Whether the mean of those that were looked at is about that of so many files. Asked now and then."""
    if len(sample) % FEWEST:
        return False
    tokens = [_tokens(seen) if seen else 0.0 for seen in sample]
    error = statistics.stdev(tokens) * math.sqrt(max(0.0, 1 / len(tokens) - 1 / files))
    return error <= _ERROR * statistics.fmean(tokens)


def _tokens(seen: Sampled) -> float:
    """About, whatever the model: a thousand of a large picture."""
    sizes = seen.sizes or [(seen.width, seen.height)] * seen.pages
    return sum(min(_PAGE, width * height) for width, height in sizes) / 1000 + sum(seen.texts)


async def _seen(folder: Folder, images: Images, content: Content) -> Sampled | None:
    try:
        document, pages = await pages_of(folder, content, images)
        sizes = await images.sizes(content)
        texts = [own for page in pages[:LOOKED_AT] if (own := await text_of(folder, content, images, page))]
    except FileError:
        return None
    share = len(pages) / max(1, len(pages[:LOOKED_AT]))
    tokens = tuple(round(share * (text_tokens(own.text) + 30)) for own in texts)
    blind = round(share * len(texts)) if folder.pdf_text == "instead" else 0
    shown = tuple(sizes[page - 1] for page in pages if page <= len(sizes))
    return Sampled(len(pages), document.width, document.height, tokens, blind, shown)


def _read(root: Root, path: str, version: Version) -> Content | None:
    try:
        return read_content(root, path, version)
    except (FileError, NotYet):  # that one cannot be read says nothing of the folder
        return None


def _by_kind(found: Iterable[tuple[str, Version]]) -> dict[str, Kind]:
    dice = random.Random(0)  # noqa: S311 - a sample, the same one each time
    kinds: dict[str, Kind] = {}
    for path, version in found:
        ending = path.rpartition("/")[2].rpartition(".")[2].lower()
        kinds.setdefault(ending, Kind()).add(path, version, dice)
    for kind in kinds.values():
        dice.shuffle(kind.some)  # the first of them are a sample, too
    return dict(sorted(kinds.items(), key=lambda item: -item[1].files))


def _waiting(folder: Folder, root: Root, ledger: Ledger) -> Iterator[tuple[str, Version]]:
    counts = ledger.counts([folder.name])[folder.name]
    # With nothing queued, a directory that is as it was when all of it was in the ledger has nothing to tell.
    quiet = not counts["queued"] and not counts["running"]
    digests = ledger.fingerprints(folder.name) if quiet else {}
    ignored = folder.existing == "ignore" and ledger.seen(folder.name) is None
    walk = Walk(root, Filter(folder), digests, [""], folder.recursive)
    while walk.todo:
        for directory in walk.slice():
            if directory.files is None:
                continue
            known = ledger.known(folder.name, directory.path)
            for name, seen in directory.files.items():
                row = known.get(name)
                if row is None:
                    waits = not ignored and _unanswered(root, folder, directory, name)
                else:
                    waits = row.version != seen.version or row.state in ("queued", "running")
                if waits:
                    yield f"{directory.path}/{name}" if directory.path else name, seen.version


def _unanswered(root: Root, folder: Folder, directory: Directory, name: str) -> bool:
    """Whether a file that the ledger does not know would be asked about: not adopted, nothing in the way."""
    assert directory.files is not None
    version = directory.files[name].version
    try:
        found = sidecar.adoptable(root, directory.path, name, version, folder, directory.names)
    except (Vanished, NotYet, FileError):
        return False
    return found.verdict in ("none", "outdated")
