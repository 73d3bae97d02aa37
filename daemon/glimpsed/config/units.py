"""Values as people write them: durations ``500ms`` ``2s`` ``5m`` ``1h``, sizes ``700KB`` ``5MB``, addresses, URLs.

Every function takes what the YAML holds and gives the typed value, or raises ValueError with a message
that never repeats the value: it may have come out of the environment, and be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_LONGEST = 3650 * 86400.0  # ten years: beyond it, clocks and databases overflow


def _quantity(value: object, units: dict[str, float] | dict[str, int], example: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    factor = units.get(match[2].lower(), None if match[2] else 1) if match else None
    if match is None or factor is None:
        raise ValueError(f"must look like {example}")
    return float(match[1]) * factor


def seconds(value: object) -> float:
    """A duration in seconds from ``500ms``, ``2s``, ``5m``, ``1h`` or a number of seconds."""
    found = _quantity(value, _SECONDS, "500ms, 2s, 5m, 1h or a number of seconds")
    if not 0 <= found <= _LONGEST:
        raise ValueError("must be between 0 and ten years")
    return found


def keeping(value: object) -> float | None:
    """How long something is kept, in seconds: ``forever`` (None), ``never`` (0), or a duration."""
    if value in ("forever", None):
        return None
    if value == "never":
        return 0.0
    found = _quantity(value, _SECONDS, "forever, never, or a time like 90d")
    if not found >= 0:
        raise ValueError("must be forever, never, or a time like 90d")
    return found


def size(value: object) -> int:
    """A size in bytes from ``700KB``, ``5MB`` or a number of bytes; KB is 1000, KiB 1024."""
    found = _quantity(value, _BYTES, "700KB, 5MB or a number of bytes")
    if not 0 <= found <= 1e15:
        raise ValueError("must be a size that exists")
    return round(found)


def number(value: object) -> object:
    """Anything but true and false, which Python would take for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic wants a ValueError
    return value


def address(value: object) -> str:
    """``HOST:PORT``, an IPv6 host in brackets."""
    if isinstance(value, str):
        host_port(value)
        return value
    raise ValueError("must look like 127.0.0.1:9464")


def host_port(text: str) -> tuple[str, int]:
    """``127.0.0.1:9464`` or ``[::1]:9464``, apart. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError("must look like 127.0.0.1:9464")
    if ":" in host and not bracketed:
        raise ValueError("must have an IPv6 address in brackets, like [::1]:9464")
    return (host[1:-1] if bracketed else host), int(port)


def url(value: str) -> str:
    """A plain http or https URL; a slash at its end goes, so that paths can be appended."""
    try:
        parts = urlsplit(value)
        known = bool(parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        known = False
    if not known or any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError("must be an http:// or https:// URL")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; use a key, or 'headers'")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, without '?' or '#': what follows a '?' goes into 'query'")
    return value.rstrip("/")


def loopback(address_: str) -> bool:
    """Whether a URL stays on this machine."""
    return loopback_host(urlsplit(address_).hostname or "")


def loopback_host(host: str) -> bool:
    """Whether a host, by name or address, is this machine's loopback."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def file_path(value: object) -> Path:
    """A path that may exist; ``~`` is the user's home."""
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError("must be a path; the home directory in it is not known") from None


def network(value: object) -> str:
    """An address or a network: ``127.0.0.1``, ``10.0.0.0/8``, ``fd00::/8``."""
    try:
        ipaddress.ip_network(str(value), strict=False)
    except ValueError:
        raise ValueError("must be an address or a network, like 10.0.0.0/8") from None
    return str(value)


def base_path(value: object) -> str:
    """The path that a reverse proxy has a page under: empty, or ``/glimpsed``."""
    if not isinstance(value, str) or not _BASE_PATH.fullmatch(value):
        raise ValueError("must be a path like /glimpsed")
    return value.rstrip("/")


def host_name(value: object) -> str:
    """A host's name or address, without its port."""
    if not isinstance(value, str) or not _HOST_NAME.fullmatch(value):
        raise ValueError("must be the name of a host, like scans.example, without its port")
    return value.lower()


def _text(pattern: str, example: str) -> dict[str, Any]:
    return {
        "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": pattern}],
        "examples": [example],
    }


_DURATION = r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)?\s*$"
_SIZE = r"^\s*\d+(\.\d+)?\s*([bB]|[kKmMgG][iI]?[bB])?\s*$"

Duration = Annotated[float, BeforeValidator(seconds), WithJsonSchema(_text(_DURATION, "2s"))]
Keeping = Annotated[
    float | None,
    BeforeValidator(keeping),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["forever", "never"]},
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": _DURATION},
            ],
            "examples": ["90d"],
        }
    ),
]
Size = Annotated[int, BeforeValidator(size), WithJsonSchema(_text(_SIZE, "700KB"))]
Whole = Annotated[int, BeforeValidator(number)]
Number = Annotated[float, BeforeValidator(number)]
Address = Annotated[
    str, BeforeValidator(address), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:9464"]})
]
Network = Annotated[str, BeforeValidator(network)]
BasePath = Annotated[str, BeforeValidator(base_path)]
HostName = Annotated[str, BeforeValidator(host_name)]
Url = Annotated[str, AfterValidator(url), WithJsonSchema({"type": "string", "format": "uri"})]
PathText = Annotated[Path, BeforeValidator(file_path), WithJsonSchema({"type": "string"})]


_PAGE_RANGES = re.compile(
    r"(?:[1-9]\d{0,5}(?:-[1-9]\d{0,5})?|-[1-9]\d{0,5})(?:,(?:[1-9]\d{0,5}(?:-[1-9]\d{0,5})?|-[1-9]\d{0,5}))*"
)


def page_ranges(value: object) -> str:
    """``all``, or pages as ``1-3`` and ``1-2,-1`` (the last one), without blanks."""
    text = str(value).replace(" ", "") if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if text != "all" and not _PAGE_RANGES.fullmatch(text):
        raise ValueError("must be all, or pages like 1-3 or 1-2,-1 (-1 is the last one)")
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and last and int(last) < int(first):
            raise ValueError("must name the first page of a range before its last")
    return text


_MODES = frozenset(
    owner << 6 | group << 3 | other for owner in (4, 6) for group in (0, 4, 6) for other in (0, 4, 6)
)
_OCTAL = re.compile(r"0?o?([0-7]{3})")


def file_mode(value: object) -> int | Literal["auto"]:
    """``auto``, or who may read and write a file as ``0660`` (a number to YAML, octal for its 0) or ``"660"``."""
    if value == "auto":
        return "auto"
    octal = _OCTAL.fullmatch(value.strip()) if isinstance(value, str) else None
    mode = int(octal[1], 8) if octal else value
    if not isinstance(mode, int) or isinstance(mode, bool) or mode not in _MODES:
        raise ValueError(
            "must be auto, or an octal mode that begins with 0, like 0660: 6 or 4, then twice 6, 4 or 0"
        )
    return mode


FileMode = Annotated[
    int | Literal["auto"],
    BeforeValidator(file_mode),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "auto"},
                {"type": "string", "pattern": "^0?o?[46][046][046]$"},
                {"type": "integer"},
            ],
            "examples": ["0660"],
        }
    ),
]
PageRanges = Annotated[str, BeforeValidator(page_ranges)]
