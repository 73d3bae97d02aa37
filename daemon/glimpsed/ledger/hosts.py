"""Who works from this ledger: names of processes, heartbeats, leases of the dead, news from others."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from glimpsed.clock import boot_id, started
from glimpsed.errors import LedgerReplaced
from glimpsed.ledger.lease import STATE_BACK
from glimpsed.ledger.part import Part
from glimpsed.ledger.schema import daemons, files, verifications
from glimpsed.ledger.timekeeping import keep_time
from glimpsed.ledger.values import Daemon

ALIVE = 45.0  # seconds after its last heartbeat that a daemon on another host counts as alive
FURTHEST = 3700.0  # seconds, further than anything waits: the longest that an API may ask for is an hour

_OWNERS = (
    sa.select(files.c.owner)
    .where(files.c.owner.is_not(None))
    .union(sa.select(verifications.c.owner).where(verifications.c.owner.is_not(None)))
)
_READ_BACK = (
    sa.update(verifications)
    .where(verifications.c.owner.in_(sa.bindparam("dead", expanding=True)))
    .values(owner=None, due=0.0)
)
_TAKE_BACK = (
    sa.update(files)
    .where(files.c.owner.in_(sa.bindparam("dead", expanding=True)))
    .values(state=STATE_BACK, owner=None, due=0.0)
)
# From before the ledger had a clock of its own; as `files_due` has it, for that index to be taken.
_FAR = sa.text("due > 0"), files.c.due > sa.bindparam("furthest")
_SOME_TOO_FAR = sa.select(files.c.id).where(*_FAR).limit(1)
_TOO_FAR = sa.update(files).where(*_FAR).values(due=0.0)
_FORGET = sa.delete(daemons).where(~daemons.c.beat.between(sa.bindparam("before"), sa.bindparam("after")))


class Hosts(Part):
    """Several daemons on one ledger."""

    _beats = False  # whether this process sent a heartbeat
    _last_beat = 0.0

    def take_back(self, now: float) -> int:
        """Free at once the leases of processes that died on this host, and what is due too far off to be true.

        Returns how many rows that was.
        """
        far = {"furthest": now + FURTHEST}
        with self._database.read() as c:
            dead = [owner for owner in c.execute(_OWNERS).scalars() if _died_here(owner)]
            too_far = c.scalar(_SOME_TOO_FAR, far) is not None
        if not dead and not too_far:
            return 0
        with self._database.write() as c:
            c.execute(sa.delete(daemons).where(daemons.c.owner.in_(dead)))
            self._database.tell(c)
            c.execute(_READ_BACK, {"dead": dead})
            return c.execute(_TAKE_BACK, {"dead": dead}).rowcount + c.execute(_TOO_FAR, far).rowcount

    def heartbeat(self, now: float, report: Mapping[str, Any] | None = None) -> None:
        """Tell the others that this daemon lives, and what `status` should show of it (JSON values).

        Raises `LedgerReplaced` when the ledger is another one by now: its file was deleted or replaced, or an older
        copy of it was restored, which knows nothing of the last heartbeat.
        """
        self._database.refuse_another()
        host, pid, _ = self.owner.rsplit(":", 2)
        row = {
            "owner": self.owner,
            "host": host.partition("/")[0],
            "pid": int(pid),
            "since": now,
            "beat": now,
            "report": json.dumps(report or {}),
        }
        with self._database.write() as c:
            keep_time(c, self.clock)
            last = c.scalar(sa.select(daemons.c.beat).where(daemons.c.owner == self.owner))
            # Others forget a daemon that has been silent for long, as on a machine that slept.
            if self._beats and last != self._last_beat and now - self._last_beat < 10 * ALIVE:
                raise LedgerReplaced(f"{self._database.where} is not what it was: an older copy was restored")
            c.execute(self._beat, row)
            c.execute(_FORGET, {"before": now - 20 * ALIVE, "after": now + 20 * ALIVE})
        self._beats, self._last_beat = True, now

    @functools.cached_property
    def _beat(self) -> Any:
        return self._put(daemons, "beat", "report")

    def leave(self) -> None:
        """Leave no heartbeat behind: this daemon stops."""
        with self._database.write() as c:
            c.execute(sa.delete(daemons).where(daemons.c.owner == self.owner))

    def daemons(self, now: float) -> list[Daemon]:
        """The daemons that are alive, as far as their heartbeat and this host's processes tell."""
        alive = daemons.c.beat.between(now - ALIVE, now + ALIVE)
        statement = sa.select(daemons).where(alive).order_by(daemons.c.since)
        with self._database.read() as c:
            rows = c.execute(statement).all()
        return [
            Daemon(row.owner, row.host, row.pid, row.since, row.beat, json.loads(row.report))
            for row in rows
            if not _died_here(row.owner)
        ]

    def other_daemons(self, now: float) -> list[str]:
        """The other daemons that are alive, as one reads them: ``pid 12 on scanhost``."""
        return [f"pid {d.pid} on {d.host}" for d in self.daemons(now) if d.owner != self.owner]

    def ping(self) -> bool:
        """Write something, to see that the database takes it: True. Raises `LedgerUnavailable` when not."""
        # Another each time: SQLite writes nothing when nothing is different.
        self.note("ping", secrets.token_hex(8))
        return True

    def changes(self) -> int:
        """A number that changes when another process wrote; asking costs next to nothing."""
        return self._database.news()

    @property
    def log_file(self) -> str | None:
        """The file that every write goes to first, whoever writes; None for a database that is no file."""
        return self._database.log_file


@functools.cache
def this_host() -> str:
    """The name of this machine, and something that tells it from another of the same name."""
    machine = b""
    with contextlib.suppress(OSError):
        machine = Path("/etc/machine-id").read_bytes().strip()[:8]
    return f"{socket.gethostname()}/{machine.decode('ascii', 'replace')}".replace(":", "_")


@functools.cache
def this_world() -> str:
    """Among which processes numbers mean something: this start of the machine, and this container. Empty: not known.

    Names do not tell: two containers, or two machines, may be called the same and have no machine-id.
    """
    try:
        return f"{boot_id()[:8]}.{os.stat('/proc/self/ns/pid').st_ino}" if boot_id() else ""
    except OSError:
        return ""


def this_process() -> str:
    """``host:pid:world-start`` of this process; no other process ever has the same."""
    return f"{this_host()}:{os.getpid()}:{this_world()}-{started(os.getpid())}"


def _died_here(owner: str) -> bool:
    """Whether this is a process that is not there any more, as far as that is known here.

    It is known of those among which this one is, and of a machine that has been started anew since; of all others
    their leases and heartbeats tell.
    """
    host, pid, born = [*owner.rsplit(":", 2), "", ""][:3]
    world, _, start = born.rpartition("-")
    if world and world == this_world():
        now = started(int(pid))
        return now != start and not (now == "" and _hidden(int(pid)))
    started_anew = "" not in {world, boot_id()} and not world.startswith(boot_id()[:8])
    return started_anew and host == this_host() and not host.endswith("/")


def _hidden(pid: int) -> bool:
    """Whether there is such a process of another user, whose /proc/PID is not shown (hidepid, ProtectProc=)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not Path(f"/proc/{pid}").exists()
    except (OSError, OverflowError):
        pass
    return False
