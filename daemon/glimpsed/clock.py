"""One clock for everything that waits: it goes on by elapsed time, whatever anybody does to the wall clock.

A `Clock` reads like the epoch, from where it was set on; what it counts is the time since the machine started, sleep
included. Retries, leases, pauses, rates and heartbeats are times of this clock. What people read (sidecars, log, when a
state changed) and what the calendar decides (a budget's day) are times of the wall clock.

So that a restart, a command beside the daemon and another host go on where it is, the ledger keeps a `ClockMark`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def elapsed() -> float:
    """Seconds since the machine started; only forward, and through its sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@functools.cache
def boot_id() -> str:
    """Another value after each start of the machine; empty where it is not told."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


@functools.cache
def this_boot() -> str:
    """What `elapsed` counts from: another value after each start of the machine, and in each time namespace."""
    with contextlib.suppress(OSError):
        return boot_id() + os.readlink("/proc/self/ns/time")
    return boot_id()


def started(pid: int) -> str:
    """When a process started, as something that no later process of this number and boot has; empty: not there.

    Field 22 of /proc/PID/stat: clock ticks since boot (proc(5)). The command before it may hold anything
    but ends at the last parenthesis.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    if status[0] in "ZX":  # dead, but not yet reaped by its parent
        return ""
    return status[19]


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the clocks beneath showed at one moment."""

    boot: str
    elapsed: float  # since that boot
    wall: float  # epoch seconds: this host's, or where a server keeps the ledger, that server's


@dataclass(frozen=True, slots=True)
class ClockMark:
    """What a `Clock` showed when the others showed this."""

    time: float
    at: Clocks

    def now(self, reading: Clocks) -> float:
        """What that clock shows at another moment, perhaps on another host.

        Exact since the same start of the machine. Else the wall clocks have to tell; one that was set back since
        tells nothing, and then it goes on from where it was.
        """
        if reading.boot == self.at.boot and reading.elapsed >= self.at.elapsed:
            return self.time + reading.elapsed - self.at.elapsed
        return self.time + max(0.0, reading.wall - self.at.wall)


class Clock:
    """Seconds that only go forward. `wall` is the clock on the wall, in epoch seconds."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = elapsed) -> None:
        self.wall = wall
        self.steady = steady
        self._ahead = wall() - steady()

    def __call__(self) -> float:
        """Now."""
        return self.steady() + self._ahead

    def set(self, now: float) -> None:
        """Go on from here."""
        self._ahead = now - self.steady()

    def forward(self, now: float) -> None:
        """`set`, unless that would be back."""
        if now > self():
            self.set(now)

    def to_wall(self, time: float) -> float:
        """A time of this clock as the wall clock counts at present: off by the whole seconds that they are apart.

        Less than that is how they drift, and would make what people are shown twice differ.
        """
        return time + round(self.wall() - self())

    def from_wall(self, wall: float) -> float:
        """A time to come on the wall clock, as this one counts."""
        return wall - (self.wall() - self())
