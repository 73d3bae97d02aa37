"""A listing against the ledger: what is new, what is there already, what is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass

from glimpsed.blocking import Blocking
from glimpsed.config.schema import Folder
from glimpsed.discover import scan
from glimpsed.discover.depth import is_below
from glimpsed.discover.scan import Listing, Seen, Stamp, Walk
from glimpsed.discover.settle import Settling
from glimpsed.discover.telling import Telling
from glimpsed.disk.files import Root
from glimpsed.ledger import Adopted, Books, Ledger
from glimpsed.model import FileKey, Offer, Version

PATIENCE = 60.0
LEDGER_RETRY = 5.0  # s
SURE = 60.0  # s beyond `settle` that a file must be untouched to be believed to be quiet at the first listing
# Stands among the fingerprints while the first listing of a folder is under way: no directory has such a name.
_UNDER_WAY = "//first"
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Directory:
    identity: tuple[int, int]
    mtime_ns: int
    bare: bool


class Reconciler:
    """What one folder's listings mean. It remembers a few numbers for each directory, none for a file."""

    def __init__(
        self,
        folder: Folder,
        books: Books,
        disk: Blocking,
        settling: Settling,
        wake: Callable[[], None],
        tell: Telling,
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._books = books
        self._disk = disk
        self._settling = settling
        self._wake = wake
        self._tell = tell
        self._clock = clock
        self.digests: dict[str, bytes] = {}
        self.first_backlog: int | None = None
        self._directories: dict[str, _Directory] = {}
        self._stored: dict[str, bytes] = {}  # digests that the ledger does not have yet
        self._remembered: tuple[int, int] | None = None  # the root's identity that the ledger has from here
        self._never_seen = False
        self._began = 0.0  # epoch, of the first listing
        self._backlog = 0

    async def may_be_empty(self, root: Root) -> bool:
        """Whether an empty root can be the folder: it was at the last start, or no file is missing in it.

        The ledger is asked until it answers.
        """
        name = self._folder.name
        same = await self._books.patient(Ledger.root, name) == root.identity
        return same or not await self._books.patient(Ledger.has_files, name)

    def root_changed(self) -> None:
        """What is known of the directories' times is worth nothing on another mount."""
        self._directories.clear()

    def mtimes(self) -> dict[str, int]:
        """Directory -> mtime at its last listing."""
        return {name: d.mtime_ns for name, d in self._directories.items()}

    def bare(self) -> dict[str, Stamp]:
        """The directories that held nothing but directories: what comes into them changes their mtime."""
        return {name: (*d.identity, d.mtime_ns) for name, d in self._directories.items() if d.bare}

    def listed(self) -> KeysView[str]:
        """Directories that were listed since the start."""
        return self._directories.keys()

    def not_below(self, directories: Iterable[str]) -> set[str]:
        """Directories that were listed before and are none of these, nor below one of them."""
        tops = set(directories)
        return {d for d in self._directories if not is_below(d, tops)}

    async def start(self, root: Root, *, first: bool) -> None:
        """Before a listing of everything: the ledger is told of which root, and before the first asked what it knows."""
        if root.identity != self._remembered:
            await self._books(Ledger.set_root, self._folder.name, root.identity)
            self._remembered = root.identity
        if not first:
            return
        self._began = self._began or self._clock()
        name = self._folder.name
        self.digests = await self._books(Ledger.fingerprints, name)
        interrupted = self.digests.pop(_UNDER_WAY, None) is not None
        if interrupted:  # what it had queued by then belongs to the backlog too
            counts = await self._books(Ledger.counts, [name])
            self._backlog = counts[name]["queued"]
        elif not await self._books(Ledger.seen, name):
            await self._books(Ledger.set_fingerprints, name, {_UNDER_WAY: b"1"})
        seen_now = await self._books(Ledger.first_seen, name, self._clock())
        self._never_seen = seen_now or interrupted

    async def reconcile(self, root: Root, listing: Listing, *, fresh: bool) -> int:
        """Take note of a directory; how many files in it wait to settle now."""
        known_as = self._directories.get(listing.directory)
        if known_as and known_as.identity != listing.identity and not listing.count:
            return 0  # another directory, and empty: something was unmounted below the root
        self._directories[listing.directory] = _Directory(listing.identity, listing.mtime_ns, listing.bare)
        if listing.files is None:
            return 0
        known = await self._books(Ledger.known, self._folder.name, listing.directory)
        missing = [n for n, k in known.items() if k.state != "gone" and n not in listing.names]
        await self._vanished_from(root, listing.directory, missing, listing.names)
        new = {
            name: seen
            for name, seen in listing.files.items()
            if name not in known or known[name].version != seen.version or known[name].state == "gone"
        }
        without_row = [name for name in new if name not in known]
        new = await self._without_adopted(root, listing, new, without_row)
        if new and self._never_seen and self._folder.existing == "ignore":
            there = {n for n, s in new.items() if s.ctime_ns / 1e9 < self._began}  # the others came since
            versions = {self._key(listing, n): new[n].version for n in there}
            await self._books(Ledger.ignore, versions, self._clock())
            new = {n: s for n, s in new.items() if n not in there}
        if new:
            self._settle(listing, new, fresh=fresh)
        else:
            await self._all_known(listing)
        return len(new)

    async def finish(self, walk: Walk, *, first: bool) -> None:
        """After a pass over everything: directories that are not there any more, and what is to be stored."""
        known = await self._books(Ledger.directories, self._folder.name)
        lost = {d for d in known | self.digests.keys() if d not in walk.visited}
        if not self._folder.recursive:
            lost = set()
        await self._forget(walk, lost)
        await self._store()
        if first and self._never_seen:
            self._never_seen = False
            self.first_backlog = self._backlog
            await self._books(Ledger.set_fingerprints, self._folder.name, {_UNDER_WAY: None})

    async def missing_below(self, walk: Walk) -> None:
        """After a pass over some directories: known ones that it found missing, and all that is below them."""
        gone = {d for d in [*self._directories, *self.digests] if is_below(d, walk.missing)}
        await self._forget(walk, gone | walk.missing)
        await self._store()

    async def _vanished_from(
        self, root: Root, directory: str, names: Sequence[str], listed: Collection[str] = ()
    ) -> None:
        """Names that a listing did not show: one that came since, and is being asked about, must keep its lease."""
        # Asked for another spelling, a share that does not tell them apart would say that it is there.
        spellings = {name.casefold() for name in listed} if names else ()
        for at in range(0, len(names), _BATCH):
            some = names[at : at + _BATCH]
            asked = [n for n in some if n.casefold() not in spellings]
            there = await self._disk.run_within(PATIENCE, scan.present, root, directory, asked)
            if gone := [n for n in some if n not in there]:
                await self.vanished(root, [_path(directory, n) for n in gone])

    async def vanished(self, root: Root, paths: Sequence[str]) -> None:
        """These files are not there any more; their error sidecars go with them."""
        keys = [FileKey(self._folder.name, path) for path in paths]
        rows = await self._books(Ledger.vanished, keys, self._clock())
        # One that is asked again may have failed before; what is done took its error sidecar away.
        undone = [row.key.path for row in rows if row.was != "done"]
        if undone:
            await self._disk.run_within(PATIENCE, scan.remove_error_sidecars, root, undone)

    async def _without_adopted(
        self, root: Root, listing: Listing, new: Mapping[str, Seen], names: Sequence[str]
    ) -> dict[str, Seen]:
        """Files that have all their sidecars are done, without settling; the others are returned."""
        left = dict(new)
        at = 0
        while at < len(names):
            some = names[at : at + _BATCH]
            found, looked_at = await self._disk.run_within(
                PATIENCE, scan.adopted, root, self._folder, listing, some
            )
            at += looked_at
            if not found:
                continue
            adopted = [
                Adopted(self._key(listing, n), left[n].version, f.written, f.sha256, texts=f.texts)
                for n, f in found.items()
            ]
            await self._books(Ledger.adopt, adopted, self._clock())
            for name in found:
                del left[name]
        return left

    async def without_renamed(self, root: Root, offers: Sequence[Offer]) -> list[Offer]:
        """What was there before glimpsed stays ignored under another name: its version, where no file of it is left."""
        name, versions = self._folder.name, {offer.version for offer in offers}
        ignored = await self._books(Ledger.ignored, name, versions)
        paths = [key.path for keys in ignored.values() for key in keys]
        there = await self._disk.run_within(PATIENCE, scan.existing, root, paths) if paths else set()
        renamed: dict[FileKey, Version] = {}
        before: list[FileKey] = []
        for offer in offers:
            left = [k for k in ignored.get(offer.version, ()) if k.path not in there and k not in before]
            if left:
                before.append(min(left, key=lambda key: key.name != offer.key.name))
                renamed[offer.key] = offer.version
        if renamed:
            await self._books(Ledger.ignore, renamed, self._clock(), instead_of=before)
        return [offer for offer in offers if offer.key not in renamed]

    def _key(self, listing: Listing, name: str) -> FileKey:
        return FileKey(self._folder.name, _path(listing.directory, name))

    def _settle(self, listing: Listing, new: Mapping[str, Seen], *, fresh: bool) -> None:
        now, wall = time.monotonic(), self._clock()
        for name, seen in new.items():
            age = wall - max(seen.ctime_ns, seen.version.mtime_ns) / 1e9
            # Only what was there at the start: later, a server's clock that is behind would make files look old.
            quiet = age if not fresh and age > self._folder.settle + SURE else 0.0
            self._settling.found(_path(listing.directory, name), seen.version, now, quiet=quiet, fresh=fresh)
        if self._never_seen:
            self._backlog += len(new)
        self._wake()

    async def _all_known(self, listing: Listing) -> None:
        self.digests[listing.directory] = self._stored[listing.directory] = listing.digest
        if len(self._stored) >= _BATCH:
            await self._store()

    async def _store(self) -> None:
        if self._stored:
            stored, self._stored = self._stored, {}
            await self._books(Ledger.set_fingerprints, self._folder.name, stored)

    async def _forget(self, walk: Walk, directories: Iterable[str]) -> None:
        """Directories that are gone for certain: all their files are."""
        doubted = [d for d in directories if not is_below(d, walk.unreadable) and d != _UNDER_WAY]
        for directory in await self._disk.run_within(PATIENCE, scan.gone, walk.root, doubted):
            known = await self._books(Ledger.known, self._folder.name, directory)
            names = [n for n, k in known.items() if k.state != "gone"]
            await self._vanished_from(walk.root, directory, names)
            self.digests.pop(directory, None)
            self._directories.pop(directory, None)
            await self._books(Ledger.set_fingerprints, self._folder.name, {directory: None})


def _path(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
