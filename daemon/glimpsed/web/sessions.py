"""Who is let in: a password, sessions that end, tokens that tell our own forms from others', attempts that are slowed."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

SESSION = 12 * 3600.0  # seconds after which one logs in again
MOST_SESSIONS = 1000
FREE_ATTEMPTS = 5  # wrong passwords of one address before it has to wait
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0  # seconds
MOST_WRONG = 100.0  # passwords of all addresses together, each of which counts for a second
MOST_ADDRESSES = 10_000  # that are remembered
_COST = {"n": 2**14, "r": 8, "p": 1}


class Password:
    """A password as its scrypt hash: what it is cannot be read from the process's memory, nor guessed quickly."""

    def __init__(self, password: str, salt: bytes | None = None) -> None:
        self._salt = salt or secrets.token_bytes(16)
        self.hash = self._hashed(password)

    def is_(self, given: str) -> bool:
        """Whether it is this one. Takes some 50 ms, on purpose."""
        return hmac.compare_digest(self.hash, self._hashed(given))

    def _hashed(self, password: str) -> bytes:
        return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=self._salt, **_COST)


@dataclass(frozen=True, slots=True)
class Notice:
    """What came of what was pressed."""

    text: str
    about: str = ""  # the file, as it is shown
    path: str = ""  # of its page


@dataclass(slots=True)
class Sessions:
    """Sessions of those who logged in. Times are `now` of a clock that does not jump."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _ends: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    _notes: OrderedDict[bytes, Notice] = field(default_factory=OrderedDict)  # to be shown once, by cookie

    def begin(self, now: float) -> str:
        """A new session's cookie."""
        cookie = secrets.token_urlsafe(32)
        self._ends[_digest(cookie)] = now + SESSION
        while len(self._ends) > MOST_SESSIONS:
            self._ends.popitem(last=False)
        return cookie

    def alive(self, cookie: str, now: float) -> bool:
        """Whether this cookie is of a session that goes on."""
        return self._ends.get(_digest(cookie), 0.0) > now

    def known(self, cookie: str) -> bool:
        """Whether this cookie is, or was, of a session that nobody ended."""
        return _digest(cookie) in self._ends

    def end(self, cookie: str) -> None:
        """Log out."""
        self._ends.pop(_digest(cookie), None)

    def going_on(self, now: float) -> dict[str, float]:
        """The digest of each session's cookie, and when it ends: what `go_on` takes. From any thread."""
        return {digest.hex(): end for digest, end in list(self._ends.items()) if end > now}

    def go_on(self, ends: Mapping[str, float]) -> None:
        """Sessions of another process. Raises ValueError for what `going_on` does not say."""
        self._ends.update((bytes.fromhex(digest), end) for digest, end in ends.items())

    def note(self, cookie: str, text: str, about: str = "", path: str = "") -> None:
        """Tell whoever has this cookie what came of it, on the next page; `about` what, and where that is."""
        self._notes[_digest(cookie)] = Notice(text, about, path)
        while len(self._notes) > MOST_SESSIONS:
            self._notes.popitem(last=False)

    def noted(self, cookie: str) -> Notice | None:
        """What was noted, once."""
        return self._notes.pop(_digest(cookie), None)

    def token(self, cookie: str) -> str:
        """What a form of ours carries for whoever has this cookie."""
        return hmac.new(self.secret, cookie.encode(), hashlib.sha256).hexdigest()

    def is_token(self, cookie: str, token: str) -> bool:
        """Whether a form is one of ours."""
        return bool(cookie) and hmac.compare_digest(
            self.token(cookie).encode(), token.encode("utf-8", "replace")
        )


@dataclass(slots=True)
class Attempts:
    """Wrong passwords, by address: after a few, each doubles the time until the next may be tried.

    Whoever has very many addresses is slowed all the same: of all together, so many may be wrong, and then one a second.
    """

    _wrong: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)  # how many, not before
    _all_before: float = -math.inf  # until when what was wrong, from anywhere, counts

    def wait(self, address: str, now: float) -> float:
        """Seconds until this address may try again."""
        alone = self._wrong.get(_network(address), (0, 0.0))[1] - now
        return max(0.0, alone, self._all_before - now - MOST_WRONG)

    def failed(self, address: str, now: float) -> None:
        """One more wrong password."""
        self._all_before = max(now, self._all_before) + 1.0
        key = _network(address)
        count = self._wrong.pop(key, (0, 0.0))[0] + 1
        wait = (
            min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(count - FREE_ATTEMPTS, 20))
            if count >= FREE_ATTEMPTS
            else 0.0
        )
        self._wrong[key] = count, now + wait
        while len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """The right one: what was before is forgotten."""
        self._all_before -= 1.0
        self._wrong.pop(_network(address), None)


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, IPv4's as that also where a socket of both kinds tells it (``::ffff:192.0.2.1``); None: it is none."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def _network(address: str) -> str:
    """An IPv6 host has as many addresses as it likes: its /64 stands for it."""
    parsed = address_of(address)
    if parsed is None or parsed.version == 4:
        return str(parsed or address)
    return str(ipaddress.ip_network((str(parsed), 64), strict=False))
