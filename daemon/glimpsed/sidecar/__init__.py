"""Sidecars: what they hold, whose they are, how they get onto the disk, and what comes after (DESIGN 7).

`render` names and renders them (`xmp` for picture programs), `own` tells glimpsed's from other people's, `write`
puts them onto the disk by way of `temporary` files, `adopt` reads back what is there, `command` and
`move` (to one of the `places`) do what the folder's `on_done` asks for, `amend` what follows from that.
"""

from glimpsed.disk.temporary import is_temporary, sweep
from glimpsed.sidecar.adopt import Adoptable, adoptable, load, load_text
from glimpsed.sidecar.amend import complete, refresh, refresh_at
from glimpsed.sidecar.command import run as run_command
from glimpsed.sidecar.move import Moved, find_moved, move, refuse_unmounted, target_mount
from glimpsed.sidecar.render import (
    PAGE_BREAK,
    error_name,
    names,
    render,
    render_error,
    sidecar_name,
)
from glimpsed.sidecar.write import check, refuse_closed, remove, remove_error, write, write_error

__all__ = [
    "PAGE_BREAK",
    "Adoptable",
    "Moved",
    "adoptable",
    "check",
    "complete",
    "error_name",
    "find_moved",
    "is_temporary",
    "load",
    "load_text",
    "move",
    "names",
    "refresh",
    "refresh_at",
    "refuse_closed",
    "refuse_unmounted",
    "remove",
    "remove_error",
    "render",
    "render_error",
    "run_command",
    "sidecar_name",
    "sweep",
    "target_mount",
    "write",
    "write_error",
]
