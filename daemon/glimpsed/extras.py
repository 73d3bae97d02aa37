"""The command that adds an extra to this installation, the way that it was made."""

from __future__ import annotations

import json
import shlex
import sys
from urllib.parse import unquote, urlsplit


def command(*extras: str) -> str:
    """``pip install '/usr/src/glimpsed[ocr]'``: with this Python's pip, from where it was installed from.

    The name alone is another program's on the index, or nobody's; it stands where nothing else is known.
    """
    pip = f"{shlex.quote(sys.executable)} -m pip" if sys.prefix != sys.base_prefix else "pip"
    wanted = ",".join(extras)
    url, editable, installer = _source()
    if installer == "dpkg":  # which brings all of them
        return "apt-get install --reinstall glimpsed"
    if not url.startswith("file:"):
        return f"{pip} install {shlex.quote(f'glimpsed[{wanted}]' + (f' @ {url}' if url else ''))}"
    source = f"{unquote(urlsplit(url).path)}[{wanted}]"
    return f"{pip} install {'-e ' if editable else ''}{shlex.quote(source)}"


def _source() -> tuple[str, bool, str]:
    """The URL that was given to pip (PEP 610), whether the source is used where it stands, who installed (PEP 627)."""
    from importlib import metadata  # noqa: PLC0415 -- slow to import, seldom needed

    try:
        about = metadata.distribution("glimpsed")
        told = json.loads(about.read_text("direct_url.json") or "{}")
        installer = (about.read_text("INSTALLER") or "").strip()
    except (metadata.PackageNotFoundError, ValueError, OSError):
        return "", False, ""
    return str(told.get("url", "")), bool(told.get("dir_info", {}).get("editable")), installer
