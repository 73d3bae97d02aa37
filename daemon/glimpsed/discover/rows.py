"""What a listing or a look means for the ledger's rows: files that are gone, renamed, or done already."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from glimpsed.discover import scan
from glimpsed.discover.site import WatchedFolder, join
from glimpsed.discover.walk import Directory, Listed
from glimpsed.disk.files import Root
from glimpsed.ledger import Adopted, Ledger
from glimpsed.model import FileKey, Offer, Version

_BATCH = 500


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


async def without_renamed(site: WatchedFolder, root: Root, offers: Sequence[Offer]) -> list[Offer]:
    """What was there before glimpsed stays ignored under another name: its version, where no file of it is left.

    And under another zone's time.
    """
    ignored = await site.books(Ledger.ignored, site.folder.name, {offer.version for offer in offers})
    paths = [key.path for keys in ignored.values() for key in keys]
    there = await site.disk(scan.existing, root, paths) if paths else set()
    versions = {offer.key: offer.version for offer in offers}
    shifted = await site.books(Ledger.shifted, versions)
    renamed: dict[FileKey, Version] = {key: versions[key] for key in shifted}
    before: list[FileKey] = []
    for offer in offers:
        if offer.key in renamed:
            continue
        left = [k for k in ignored.get(offer.version, ()) if k.path not in there and k not in before]
        if left:
            before.append(min(left, key=lambda key: key.name != offer.key.name))
            renamed[offer.key] = offer.version
    if renamed:
        await site.books(Ledger.ignore, renamed, site.clock(), instead_of=before)
    return [offer for offer in offers if offer.key not in renamed]
