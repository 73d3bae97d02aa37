"""A listing against the ledger: what is new, what is there already, what is gone."""

from __future__ import annotations

from collections.abc import Iterable, KeysView
from dataclasses import dataclass

from glimpsed.discover import rows, scan
from glimpsed.discover.depth import is_below
from glimpsed.discover.first import UNDER_WAY, FirstSight
from glimpsed.discover.scan import Stamp
from glimpsed.discover.settler import Settler
from glimpsed.discover.site import WatchedFolder, join
from glimpsed.discover.walk import Directory, Listed, Walk
from glimpsed.disk.files import Root
from glimpsed.ledger import Ledger

SURE = 60.0  # s beyond `settle` that a file must be untouched to be believed to be quiet at the first listing
_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Remembered:
    identity: tuple[int, int]
    mtime_ns: int
    bare: bool


class Reconciler:
    """What one folder's listings mean. It remembers a few numbers for each directory, none for a file."""

    def __init__(self, site: WatchedFolder, settler: Settler) -> None:
        self.digests: dict[str, bytes] = {}
        self.first = FirstSight(site)
        self._site = site
        self._settler = settler
        self._directories: dict[str, _Remembered] = {}
        self._stored: dict[str, bytes] = {}  # digests that the ledger does not have yet
        self._root: tuple[int, int] | None = None  # its identity that the ledger has from here

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

    def outdated(self, directory: str) -> None:
        """The ledger will know something else of it: should it look again as it did, that is to be told, too."""
        self.digests.pop(directory, None)
        self._stored.pop(directory, None)

    async def start(self, root: Root, *, first: bool) -> None:
        """Before a listing of everything: the ledger is told of which root, and asked what it knows: `forget` changes that."""
        if root.identity != self._root:
            await self._site.books(Ledger.set_root, self._site.folder.name, root.identity)
            self._root = root.identity
        if first:
            self.digests = await self.first.begin()
        else:
            self.digests = await self._site.books(Ledger.fingerprints, self._site.folder.name)

    async def reconcile(self, root: Root, directory: Directory, *, fresh: bool) -> int:
        """Take note of a directory; how many files in it wait to settle now."""
        path = directory.path
        before = self._directories.get(path)
        if before and before.identity != directory.identity and not directory.count:
            return 0  # another directory, and empty: something was unmounted below the root
        self._directories[path] = _Remembered(directory.identity, directory.mtime_ns, directory.bare)
        if directory.files is None:
            return 0
        known = await self._site.books(Ledger.known, self._site.folder.name, path)
        missing = [n for n, k in known.items() if k.state != "gone" and n not in directory.names]
        await rows.not_listed(self._site, root, path, missing, directory.names)
        new = {
            name: listed
            for name, listed in directory.files.items()
            if name not in known or known[name].version != listed.version or known[name].state == "gone"
        }
        without_row = [name for name in new if name not in known]
        new = await rows.without_adopted(
            self._site, root, directory, new, without_row, first=self.first.under_way
        )
        new = await self.first.without_ignored(path, new)
        for name, listed in new.items():
            self._settle(join(path, name), listed, fresh=fresh)
        self.first.waits(len(new))
        if new:
            self.outdated(path)
        else:
            await self._all_known(directory)
        return len(new)

    async def finish(self, walk: Walk, *, first: bool) -> None:
        """After a pass over everything: directories that are not there any more, and what is to be stored."""
        if self._site.folder.recursive:
            known = await self._site.books(Ledger.directories, self._site.folder.name)
            await self._forget(walk, (known | self.digests.keys()) - walk.visited)
        await self._store()
        if first:
            await self.first.end()

    async def missing_below(self, walk: Walk) -> None:
        """After a pass over some directories: known ones that it found missing, and all that is below them."""
        gone = {d for d in [*self._directories, *self.digests] if is_below(d, walk.missing)}
        await self._forget(walk, gone | walk.missing)
        await self._store()

    def _settle(self, path: str, listed: Listed, *, fresh: bool) -> None:
        age = self._site.clock() - max(listed.ctime_ns, listed.version.mtime_ns) / 1e9
        # Only what was there at the start: later, a server's clock that is behind would make files look old.
        quiet = age if not fresh and age > self._site.folder.settle + SURE else 0.0
        self._settler.found(path, listed.version, quiet=quiet, fresh=fresh)

    async def _all_known(self, directory: Directory) -> None:
        self.digests[directory.path] = self._stored[directory.path] = directory.digest
        if len(self._stored) >= _BATCH:
            await self._store()

    async def _store(self) -> None:
        if self._stored:
            stored, self._stored = self._stored, {}
            await self._site.books(Ledger.set_fingerprints, self._site.folder.name, stored)

    async def _forget(self, walk: Walk, directories: Iterable[str]) -> None:
        """Directories that are gone for certain: all their files are."""
        site, folder = self._site, self._site.folder.name
        doubted = [d for d in directories if not is_below(d, walk.unreadable.keys()) and d != UNDER_WAY]
        for directory in await site.disk(scan.gone, walk.root, doubted):
            known = await site.books(Ledger.known, folder, directory)
            await rows.not_listed(
                site, walk.root, directory, [n for n, k in known.items() if k.state != "gone"]
            )
            self.digests.pop(directory, None)
            self._directories.pop(directory, None)
            await site.books(Ledger.set_fingerprints, folder, {directory: None})
