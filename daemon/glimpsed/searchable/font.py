"""The font of words that nobody sees: it has no shapes, only widths, and says which character each code is."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf

from glimpsed.searchable.layer import ADVANCE, DESCENT, SPACE

_NAME = "/GlimpsedWords"
_UNITS = 1000  # to the em
_MOST = 100  # entries of a list in a CMap


def font(pdf: Pdf, used: Mapping[int, str]) -> pikepdf.Object:
    """The font, in this document; `used`: the codes that are, each with its character."""
    descriptor = pdf.make_indirect(
        Dictionary(
            Type=Name.FontDescriptor,
            FontName=Name(_NAME),
            Flags=5,  # fixed pitch, symbolic
            FontBBox=Array(
                [0, round(-DESCENT * _UNITS), round(ADVANCE * _UNITS), round((1 - DESCENT) * _UNITS)]
            ),
            ItalicAngle=0,
            Ascent=round((1 - DESCENT) * _UNITS),
            Descent=round(-DESCENT * _UNITS),
            CapHeight=round((1 - DESCENT) * _UNITS),
            StemV=80,
            FontFile2=pdf.make_stream(_program(), Length1=len(_program())),
        )
    )
    glyphs = bytearray(2 * 65536)  # all codes are the one glyph without a shape, …
    glyphs[1::2] = b"\1" * 65536
    glyphs[65] = 2  # … but the space, which is as empty, and narrow
    descendant = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=Name(_NAME),
        CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0),
        FontDescriptor=descriptor,
        DW=round(ADVANCE * _UNITS),
        W=Array([32, Array([round(SPACE * _UNITS)])]),
        CIDToGIDMap=pdf.make_stream(bytes(glyphs)),
    )
    return pdf.make_indirect(
        Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=Name(_NAME),
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(descendant)]),
            ToUnicode=pdf.make_stream(to_unicode(used)),
        )
    )


def to_unicode(used: Mapping[int, str]) -> bytes:
    """The CMap from codes to characters."""
    own = sorted({code >> 8 for code, character in used.items() if code == ord(character)})
    rows = [f"<{row:02X}00> <{row:02X}FF> <{row:02X}00>" for row in own if not 0xD8 <= row < 0xE0]
    others = [
        f"<{code:04X}> <{character.encode('utf-16-be').hex().upper()}>"
        for code, character in sorted(used.items())
        if code != ord(character)
    ]
    parts = [*_listed("bfrange", rows), *_listed("bfchar", others)]
    return "\n".join(
        [
            "/CIDInit /ProcSet findresource begin",
            "12 dict begin",
            "begincmap",
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
            "/CMapName /Adobe-Identity-UCS def",
            "/CMapType 2 def",
            "1 begincodespacerange",
            "<0000> <FFFF>",
            "endcodespacerange",
            *parts,
            "endcmap",
            "CMapName currentdict /CMap defineresource pop",
            "end",
            "end",
        ]
    ).encode()


def _listed(kind: str, entries: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for start in range(0, len(entries), _MOST):
        some = entries[start : start + _MOST]
        lines += [f"{len(some)} begin{kind}", *some, f"end{kind}"]
    return lines


def _program() -> bytes:
    """A TrueType font of three glyphs without outlines: missing, letter, space."""
    advance, space = round(ADVANCE * _UNITS), round(SPACE * _UNITS)
    ascent, descent = round((1 - DESCENT) * _UNITS), round(-DESCENT * _UNITS)
    cmap = struct.pack(
        ">HHHHIHHHHHHHHHHH", 0, 1, 3, 0, 12, 4, 24, 0, 2, 2, 0, 0, 0xFFFF, 0, 0xFFFF, 1
    ) + bytes(2)
    tables = {
        b"cmap": cmap,
        b"glyf": bytes(4),
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            0x10000,
            0x10000,
            0,
            0x5F0F3CF5,
            0,
            _UNITS,
            0,
            0,
            0,
            descent,
            advance,
            ascent,
            0,
            8,
            2,
            0,
            0,
        ),
        b"hhea": struct.pack(">Ihhh", 0x10000, ascent, descent, 0)
        + struct.pack(">H", advance)
        + bytes(22)
        + struct.pack(">H", 3),
        b"hmtx": struct.pack(">HhHhHh", advance, 0, advance, 0, space, 0),
        b"loca": struct.pack(">HHHH", 0, 0, 0, 0),
        b"maxp": struct.pack(
            ">IH13H", 0x10000, 3, *(0 for _ in range(2)), *(0, 0), 1, *(0 for _ in range(8))
        ),
        b"post": struct.pack(">IIhhIIIII", 0x30000, 0, 0, 0, 1, 0, 0, 0, 0),
    }
    count = len(tables)
    power = 1 << count.bit_length() - 1
    head = struct.pack(">IHHHH", 0x10000, count, 16 * power, power.bit_length() - 1, 16 * (count - power))
    at, directory, body = len(head) + 16 * count, b"", b""
    for tag, data in sorted(tables.items()):
        padded = data + bytes(-len(data) % 4)
        total = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += struct.pack(">4sIII", tag, total, at + len(body), len(data))
        body += padded
    return head + directory + body
