"""How a folder is watched at the moment, and what the log is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, TypeAlias

from glimpsed.discover.mounts import Mode
from glimpsed.journal import events, get_logger

log = get_logger()

NAMED = 3  # subdirectories that are named, of those that cannot be listed

Name: TypeAlias = Literal["watching", "degraded", "lost"]


@dataclass(frozen=True, slots=True)
class WatchState:
    """What `status`, `check` and the metrics show of a folder."""

    state: Name
    mode: Mode
    filesystem: str
    reason: str
    since: float  # epoch


class Status:
    """Keeps the state; each change of it is one log event, and one call of `changed` before that."""

    def __init__(self, folder: str, clock: Callable[[], float], changed: Callable[[], None]) -> None:
        self._folder = folder
        self._clock = clock
        self._changed = changed
        self._looked = False
        self._hindered: dict[str, str] = {}  # what is the matter with a folder that is there
        self.now = WatchState("lost", "poll", "unknown", "not looked at yet", clock())  # how it is watched

    @property
    def shown(self) -> WatchState:
        """What people are told: one that is watched well, but takes no sidecars or hides directories, is degraded too."""
        if not self._hindered or self.now.state == "lost":
            return self.now
        watched = [] if self.now.state == "watching" else [self.now.reason]
        return replace(self.now, state="degraded", reason="; ".join([*watched, *self._hindered.values()]))

    def blocked(self, reason: str | None) -> None:
        """Sidecars cannot be written into it, and why; None: they can. The first reason and the end are told."""
        self._hinder("sidecars", reason)

    def unlisted(self, directories: Mapping[str, str]) -> None:
        """These of its directories cannot be listed, and why. Told as `blocked` is."""
        more = len(directories) - NAMED
        some = [*islice(directories.values(), NAMED), *([f"{more:,} more"] if more > 0 else [])]
        reason = f"what is in directories that cannot be listed is not seen: {', '.join(some)}"
        self._hinder("directories", reason if directories else None)

    def _hinder(self, what: str, reason: str | None) -> None:
        before = self._hindered.get(what)
        if reason == before:
            return
        if reason is None:
            del self._hindered[what]
        else:
            self._hindered[what] = reason
        self._changed()
        if before is None:
            self._tell(log.warning, events.FOLDER_DEGRADED, reason)
        elif not self._hindered and self.now.state == "watching":
            self._tell(log.info, events.FOLDER_WATCHING)

    def watching(self, mode: Mode, filesystem: str, reason: str) -> None:
        """The folder is there, and watched as it should be."""
        back = self._looked and self.now.state == "lost"
        self._become("watching", mode, filesystem, reason)
        self._tell(log.info, events.FOLDER_BACK if back else events.FOLDER_WATCHING)

    def degraded(self, filesystem: str, reason: str) -> None:
        """The folder is there, but there are no events for now: it is polled."""
        self._become("degraded", "poll", filesystem, reason)
        self._tell(log.warning, events.FOLDER_DEGRADED)

    def still_degraded(self, reason: str) -> None:
        """Nothing has changed, but for the reason perhaps."""
        self._become("degraded", "poll", self.now.filesystem, reason)

    def lost(self, reason: str) -> None:
        """The folder is not there. Told once, however often it is found so."""
        again = self._looked and self.now.state == "lost"
        self._become("lost", self.now.mode, self.now.filesystem, reason)
        if not again:
            self._tell(log.warning, events.FOLDER_LOST)

    def overflow(self) -> None:
        """Events were lost, which is told; the listing that follows makes good for it."""
        reason = "the kernel's queue of events overflowed: the folder is listed instead"
        self._tell(log.warning, events.FOLDER_DEGRADED, reason)

    def _become(self, state: Name, mode: Mode, filesystem: str, reason: str) -> None:
        since = self.now.since if self._looked and state == self.now.state else self._clock()
        self._looked = True
        before, self.now = self.now, WatchState(state, mode, filesystem, reason, since)
        if self.now != before:
            self._changed()

    def _tell(self, write: Callable[..., object], event: str, reason: str | None = None) -> None:
        now = self.now
        write(
            event, folder=self._folder, mode=now.mode, filesystem=now.filesystem, reason=reason or now.reason
        )
