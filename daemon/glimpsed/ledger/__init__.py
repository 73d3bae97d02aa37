"""The ledger: the only queue, and the memory of what is done and paid for (DESIGN 2, 8 and 12).

    offer ──> queued ──claim──> running ──answered──> answered ──done──> done
                ^  ^               │ │                    │
                │  └──retry, lease out┘ └──failed──> failed   └──blocked, lease out: claimed again, written again

`queue` holds offers, claims and leases, `holding` what waits to be approved, `finish` the ends of a job, `handing` its
hand-over, `listing` what discovery compares with,
`kept` the answers, `others` those that do not stand, `words` what they are found by, `older` what is kept of them later,
`memory` what daemons share of the models, `hosts` who they are, `queries`, `search`, `browse` and `hours` what people ask,
`look` what `check` finds out without opening it for work.
`Ledger` is synchronous and may be called from several threads at once; the daemon awaits it through `Books`.
"""

from __future__ import annotations

from glimpsed.ledger.books import Books
from glimpsed.ledger.lease import LEASE
from glimpsed.ledger.ledger import Ledger, open_ledger
from glimpsed.ledger.spending import local_day
from glimpsed.ledger.values import Adopted, Daemon, FileRow, GoneRow, Known, Paused, Reason, Spend

__all__ = [
    "LEASE",
    "Adopted",
    "Books",
    "Daemon",
    "FileRow",
    "GoneRow",
    "Known",
    "Ledger",
    "Paused",
    "Reason",
    "Spend",
    "local_day",
    "open_ledger",
]
