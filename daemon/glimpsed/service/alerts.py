"""``notify``: what somebody should hear of who reads no log, through Apprise (mail, chat, push, webhooks).

What happens within a moment goes out together, then nothing for `digest`; failed files are counted, not told one by
one. Each service has its own outbox: one that is down loses nothing and holds up no other. What is not told yet is on
disk within a second, so it is told after the next start, whatever ended the daemon.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeAlias

from glimpsed import journal
from glimpsed.children.messenger import deliver
from glimpsed.clock import elapsed
from glimpsed.config.schema import Notify
from glimpsed.errors import ConfigError, MissingExtra, Problem
from glimpsed.journal import events, get_logger
from glimpsed.journal.sentence import sentence

log = get_logger()

GATHER = 2.0  # seconds that the first notice after a quiet time waits for others
AGAIN, LONGEST = 30.0, 600.0  # seconds until a service that did not take a digest is tried again, doubling
SAVED = 1.0  # seconds between two writes of what is not told yet
LAST = 5.0  # seconds that the stop waits for what is still to be told
NAMED = 5  # failed files of a folder that are named
LINES = 50  # of a digest; more of them are counted

# Title and text to one service; whether it took them. Never raises.
Send: TypeAlias = Callable[[str, str], bool]


@dataclass(slots=True)
class Digest:
    """What is to be told, gathered."""

    lines: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)  # by folder
    named: dict[str, list[str]] = field(default_factory=dict)  # some of them, with the reason

    def __bool__(self) -> bool:
        return bool(self.lines or self.failed)

    def add(self, record: Mapping[str, Any]) -> None:
        """One more event."""
        if record.get("event") == events.FILE_FAILED:
            folder = str(record.get("folder"))
            self.failed[folder] += 1
            some = self.named.setdefault(folder, [])
            if len(some) < NAMED:
                some.append(f"{record.get('file')}: {record.get('reason')}")
            return
        self._count(sentence(record), 1)

    def _count(self, line: str, times: int) -> None:
        known = line in self.lines or len(self.lines) < LINES
        self.lines[line if known else "and more, in the log"] += times

    def merge(self, other: Digest) -> None:
        """Together with what came before, or meanwhile."""
        for line, times in other.lines.items():
            self._count(line, times)
        self.failed += other.failed
        for folder, some in other.named.items():
            self.named[folder] = (some + self.named.get(folder, []))[:NAMED]

    def told(self) -> tuple[str, str]:
        """Title and text."""
        count = sum(self.failed.values())
        heads = [f"{count:,} file{'' if count == 1 else 's'} failed"] if count else []
        heads += list(self.lines)[:1]
        rest = len(self.lines) - 1
        title = f"glimpsed on {socket.gethostname()}: {'; '.join(heads)}" + (
            f" and {rest} more" if rest > 0 else ""
        )
        parts = [line if times == 1 else f"{line} ({times} times)" for line, times in self.lines.items()]
        for folder, number in self.failed.items():
            parts.append(f"{folder}: {number:,} file{'' if number == 1 else 's'} failed")
            parts += [f"  {named}" for named in self.named.get(folder, ())]
            if number > NAMED:
                parts.append(f"  and {number - NAMED:,} more: glimpsed failures")
        return title[:250], "\n".join(parts)


@dataclass(slots=True)
class Outbox:
    """What one service has not been told yet, and when it may be; `now` is elapsed seconds."""

    digest: float  # seconds between two digests
    service: str = ""  # as people are told of it
    waiting: Digest = field(default_factory=Digest)
    sending: Digest = field(default_factory=Digest)  # under way: nobody knows yet whether it is told
    due: float | None = None  # None: there is nothing to tell
    quiet_until: float = 0.0
    pause: float = AGAIN

    def add(self, record: Mapping[str, Any], now: float) -> None:
        """An event that this service should hear of."""
        self.waiting.add(record)
        if self.due is None:
            self.due = max(now + min(GATHER, self.digest), self.quiet_until)

    def take(self, now: float) -> Digest | None:
        """What is due, to be sent; then either `sent` or `kept`."""
        if self.due is None or now < self.due:
            return None
        self.sending, self.waiting, self.due = self.waiting, Digest(), None
        return self.sending

    def sent(self, now: float) -> None:
        """It was taken: nothing for a while."""
        self.sending = Digest()
        self.quiet_until, self.pause = now + self.digest, AGAIN
        if self.waiting:
            self.due = self.quiet_until

    def kept(self, taken: Digest, now: float) -> None:
        """It was not: together with what came meanwhile, later."""
        self.waiting.merge(taken)
        self.sending = Digest()
        self.due, self.pause = now + self.pause, min(LONGEST, 2 * self.pause)


class Alerts:
    """Hears what is logged, and tells it: in a thread for each service, for one that hangs."""

    def __init__(
        self,
        wanted: Sequence[str],
        outboxes: Mapping[str, Outbox],
        sends: Mapping[str, Send],
        spool: Path | None = None,
    ) -> None:
        self._wanted = frozenset(wanted)
        self._outboxes = outboxes
        self._sends = sends
        self._spool = spool
        self._news = False  # of which the spool does not know
        self._degraded: set[str] = set()  # folders of which that was told
        self._changed = threading.Condition()
        self._closing = False
        tasks: list[Callable[[], None]] = [self._keep, *(partial(self._tell, name) for name in outboxes)]
        self._threads = [threading.Thread(target=task, name="notify", daemon=True) for task in tasks]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        journal.overhear(self.hear)
        return self

    def __exit__(self, *_: object) -> None:
        journal.overhear(None)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        until = elapsed() + LAST
        for thread in self._threads:
            thread.join(max(0.0, until - elapsed()))

    def hear(self, record: Mapping[str, Any]) -> None:
        """From any thread: a record of the log, without secrets."""
        with self._changed:
            if not self._is_wanted(record):
                return
            for outbox in self._outboxes.values():
                outbox.add(record, elapsed())
            self._news = True
            self._changed.notify_all()

    def _is_wanted(self, record: Mapping[str, Any]) -> bool:
        event, folder = record.get("event"), str(record.get("folder"))
        if event == events.FOLDER_DEGRADED:
            self._degraded.add(folder)
        elif event in (events.FOLDER_BACK, events.FOLDER_WATCHING) and folder in self._degraded:
            self._degraded.discard(folder)
            return events.FOLDER_BACK in self._wanted  # what was told of it is over
        return event in self._wanted

    def _keep(self) -> None:
        """What is not told yet, on disk: at most once in `SAVED` seconds."""
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._news or self._closing)
                closing, self._news, left = self._closing, False, _left(self._outboxes)
            _write(self._spool, left)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, SAVED)

    def _tell(self, name: str) -> None:
        """What one service is to be told, when it is due; at the end, what is left."""
        outbox, closing = self._outboxes[name], False
        while not closing:
            with self._changed:
                if not self._closing and (outbox.due is None or outbox.due > elapsed()):
                    self._changed.wait(None if outbox.due is None else outbox.due - elapsed())
                closing = self._closing
                taken = outbox.take(float("inf") if closing else elapsed())
            if not taken:
                continue
            took = self._sends[name](*taken.told())
            with self._changed:
                if took:
                    outbox.sent(elapsed())
                else:
                    outbox.kept(taken, elapsed())
                self._news = True
                self._changed.notify_all()
            if not took:
                log.warning(
                    "notify.failed",
                    reason=f"{outbox.service} did not take a message; it is kept and sent again",
                )


@contextlib.contextmanager
def telling(notify: Notify | None, spool: Path | None) -> Iterator[None]:
    """While this lasts, what is logged is told as the config wants it. `spool`: what is left for the next start.

    Raises `MissingExtra` or `ConfigError`.
    """
    if notify is None:
        yield
        return
    services = connected(notify)
    outboxes = {name: Outbox(notify.digest, service) for name, (service, _) in services.items()}
    sends = {name: send for name, (_, send) in services.items()}
    _load(spool, outboxes)
    try:
        with Alerts(notify.events, outboxes, sends, spool):
            yield
    finally:
        _write(spool, _left(outboxes))


def connected(notify: Notify) -> dict[str, tuple[str, Send]]:
    """Each service as people are told of it, and a way to it. Raises `MissingExtra` or `ConfigError`.

    By a part of its URL's digest: it holds no secret, and what is left for the next start goes to the same service,
    wherever it stands in the list by then.
    """
    with warnings.catch_warnings():  # of what it imports, on older Pythons
        warnings.simplefilter("ignore")
        try:
            import apprise  # noqa: PLC0415 - an optional extra, and slow to import
        except ImportError:
            raise MissingExtra("notify", "notify") from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its messages may hold parts of a URL
        services = [apprise.Apprise.instantiate(url.get_secret_value()) for url in notify.urls]
    found: dict[str, tuple[str, Send]] = {}
    for number, (url, service) in enumerate(zip(notify.urls, services, strict=True)):
        if not isinstance(service, apprise.NotifyBase):
            scheme = url.get_secret_value().partition("://")[0]
            told = f" ({scheme}://…)" if scheme.isalnum() and len(scheme) < 20 else ""
            raise ConfigError(
                Problem(f"is no address that Apprise knows{told}", key=f"notify.urls[{number}]")
            )
        name = hashlib.sha256(url.get_secret_value().encode()).hexdigest()[:8]
        found[name] = (f"{service.service_name} ({number + 1})", _send(url.get_secret_value()))
    return found


def _send(url: str) -> Send:
    def send(title: str, text: str) -> bool:
        try:
            return deliver(url, title, text)
        except OSError as e:  # no process is to be had
            log.debug("notify.failed", reason=type(e).__name__)
            return False

    return send


def _load(spool: Path | None, outboxes: Mapping[str, Outbox]) -> None:
    """What an earlier daemon could not tell any more.

    What was for an address that is gone is for those that are new: it may be the same one, with the right password.
    """
    if spool is None:
        return
    try:
        kept = json.loads(spool.read_text(encoding="utf-8"))
        new = [name for name in outboxes if name not in kept]
        for name, left in kept.items():
            digest = Digest(Counter(left["lines"]), Counter(left["failed"]), left["named"])
            for heir in ([name] if name in outboxes else new) if digest else ():
                outboxes[heir].kept(digest, 0.0)
                outboxes[heir].due = elapsed() + GATHER
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as e:
        log.debug("notify.spool", reason=str(e))


def _left(outboxes: Mapping[str, Outbox]) -> dict[str, Any]:
    """What is still to be told, by service, also those that were told all; empty when every one was."""
    left: dict[str, Digest] = {name: Digest() for name in outboxes}
    for name, outbox in outboxes.items():
        left[name].merge(outbox.waiting)
        left[name].merge(outbox.sending)
    if not any(left.values()):
        return {}
    return {
        name: {"lines": whole.lines, "failed": whole.failed, "named": whole.named}
        for name, whole in left.items()
    }


def _write(spool: Path | None, left: Mapping[str, Any]) -> None:
    if spool is None:
        return
    new = spool.with_name(f"{spool.name}.new")
    try:
        if not left:
            spool.unlink(missing_ok=True)
            return
        spool.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
            json.dump(left, file)
        new.replace(spool)
    except OSError as e:
        log.debug("notify.spool", reason=str(e))
