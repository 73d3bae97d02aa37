"""Durations and sizes as people write them: ``500ms``, ``2s``, ``5m``, ``1h``; ``700KB``, ``5MB``."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)


def _quantity(value: object, units: dict[str, float] | dict[str, int], example: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"must look like {example}")
    return float(match[1]) * factor


def seconds(value: object) -> float:
    """A duration in seconds from ``500ms``, ``2s``, ``5m``, ``1h`` or a number of seconds."""
    return _quantity(value, _SECONDS, "500ms, 2s, 5m, 1h or a number of seconds")


def size(value: object) -> int:
    """A size in bytes from ``700KB``, ``5MB`` or a number of bytes; KB is 1000, KiB 1024."""
    return round(_quantity(value, _BYTES, "700KB, 5MB or a number of bytes"))


Duration = Annotated[float, BeforeValidator(seconds)]
Size = Annotated[int, BeforeValidator(size)]
