"""Discovery: every complete file of a folder is offered to the ledger, once (DESIGN 2, 5 and 8).

`watch` is one folder's story; `events` (watchdog) hints, `scan` lists and looks, `reconcile` compares a
listing with the ledger, `settle` (pure) decides, with `formats`, what is complete, `filters` what is
looked at, `mounts` how a folder can be watched; `hearing` keeps the events alive, `state` and `telling` tell
how it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glimpsed.discover.hearing import Observing
    from glimpsed.discover.state import WatchState
    from glimpsed.discover.watch import FolderWatch

__all__ = ["FolderWatch", "Observing", "WatchState"]


def __getattr__(name: str) -> Any:
    """Imports the watching when it is asked for: a command that wants `mounts` starts sooner without."""
    if name not in __all__:
        raise AttributeError(name)
    from glimpsed.discover import watch  # noqa: PLC0415 - see above

    return getattr(watch, name)
