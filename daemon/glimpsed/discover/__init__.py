"""Discovery: every complete file of a folder is offered to the ledger, once (DESIGN 2, 5 and 8).

`watch` is one folder's story; `events` (watchdog) hints, `scan` lists and looks, `reconcile` compares a
listing with the ledger, `settle` (pure) and `whole` (pure) decide what is complete, `filters` what is
looked at, `mounts` how a folder can be watched; `hearing` keeps the events alive, `state` tells how it goes.
"""

from glimpsed.discover.state import WatchState
from glimpsed.discover.watch import FolderWatch

__all__ = ["FolderWatch", "WatchState"]
