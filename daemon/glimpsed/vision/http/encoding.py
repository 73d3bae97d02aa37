"""A body that was compressed although nobody asked for it, undone as it comes, a little at a time; or in another charset.

Its first byte tells more than its headers: some proxies unpack a reply and leave the header, some pack one and have none.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

import httpx

from glimpsed.words import cause

STEP = 1 << 16  # bytes of one piece at most: whoever counts them stops in time
_EITHER = 32 + zlib.MAX_WBITS  # gzip, or deflate in zlib's frame
_GZIP = 0x1F  # no text begins with it
_MEMBER = bytes([_GZIP])  # nor does what some pad a body with
_TEXT = frozenset(b"{[<:de \t\r\n\xef")  # JSON, a page, a stream, white space or a mark in front
_CHARSET = re.compile(r"charset=[\"' ]?([\w.:-]{1,40})", re.IGNORECASE)
# Not any codec of Python's: some take as long as one likes.
_CHARSETS = re.compile(
    r"iso-?8859|latin|windows-?125\d|cp125\d|gb|big5|shift|euc|koi8|utf-?16", re.IGNORECASE
)
Decoder: TypeAlias = Callable[[bytes], Iterator[bytes]]


def decoder(headers: httpx.Headers) -> Decoder:
    """What undoes the encoding of a body with these headers.

    It raises `httpx.DecodingError` for more than one layer (77 KB of two become 4 GB) and for what we have not.
    """
    named = headers.get("content-encoding", "").lower()
    layers = [layer for part in named.split(",") if (layer := part.strip()) not in ("", "identity")]
    return _Unpacking(named, layers).feed


def in_utf8(body: bytes, headers: httpx.Headers) -> bytes:
    """The body in UTF-8, which it is in already but for what is not, and says so."""
    named = _CHARSET.search(headers.get("content-type", ""))
    if named is None or not _CHARSETS.match(named[1]):
        return body
    try:
        body.decode()
    except UnicodeDecodeError:
        pass
    else:
        return body
    try:
        return body.decode(named[1]).encode()
    except (LookupError, UnicodeError):
        return body


class _Unpacking:
    """By the first byte, and by the headers where that leaves a choice."""

    def __init__(self, named: str, layers: list[str]) -> None:
        self._named = named
        self._layers = layers
        self._inflating: _Inflating | None = None
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes hold, in pieces. Raises `httpx.DecodingError`."""
        if data and not self._begun:
            self._begun = True
            self._inflating = self._told_by(data[0])
        if self._inflating is None:
            yield data
        else:
            yield from self._inflating.feed(data)

    def _told_by(self, first: int) -> _Inflating | None:
        layers = self._layers or (["gzip"] if first == _GZIP else [])
        if layers == ["deflate"]:  # whose first byte may be any
            return _Inflating(bare=True)
        if not layers or first in _TEXT:
            return None
        if layers in (["gzip"], ["x-gzip"]):
            return _Inflating(bare=False)
        raise httpx.DecodingError(f"the reply is encoded ({self._named[:60]}), which nobody asked for")


class _Inflating:
    def __init__(self, *, bare: bool) -> None:
        self._stream = zlib.decompressobj(_EITHER)
        self._bare = bare  # it may have no frame, as some servers understand 'deflate'

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes hold, in pieces. Raises `httpx.DecodingError`."""
        if self._bare and data:
            self._bare = False
            if data[0] & 0x0F != zlib.DEFLATED:
                self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        piece = None
        while data or piece is None or len(piece) == STEP:
            if self._stream.eof:
                if data[:1] != _MEMBER:  # bytes behind the end say nothing
                    return
                # Some proxies pack each piece that they get on its own.
                self._stream = zlib.decompressobj(_EITHER)
            try:
                piece = self._stream.decompress(data, STEP)
            except zlib.error as e:
                raise httpx.DecodingError(f"the reply cannot be unpacked: {cause(e)}") from None
            data = self._stream.unconsumed_tail or self._stream.unused_data
            yield piece
