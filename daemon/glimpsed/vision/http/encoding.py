"""A body that was compressed although nobody asked for it: undone as it comes, a little at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

import httpx

from glimpsed.words import cause

STEP = 1 << 16  # bytes of one piece at most: whoever counts them stops in time
_EITHER = 32 + zlib.MAX_WBITS  # gzip, or deflate in zlib's frame
Decoder: TypeAlias = Callable[[bytes], Iterator[bytes]]


def decoder(headers: httpx.Headers) -> Decoder | None:
    """What undoes the encoding that these headers name; None for none.

    Raises `httpx.DecodingError` for more than one layer (77 KB of two become 4 GB) and for what we have not.
    """
    named = headers.get("content-encoding", "").lower()
    layers = [layer for part in named.split(",") if (layer := part.strip()) not in ("", "identity")]
    if not layers:
        return None
    if len(layers) > 1 or layers[0] not in ("gzip", "x-gzip", "deflate"):
        raise httpx.DecodingError(f"the reply is encoded ({named[:60]}), which nobody asked for")
    return _Inflating(bare=layers[0] == "deflate").feed


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
        while (data or piece is None or len(piece) == STEP) and not self._stream.eof:
            try:
                piece = self._stream.decompress(data, STEP)
            except zlib.error as e:
                raise httpx.DecodingError(f"the reply cannot be unpacked: {cause(e)}") from None
            data = self._stream.unconsumed_tail
            yield piece
