"""Whose a file is that we may not use, in words: that tells as whom to run instead, or what to `chown`."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from pathlib import Path


def user(number: int) -> str:
    """A user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def denied(path: Path) -> str:
    """``Permission denied: it belongs to NAME:GROUP (mode 0640), this runs as NAME``.

    Told of the path, or the first of its directories that may be looked at.
    """
    reason = os.strerror(errno.EACCES)
    for place in (path, *path.absolute().parents):
        try:
            status = os.stat(place)
        except OSError:
            continue
        mode = stat.S_IMODE(status.st_mode)
        owner = f"{user(status.st_uid)}:{_group(status.st_gid)}"
        it = "it" if place is path else place
        return f"{reason}: {it} belongs to {owner} (mode {mode:04o}), this runs as {user(os.geteuid())}"
    return reason


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
