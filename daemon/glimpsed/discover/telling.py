"""What the log is told of the files of one folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from glimpsed.discover.settle import Decision
from glimpsed.discover.walk import Walk
from glimpsed.errors import LedgerUnavailable
from glimpsed.journal import events, get_logger
from glimpsed.model import Offer, shown

log = get_logger()

TOLD_MOST = 10_000  # skipped files that are remembered as told


class Telling:
    """Says each thing once, or at the level that its number deserves."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._told: set[str] = set()

    def skipped(self, rules: Mapping[str, str]) -> None:
        """These paths are left alone, by these rules."""
        for path, rule in rules.items():
            if path not in self._told and len(self._told) < TOLD_MOST:
                self._told.add(path)
                log.debug(events.FILE_SKIPPED, folder=self._folder, file=shown(path), reason=rule)

    def walked(self, walk: Walk) -> None:
        """What a pass left alone since it was asked last."""
        self.skipped(walk.skipped)
        self.left_out(walk.left_out)
        walk.skipped.clear()
        walk.left_out.clear()

    def left_out(self, reasons: Mapping[str, str]) -> None:
        """These are left alone, and whoever put them there would not expect it."""
        for path, reason in reasons.items():
            if path not in self._told and len(self._told) < TOLD_MOST:
                self._told.add(path)
                log.info(events.FILE_SKIPPED, folder=self._folder, file=shown(path), reason=reason)

    def waiting(self, path: str, decision: Decision) -> None:
        """After `settle_limit`, it still grows or cannot be read."""
        if decision.kind == "growing":
            reason = "it is still being written: it is waited for"
            log.info(events.FILE_RETRY, folder=self._folder, file=shown(path), reason=reason)
        else:
            log.warning(events.FILE_RETRY, folder=self._folder, file=shown(path), reason=decision.reason)

    def not_yet(self, path: str, reason: str) -> None:
        """It gives trouble for now."""
        log.debug(events.FILE_RETRY, folder=self._folder, file=shown(path), reason=reason)

    def queued(self, offers: Iterable[Offer]) -> None:
        """The ledger has them."""
        for offer in offers:
            write = log.info if offer.fresh else log.debug  # a backlog of a million would be a flood
            write(events.FILE_QUEUED, folder=self._folder, file=shown(offer.key.path))

    def listed(self, files: int, waiting: int, seconds: float, *, first: bool) -> None:
        """All of the folder."""
        write = log.info if first else log.debug
        facts = {"files": files, "waiting": waiting, "seconds": round(seconds, 3)}
        write(events.SCAN_FINISHED, folder=self._folder, **facts)

    def ledger_away(self, error: LedgerUnavailable) -> None:
        """Nothing can be offered, or compared with."""
        log.warning(events.LEDGER_UNAVAILABLE, folder=self._folder, reason=str(error))
