"""Sidecars: what they hold, whose they are, how they get onto the disk, and what comes after (DESIGN 7).

`render` names and renders them, `own` tells glimpsed's from other people's, `write` puts them onto the
disk by way of `temporary` files, `adopt` reads back what is there, `move` and `command` do what the folder's
`on_done` asks for.
"""

from glimpsed.disk.temporary import is_temporary, sweep
from glimpsed.sidecar.adopt import Found, adoptable, load, load_text
from glimpsed.sidecar.command import run as run_command
from glimpsed.sidecar.move import Moved, move
from glimpsed.sidecar.render import error_name, names, render, render_error, sidecar_name, whole_text
from glimpsed.sidecar.write import check, refuse_closed, remove, remove_error, write, write_error

__all__ = [
    "Found",
    "Moved",
    "adoptable",
    "check",
    "error_name",
    "is_temporary",
    "load",
    "load_text",
    "move",
    "names",
    "refuse_closed",
    "remove",
    "remove_error",
    "render",
    "render_error",
    "run_command",
    "sidecar_name",
    "sweep",
    "whole_text",
    "write",
    "write_error",
]
