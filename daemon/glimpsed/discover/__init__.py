"""Discovery: every complete file of a folder is offered to the ledger, once (DESIGN 2, 5 and 8).

`watch` is one folder's story over what all about it share (`site`): `scanning` has `walk` list it and `reconcile`
compare that with the ledger (`first` sight, `rows`), `settler` has files looked at (`scan`) until they are complete
(`settle`, pure). `events` (watchdog, over `inotify`) hint; `hearing` keeps them alive for all folders. `filters` say
what is looked at, `mounts` how a folder can be watched, `depth` how far down; `state` and `telling` tell how it goes.
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
