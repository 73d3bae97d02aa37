"""What is known of each family of models: what they take, what they see of it, what it counts. Pure.

Sources: the makers' pages on vision, as collected in the project's field notes; where a number is not
certain, the one that is safe. A gateway may well sell something else under a name: the client believes
what it is told when a request is refused, this table only spares it the first refusal.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Size: TypeAlias = tuple[int, int]  # width, height, px

MB = 1_000_000
SAFE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})


@dataclass(frozen=True, slots=True)
class Family:
    """One family. Limits are hard: what is beyond them is refused."""

    name: str
    pattern: str  # of the model's name
    seen: Callable[[Size], Size]  # what the model's own downscaling leaves of an image
    tokens: Callable[[Size, str], int]  # what an image of that size counts at that detail
    media_types: frozenset[str] = SAFE
    max_bytes: int = 15 * MB  # of one encoded image, before base64
    request_bytes: int = 37 * MB  # of all images of a request, before base64
    max_edge: int = 16_384  # px
    max_pixels: int = 100_000_000


def fit(size: Size, edge: int) -> Size:
    """`size` scaled down, never up, so that its longer side is `edge` at most."""
    scale = min(1.0, edge / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _tiles_seen(size: Size) -> Size:
    width, height = fit(size, 2048)
    scale = min(1.0, 768 / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _tiles(base: int, tile: int) -> Callable[[Size, str], int]:
    def tokens(size: Size, detail: str) -> int:
        width, height = _tiles_seen(size)
        return base if detail == "low" else base + tile * math.ceil(width / 512) * math.ceil(height / 512)

    return tokens


def _patches_seen(size: Size) -> Size:
    width, height = size
    scale = min(1.0, math.sqrt(1536 * 32 * 32 / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def _patches(factor: float) -> Callable[[Size, str], int]:
    def tokens(size: Size, _detail: str) -> int:
        width, height = _patches_seen(size)
        return math.ceil(min(1536, math.ceil(width / 32) * math.ceil(height / 32)) * factor)

    return tokens


def _claude(size: Size, _detail: str) -> int:
    width, height = fit(size, 1568)
    return min(1600, math.ceil(width * height / 750))


def _gemini(size: Size, _detail: str) -> int:
    width, height = fit(size, 3072)
    return 258 if max(width, height) <= 384 else 258 * math.ceil(width / 768) * math.ceil(height / 768)


def _doubao(size: Size, detail: str) -> int:
    return min(math.ceil(size[0] * size[1] / 784), 1312 if detail == "low" else 5120)


def _doubao_seen(size: Size) -> Size:
    scale = min(1.0, math.sqrt(5120 * 784 / (size[0] * size[1])))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


# The engines choose for themselves at which size they look: by the height of the text, not by the paper's.
LOCAL = Family("local", r"$^", lambda size: fit(size, 7500), lambda _size, _detail: 0)
# Sees what gpt-4o would: the number of tokens is then rather too high than too low.
UNKNOWN = Family("unknown", "", lambda size: fit(size, 2048), _tiles(85, 170))

FAMILIES: tuple[Family, ...] = (
    Family("gpt-4.1-mini", r"gpt-4\.1-mini|gpt-5-mini", _patches_seen, _patches(1.62)),
    Family("gpt-4.1-nano", r"gpt-4\.1-nano|gpt-5-nano", _patches_seen, _patches(2.46)),
    Family("o4-mini", r"\bo4-mini", _patches_seen, _patches(1.72)),
    Family("gpt-4o-mini", r"gpt-4o-mini", _tiles_seen, _tiles(2833, 5667)),
    Family("gpt-4o", r"gpt-4o|gpt-4\.1|gpt-4-turbo|gpt-4\.5|chatgpt-4o", _tiles_seen, _tiles(85, 170)),
    Family("gpt-5", r"gpt-5", _tiles_seen, _tiles(70, 140)),
    Family("o1", r"\bo[13]\b", _tiles_seen, _tiles(75, 150)),
    Family("claude", r"claude", lambda size: fit(size, 1568), _claude, max_bytes=3_700_000, max_edge=8000),
    Family(
        "gemini", r"gemini", lambda size: fit(size, 3072), _gemini,
        SAFE - {"image/gif"}, max_bytes=14 * MB, request_bytes=14 * MB,
    ),
    Family(
        "doubao", r"doubao|seed-1|ep-\d{14}", _doubao_seen, _doubao,
        max_bytes=9_900_000, max_pixels=36_000_000,
    ),
)  # fmt: skip


@functools.lru_cache(maxsize=256)  # asked for every image, about a handful of models
def family(model: str) -> Family:
    """The family of a model by the name that is sent; `UNKNOWN` for none of them."""
    return next((f for f in FAMILIES if re.search(f.pattern, model, re.IGNORECASE)), UNKNOWN)


def text_tokens(text: str) -> int:
    """About how many tokens a text has: a quarter of its letters, and one for each CJK character."""
    wide = sum(1 for c in text if c >= "\u2e80")
    return wide + math.ceil((len(text) - wide) / 4)
