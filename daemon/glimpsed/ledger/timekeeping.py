"""The clock that everybody who works from one ledger shares (see `glimpsed.clock`)."""

from __future__ import annotations

import json

import sqlalchemy as sa

from glimpsed.clock import Clock, ClockMark, Clocks, this_boot
from glimpsed.ledger.schema import about

FRESH = 30.0  # seconds since another host's mark within which its clock is believed: three heartbeats
_ROW = "clock"
_MARK = sa.select(about.c.value).where(about.c.name == _ROW)
_SERVER = "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


def keep_time(c: sa.Connection, clock: Clock, *, opening: bool = False) -> None:
    """Go on as the ledger's last mark says, and leave a new one for whoever comes.

    `opening`: whatever it says. Later only forward, to a mark that is fresh: a clock that lags (the host was paused)
    would think that its own leases hold when to all others they have run out. Where hosts share a server, its wall
    clock stands between theirs; one that jumps between two heartbeats makes no mark stale.
    """
    server = c.exec_driver_sql(_SERVER).scalar_one() if c.dialect.name == "postgresql" else None
    reading = Clocks(this_boot(), clock.steady(), clock.wall() if server is None else server)
    kept = c.scalar(_MARK)
    if (mark := _read(kept)) is not None:
        if opening:
            clock.set(mark.now(reading))
        elif mark.at.boot == reading.boot or 0 <= reading.wall - mark.at.wall <= FRESH:
            clock.forward(mark.now(reading))
        # As good as new, and commands that only look write nothing.
        if opening and mark.at.boot == reading.boot:
            return
    new = json.dumps([clock(), reading.boot, reading.elapsed, reading.wall])
    if kept is None:
        c.execute(sa.insert(about), {"name": _ROW, "value": new})
    else:
        c.execute(sa.update(about).where(about.c.name == _ROW), {"value": new})


def _read(text: str | None) -> ClockMark | None:
    if text is None:
        return None
    time, boot, elapsed, wall = json.loads(text)
    return ClockMark(time, Clocks(boot, elapsed, wall))
