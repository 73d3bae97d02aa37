"""How large a page is sent, in how many pieces, and in which order an encoder tries to fit it. Pure arithmetic.

All sizes are pixels of the upright page. Nothing is ever scaled up. PDF pages have no pixels: they count
as scanned at `PDF_DPI`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from glimpsed.formats.sniff import Kind

# The worker processes import this module: what they seldom or never need is imported where it is used.
if TYPE_CHECKING:
    from glimpsed.config.schema import Folder, ModelEntry

Bands: TypeAlias = Literal["none", "auto"] | int

PDF_DPI = 300
LADDER = (2048, 1568, 1024, 768)  # px, the rungs of a 'shrink' verdict (DESIGN 9)
LEGIBLE = 768  # px, long edge: what is larger is never made smaller than this to save bytes
QUALITIES = (85, 75, 65, 50, 35)  # of JPEG
SCALES = (1.0, 0.85, 0.72, 0.61, 0.52, 0.44, 0.37)  # tried once no quality fits
OVERLAP = 0.1  # of a band's height: two lines of print, so that none is cut in both bands
READABLE = 1100  # px, short side of a page as the model sees it: A4 print at 133 dpi
MOST_BANDS = 6  # of 'auto'
LOCAL_BYTES = 50_000_000  # nothing goes over a network
LEAST_BYTES = 10_000  # of a picture: less holds nothing
LADDER_BYTES = 120_000  # enough for the last rung; fewer are not asked for by 'shrink'


@dataclass(frozen=True, slots=True)
class Target:
    """What may be sent."""

    max_edge: int  # px, of one picture
    max_bytes: int  # of one picture, before base64
    media_types: frozenset[str] = frozenset({"image/jpeg", "image/png", "image/webp"})
    bands: Bands = "none"
    keep_metadata: bool = False
    quality: int = QUALITIES[0]
    as_is: bool = True  # False once the model complained: everything is encoded anew
    turn: int = 0  # degrees clockwise, beyond what the file says of itself
    family: str = "unknown"  # of models, by whose own downscale 'auto' decides (`vision.families`)


@dataclass(frozen=True, slots=True)
class ImageTask:
    """A page to prepare, or with `to` None a document to look at, or one of its pages: for its text, or whether it is blank."""

    kind: Kind
    page: int = 1
    to: Target | None = None
    look: Literal["document", "sizes", "text", "blank"] = "document"


@dataclass(frozen=True, slots=True)
class Layout:
    """A page resized to `width` by `height`, and the rows of it that each picture shows."""

    width: int
    height: int
    rows: tuple[tuple[int, int], ...]  # (first, one past the last) of each band; one entry: the whole page


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a lossy encoder."""

    width: int
    height: int
    quality: int


def target(
    entry: ModelEntry,
    folder: Folder,
    *,
    pages: int = 1,
    max_edge: int | None = None,
    max_bytes: int | None = None,
) -> Target:
    """What this model may be sent for this folder.

    `max_edge` is what was learnt of the longest side that it takes, `max_bytes` of all pictures of a
    request. A `max_edge` that the config leaves at its default is lowered to the longest side that models of
    this family ever see; one that somebody chose is theirs.
    """
    from glimpsed.vision import families  # noqa: PLC0415 - see the top

    family = families.LOCAL if entry.local else families.family(entry.model)
    edges = [entry.max_edge, family.max_edge, math.isqrt(family.max_pixels), max_edge or entry.max_edge]
    if entry.local or "max_edge" not in entry.model_fields_set:
        edges.append(max(family.seen((entry.max_edge, 1))))
    most = LOCAL_BYTES if entry.local else min(entry.max_bytes, family.max_bytes)
    pictures = pages * (folder.bands if isinstance(folder.bands, int) else 1)
    return Target(
        max_edge=min(edges),
        max_bytes=max(
            LEAST_BYTES, min(most, min(max_bytes or most * pictures, family.request_bytes) // pictures)
        ),
        media_types=family.media_types,
        bands=folder.bands,
        keep_metadata=folder.keep_metadata,
        family=family.name,
    )


def shrunk(before: Target) -> Target | None:
    """The next rung down, as plain JPEG encoded anew; None below the last one."""
    edge = next((rung for rung in LADDER if rung < before.max_edge), None)
    if edge is None:
        return None
    area = (edge / min(before.max_edge, LADDER[0])) ** 2
    return replace(
        before,
        max_edge=edge,
        max_bytes=min(before.max_bytes, max(LADDER_BYTES, int(before.max_bytes * area))),
        media_types=frozenset({"image/jpeg"}),
        quality=max(60, before.quality - 7),
        as_is=False,
    )


def fits(width: int, height: int, size: int, media_type: str, to: Target) -> bool:
    """Whether an upright picture of `size` bytes can go out as it is."""
    return (
        to.as_is
        and media_type in to.media_types
        and max(width, height) <= to.max_edge
        and size <= to.max_bytes
        and bands(width, height, to) == 1
    )


def layout(width: int, height: int, to: Target) -> Layout:
    """The size and the bands that a page of this size is sent in."""
    count = bands(width, height, to)
    band = band_height(height, count)
    scale = min(1.0, to.max_edge / max(width, band))
    page_width, page_height = max(1, round(width * scale)), max(1, round(height * scale))
    rows = min(page_height, to.max_edge, math.ceil(band * scale))
    last = page_height - rows
    tops = [round(i * last / (count - 1)) for i in range(count)] if count > 1 else [0]
    return Layout(page_width, page_height, tuple((top, top + rows) for top in tops))


def bands(width: int, height: int, to: Target) -> int:
    """How many bands a page is cut into.

    'auto' takes the fewest that let the model see the page's short side with `READABLE` pixels (or nearly
    what it has), or else those that let it see the most.
    """
    if to.bands == "none":
        return 1
    if isinstance(to.bands, int):
        return max(1, min(to.bands, height))
    short = min(width, height)
    enough = min(READABLE, 0.9 * short)
    seen = {n: short * _seen_scale(width, band_height(height, n), to) for n in range(1, MOST_BANDS + 1)}
    good = [n for n, pixels in seen.items() if pixels >= enough]
    return good[0] if good else max(seen, key=lambda n: (round(seen[n]), -n))


def band_height(height: int, count: int) -> float:
    """The height of each of `count` equal bands that overlap by `OVERLAP`."""
    return height / (count - (count - 1) * OVERLAP)


def attempts(width: int, height: int, to: Target) -> Iterator[Attempt]:
    """Ways to get a picture under `max_bytes`, best first: lower quality, then smaller, down to `LEGIBLE`."""
    floor = min(max(width, height), LEGIBLE)
    qualities = [to.quality, *(q for q in QUALITIES if q < to.quality)]
    sizes = [(max(1, round(width * scale)), max(1, round(height * scale))) for scale in SCALES]
    for w, h in dict.fromkeys(sizes):
        if max(w, h) >= floor:
            yield from (Attempt(w, h, quality) for quality in qualities)


def _seen_scale(width: float, height: float, to: Target) -> float:
    """How much of a picture's resolution is left once it is sent and the model has scaled it itself."""
    from glimpsed.vision import families  # noqa: PLC0415 - see the top

    sent = min(1.0, to.max_edge / max(width, height))
    sent_width, sent_height = max(1, round(width * sent)), max(1, round(height * sent))
    known = next((f for f in (*families.FAMILIES, families.LOCAL) if f.name == to.family), families.UNKNOWN)
    seen = known.seen((sent_width, sent_height))
    return max(seen) / max(width, height)
