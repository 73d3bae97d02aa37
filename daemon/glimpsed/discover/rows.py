"""What a listing or a look means for the ledger's rows: files that are gone, renamed, or done already."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from glimpsed.discover import scan
from glimpsed.discover.site import WatchedFolder, join
from glimpsed.discover.walk import Directory, Listed
from glimpsed.disk.files import Root
from glimpsed.ledger import Adopted, Ledger
from glimpsed.ledger.part import HOUR, ZONES
from glimpsed.model import FileKey, Offer, Version

_BATCH = 500
_MOST_DISPLACED = 100_000


async def vanished(site: WatchedFolder, root: Root, paths: Sequence[str]) -> None:
    """These files are not there any more; their error sidecars go with them."""
    keys = [FileKey(site.folder.name, path) for path in paths]
    rows = await site.books(Ledger.vanished, keys, site.clock())
    # One that is asked again may have failed before; what is done took its error sidecar away.
    undone = [row.key.path for row in rows if row.was != "done"]
    if undone:
        await site.disk(scan.remove_error_sidecars, root, undone)


async def not_listed(
    site: WatchedFolder, root: Root, directory: str, names: Sequence[str], listed: Collection[str] = ()
) -> None:
    """Names that a listing did not show: one that came since, and is being asked about, must keep its lease."""
    # Asked for another spelling, a share that does not tell them apart would say that it is there.
    spellings = {name.casefold() for name in listed} if names else ()
    for at in range(0, len(names), _BATCH):
        some = names[at : at + _BATCH]
        asked = [n for n in some if n.casefold() not in spellings]
        there = await site.disk(scan.present, root, directory, asked)
        if gone := [n for n in some if n not in there]:
            await vanished(site, root, [join(directory, n) for n in gone])


async def without_adopted(
    site: WatchedFolder,
    root: Root,
    directory: Directory,
    new: Mapping[str, Listed],
    names: Sequence[str],
    *,
    first: bool,
) -> dict[str, Listed]:
    """Files that have all their sidecars are done, without settling; the others are returned.

    `first`: the folder was never seen before, so what they cost may have been counted in a ledger that is lost.
    """
    left, at = dict(new), 0
    while at < len(names):
        found, looked_at = await site.disk(
            scan.adopted, root, site.folder, directory, names[at : at + _BATCH]
        )
        at += looked_at
        if not found:
            continue
        adopted = [
            Adopted(
                site.key(directory.path, n),
                left[n].version,
                f.known,
                f.sha256,
                answer=f.answer,
                paid=f.paid if first else (),
            )
            for n, f in found.items()
        ]
        await site.books(Ledger.adopt, adopted, site.clock())
        for name in found:
            del left[name]
    return left


class Displaced:
    """Versions that are to be ignored, whose names other files have by now: their rows are about those.

    Pages that are renamed one after the other, to make room for a new one, take each other's names.
    """

    def __init__(self) -> None:
        self._names: dict[Version, list[FileKey]] = {}

    def note(self, was: Mapping[FileKey, Version], now: Mapping[FileKey, Version]) -> None:
        """`was`: what the ledger says of files that are of the version `now`."""
        for key, version in was.items():
            if version != now[key] and key not in self.of(version):
                self._names.setdefault(version, []).append(key)
        while len(self._names) > _MOST_DISPLACED:
            del self._names[next(iter(self._names))]

    def of(self, version: Version) -> list[FileKey]:
        """What its names were."""
        return self._names.get(version, [])

    def found(self, version: Version, key: FileKey) -> None:
        """What had that name has another one, and a row, again."""
        if key in self.of(version):
            self._names[version].remove(key)


async def without_renamed(
    site: WatchedFolder, root: Root, offers: Sequence[Offer], displaced: Displaced
) -> list[Offer]:
    """What was there before glimpsed stays ignored under another name: its version, where no file of it is left.

    And under another zone's time.
    """
    versions = {offer.key: offer.version for offer in offers}
    here = await site.books(Ledger.ignored_here, list(versions))
    displaced.note(here, versions)
    rows = await site.books(Ledger.ignored, site.folder.name, set(versions.values()))
    places = {v: list(dict.fromkeys([*rows.get(v, ()), *displaced.of(v)])) for v in versions.values()}
    asked = {(key.path, version) for version, keys in places.items() for key in keys}
    standing = await site.disk(scan.standing, root, asked) if asked else set()
    renamed = {key: versions[key] for key, was in here.items() if _is_other_zone(was, versions[key])}
    rowless: list[FileKey] = []
    for offer in offers:
        left = [key for key in places[offer.version] if (key.path, offer.version) not in standing]
        if offer.key in renamed or not left:
            continue
        before = min(left, key=lambda key: key.name != offer.key.name)
        places[offer.version].remove(before)
        displaced.found(offer.version, before)
        renamed[offer.key] = offer.version
        # The row of a name that it was displaced from is another file's.
        if before in rows.get(offer.version, ()):
            rowless.append(before)
    if renamed:
        await site.books(Ledger.ignore, renamed, site.clock(), instead_of=rowless)
    return [offer for offer in offers if offer.key not in renamed]


def _is_other_zone(was: Version, now: Version) -> bool:
    """Whether the time alone is another, by whole hours.

    FAT has local times, so that they shift with summer time and with the zone; nobody edits a file in whole hours.
    """
    hours, rest = divmod(now.mtime_ns - was.mtime_ns, HOUR)
    return was.size == now.size and bool(hours) and not rest and abs(hours) * HOUR <= ZONES
