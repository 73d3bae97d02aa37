"""PDF/A-1b (ISO 19005-1) of pictures under words: what a reader needs decades from now stands in the file itself.

The font of the words and the pictures are there anyway; what is added is what colours mean, and the claim. Nothing is
claimed of a file that holds what PDF 1.4 does not know, or colours that only their device knows.
"""

from __future__ import annotations

import functools
import struct
from typing import Any

from pikepdf import Array, Dictionary, Name, Pdf, String

_CLAIM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_NAME = "sRGB IEC61966-2.1"
_WHITE = (0.9642, 1.0, 0.8249)  # D50, as all profiles are
_PRIMARIES = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
_STEPS = 64  # between which is hardly a third of a step of 255
_NEWER = 4  # the version of profiles that PDF 1.4 does not know


def fits(picture: Any) -> bool:
    """Whether a picture's stream is of what PDF/A-1b knows."""
    if picture.Filter == Name.JPXDecode or int(picture.get("/BitsPerComponent", 8)) > 8:
        return False
    space = picture.ColorSpace
    if not isinstance(space, Array):
        return space in (Name.DeviceGray, Name.DeviceRGB)
    if space[0] == Name.ICCBased:
        return bool(space[1].read_bytes()[8] < _NEWER)
    return bool(space[0] == Name.Indexed and space[1] == Name.DeviceRGB)


def claim(pdf: Pdf) -> None:
    """Say that it is one, and that its colours are those of sRGB."""
    profile = pdf.make_stream(srgb(), N=3, Alternate=Name.DeviceRGB)
    intent = Dictionary(
        Type=Name.OutputIntent,
        S=Name.GTS_PDFA1,
        OutputConditionIdentifier=String(_NAME),
        DestOutputProfile=pdf.make_indirect(profile),
    )
    pdf.Root.OutputIntents = Array([pdf.make_indirect(intent)])
    pdf.Root.Metadata = pdf.make_stream(_CLAIM.encode(), Type=Name.Metadata, Subtype=Name.XML)


@functools.cache
def srgb() -> bytes:
    """A profile of sRGB by version 2 of the format (ICC.1:1998-09): littleCMS, and so Pillow, makes only newer ones."""
    name = _NAME.encode() + b"\0"
    described = struct.pack(">4s4xI", b"desc", len(name)) + name + bytes(8 + 3 + 67)
    steps = [round(65535 * _light(n / (_STEPS - 1))) for n in range(_STEPS)]
    curve = struct.pack(f">4s4xI{_STEPS}H", b"curv", _STEPS, *steps)
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0CC0\0", b"wtpt": _xyz(_WHITE)}
    tags |= {tag: _xyz(value) for tag, value in _PRIMARIES.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    start = 128 + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    body = b""
    for data in tags.values():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
    table = b"".join(struct.pack(">4sII", tag, places[data], len(data)) for tag, data in tags.items())
    head = struct.pack(">I4xI4s4s4s6H4s", start + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ", 2000, 1, 1, 0, 0, 0, b"acsp")  # fmt: skip
    head = head.ljust(68, b"\0") + _xyz(_WHITE)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(value: tuple[float, float, float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(part * 65536) for part in value))


def _light(value: float) -> float:
    """Of a value of sRGB (IEC 61966-2-1)."""
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
