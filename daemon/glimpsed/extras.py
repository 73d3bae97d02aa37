"""The commands of this installation, the way that it was made: to call it, and to add an extra to it."""

from __future__ import annotations

import functools
import json
import os
import shlex
import shutil
import sys
from urllib.parse import unquote, urlsplit

OCR_MODULES = ("rapidocr", "onnxruntime", "cv2")  # of the extra `ocr`


def command(*extras: str) -> str:
    """``pip install '/usr/src/glimpsed[ocr]'``: with this Python's pip, from where it was installed from.

    The name alone is another program's on the index, or nobody's. Where the source is gone, or nobody knows where it
    was (a Debian package), what the extra consists of does as well.
    """
    wanted = ",".join(extras)
    url, editable, installer = _source()
    install = _install(installer)
    if installer == "dpkg":  # which brings all of them
        return "apt-get install --reinstall glimpsed"
    if not url.startswith("file:"):
        parts = [f"glimpsed[{wanted}] @ {url}"] if url else _requirements(extras)
        return f"{install} {shlex.join(parts or [f'glimpsed[{wanted}]'])}"
    source = unquote(urlsplit(url).path)
    if not os.path.exists(source) and (parts := _requirements(extras)):
        return f"{install} {shlex.join(parts)}"
    return f"{install} {'-e ' if editable else ''}{shlex.quote(f'{source}[{wanted}]')}"


def _install(installer: str) -> str:
    python = shlex.quote(sys.executable)
    if installer == "uv":  # what it makes has no pip of its own
        return f"uv pip install --python {python}"
    return f"{python} -m pip install" if sys.prefix != sys.base_prefix else "pip install"


def _requirements(extras: tuple[str, ...]) -> list[str]:
    """What these extras consist of, by the installation's own record: ``pypdfium2>=5``."""
    from importlib import metadata  # noqa: PLC0415 -- slow to import, seldom needed

    try:
        found = metadata.requires("glimpsed") or []
    except metadata.PackageNotFoundError:
        return []
    parts = [one.partition(";") for one in found]
    return [
        name.strip()
        for name, _, marker in parts
        if any(f"extra == '{e}'" in marker.replace('"', "'") for e in extras)
    ]


@functools.cache
def program() -> str:
    """How this installation is called from a shell: by name where that leads to it, else by its path."""
    own = os.path.join(sys.prefix, "bin", "glimpsed")
    found = shutil.which("glimpsed")
    by_name = found is not None and os.path.realpath(found) == os.path.realpath(own)
    return "glimpsed" if by_name or not os.path.exists(own) else shlex.quote(own)


def _source() -> tuple[str, bool, str]:
    """The URL that was given to pip (PEP 610), whether the source is used where it stands, who installed (PEP 627)."""
    from importlib import metadata  # noqa: PLC0415 -- slow to import, seldom needed

    try:
        about = metadata.distribution("glimpsed")
        installer = (about.read_text("INSTALLER") or "").strip()
    except (metadata.PackageNotFoundError, ValueError, OSError):
        return "", False, ""
    try:
        told = json.loads(about.read_text("direct_url.json") or "{}")
    except (ValueError, OSError):
        told = {}
    url, repository = str(told.get("url", "")), told.get("vcs_info", {})
    if url and (kind := repository.get("vcs")):  # which the record tells apart, and a command wants in one
        revision = repository.get("requested_revision")
        url = f"{kind}+{url}" + (f"@{revision}" if revision else "")
    return url, bool(told.get("dir_info", {}).get("editable")), installer
