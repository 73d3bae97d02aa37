"""JPEG: segments, each with its length, and scans that end where a marker stands (ITU T.81 B.1.1)."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence

from glimpsed.formats import orientation
from glimpsed.formats.common import NotPlain, Read, Size, find, joined, reader, square, windowed

_MOST_SEGMENTS = 10_000  # a hostile file may have millions, and the event loop would wait
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive; the others are not sent around
_OTHER_FRAMES = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_SOS, _EOI, _COM, _DQT, _DRI = 0xDA, 0xD9, 0xFE, 0xDB, 0xDD
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
# What ends entropy-coded data: a marker that is no stuffed zero, no restart and no fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def whole(read: Read, size: int) -> str | None:
    """From marker to marker to the picture itself, past thumbnails; then its end marker, wherever it is."""
    start = None
    try:
        for marker, _, end in segments(windowed(read, size), 2, size):
            start = end if marker == _SOS else None
    except NotPlain:
        pass
    if start is None:
        return "the picture after its header"
    if read(size - 2, 2) == b"\xff\xd9" or find(read, b"\xff\xd9", start, size) >= 0:
        return None
    return "the end marker (EOI)"


def size(data: bytes) -> Size:
    """From the frame header."""
    for marker, start, end in segments(lambda at, length: data[at : at + length], 2, len(data)):
        if marker in _FRAMES or marker in _OTHER_FRAMES:
            return _frame(data, start, end)[0]
    raise NotPlain


def usual(data: bytes) -> bool:
    """Whether its frame is of a kind that every decoder shows."""
    for marker, _, _ in segments(lambda at, length: data[at : at + length], 2, len(data)):
        if marker in _FRAMES or marker in _OTHER_FRAMES:
            return marker in _FRAMES
    return False


def plain(data: bytes, *, keep_metadata: bool) -> bytes:
    """Gray or colour in 8 bits, upright, up to EOI; without what is no part of the picture."""
    frames = tables = 0
    kept = [(0, 2)]
    exif = xmp = None
    for marker, start, end in _all(data):
        body = data[start + 4 : start + 64]
        if marker in _FRAMES:
            frames += 1
            found, bits, components = _frame(data, start, end)
            if bits != 8 or components not in {1, 3} or not (found.width and found.height):
                raise NotPlain
        elif marker in _OTHER_FRAMES or (marker == _SOS and not (frames and tables)):
            raise NotPlain
        elif marker == 0xE1 and body.startswith(b"Exif\0"):
            exif = exif or orientation.exif(data[start + 10 : end])
        elif marker == 0xE1:
            written = orientation.XMP.search(data, start, end)
            xmp = int(written[1]) if written else xmp
        elif (
            marker == 0xE0 and body.startswith(b"JFIF\0") and not square(*struct.unpack_from(">HH", body, 8))
        ):
            raise NotPlain
        tables += marker == _DQT
        if keep_metadata or not _private(marker, body):
            kept.append((start, end))
    if frames != 1 or (exif or xmp or orientation.UPRIGHT) != orientation.UPRIGHT:
        raise NotPlain
    return joined(data, kept)


def joined_strips(strips: Sequence[bytes], height: int) -> bytes | None:
    """Strips of one picture, each a JPEG, as one JPEG: a restart mark between two does what the start of a strip does.

    None where their headers differ in more than the height of the last one, or they do not go together so.
    """
    heads, bodies = [], []
    for data in strips:
        try:
            found = list(segments(reader(io.BytesIO(data)), 2, len(data)))
        except NotPlain:
            return None
        frame = next(((start, end) for marker, start, end in found if marker in {0xC0, 0xC1}), None)
        last, _, scan = found[-1]
        if frame is None or last != _SOS or any(marker == _DRI for marker, *_ in found):
            return None
        lines = frame[0] + 5  # in the frame header, two bytes
        heads.append((data[:lines] + b"\0\0" + data[lines + 2 : scan], lines, frame, found[-1][1], scan))
        bodies.append(
            (int.from_bytes(data[lines : lines + 2], "big"), data[scan:].rpartition(b"\xff\xd9")[0])
        )
    head, lines, (start, _), scan, end = heads[0]
    rows = bodies[0][0]
    size, _, components = _frame(head, start, end)
    factors = [head[start + 11 + 3 * n] for n in range(components)]
    across, down = (8 * max(factor >> 4 for factor in factors), 8 * max(factor & 15 for factor in factors))
    if components == 1:
        across = down = 8
    every = -(-size.width // across) * -(-rows // down)
    same = all(other[0] == head for other in heads) and all(body[0] == rows for body in bodies[:-1])
    if (
        not same
        or rows % down
        or not 0 < every < 1 << 16
        or _MARKER.search(b"".join(body for _, body in bodies))
    ):
        return None
    restarts = (b"\xff" + bytes([0xD0 + n % 8]) + body for n, (_, body) in enumerate(bodies[1:]))
    interval = b"\xff\xdd\0\4" + every.to_bytes(2, "big")
    first = head[:lines] + height.to_bytes(2, "big") + head[lines + 2 : scan] + interval + head[scan:end]
    return b"".join([first, bodies[0][1], *restarts, b"\xff\xd9"])


def segments(read: Read, at: int, size: int) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment, less fill bytes, up to a scan's header or EOI, whichever comes first."""
    for _ in range(_MOST_SEGMENTS):
        head = read(at, 4)
        if head[:2] == b"\xff\xff":  # a fill byte
            at += 1
            continue
        if len(head) < 2 or head[0] != 0xFF:
            raise NotPlain
        marker, start = head[1], at
        at += 2
        if marker not in _ALONE and marker != _EOI:
            if len(head) < 4:
                raise NotPlain
            at += int.from_bytes(head[2:4], "big")
        if at > size:
            raise NotPlain
        yield marker, start, at
        if marker in {_EOI, _SOS}:
            return
    raise NotPlain


def _all(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Every segment up to EOI; a scan's holds its entropy-coded data."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        for marker, start, end in segments(lambda at, length: data[at : at + length], at, len(data)):
            if marker == _SOS:
                found = _MARKER.search(data, end)
                if not found:
                    raise NotPlain  # the file ends in the middle
                at = found.start()
                yield marker, start, at
            else:
                yield marker, start, end
            if marker == _EOI:
                return
    raise NotPlain


def _frame(data: bytes, start: int, end: int) -> tuple[Size, int, int]:
    """Size, bits a sample and number of components of a frame header."""
    bits, height, width, components = struct.unpack(">BHHB", data[start + 4 : end][:6])
    return Size(width, height), bits, components


def _private(marker: int, body: bytes) -> bool:
    """Whether a segment is no part of the picture: of APP0 to APP15, three kinds say how to show it."""
    if marker == _COM:
        return True
    if not 0xE0 <= marker <= 0xEF:
        return False
    if marker == 0xE0 and body.startswith(b"JFIF\0"):
        return body[12:14] != b"\0\0"  # it carries a thumbnail
    shows = (marker == 0xE2 and body.startswith(b"ICC_PROFILE\0")) or (
        marker == 0xEE and body.startswith(b"Adobe")
    )
    return not shows
