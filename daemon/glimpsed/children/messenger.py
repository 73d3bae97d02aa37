"""One message to one of Apprise's services, sent by a process that ends with it.

What a service answers is read by libraries that know no end, neither of its size nor of its time. Here it may fill little
memory, and the whole is given up after a while: the daemon loses a process, and the message is sent again.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from typing import Any

from glimpsed.children.program import Limits, confine, end_with_daemon, ignore_signals

SECONDS = 60.0  # that a message may take, the start of its process included
_ROOM = 256_000_000  # bytes beyond what is used once Apprise is there


def deliver(url: str, title: str, text: str, seconds: float = SECONDS) -> bool:
    """Whether the service took it. Raises OSError when no process can be started.

    The address goes through a pipe: it holds a password, and arguments are everybody's to read.
    """
    message = json.dumps({"url": url, "title": title, "text": text})
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            # -P: a folder that we are started in must not get to say what 'apprise' is
            [sys.executable, "-P", "-m", __name__],
            input=message.encode(),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    """Send what standard input says; 0: it was taken."""
    ignore_signals()
    end_with_daemon()
    message = json.load(sys.stdin)
    import apprise  # noqa: PLC0415 - an optional extra
    from requests import Response  # noqa: PLC0415 - by which Apprise sends
    from requests.sessions import SessionRedirectMixin as Redirects  # noqa: PLC0415

    logging.disable()  # what it says may hold parts of the address
    follow = Redirects.get_redirect_target

    def kept(self: Redirects, resp: Response) -> str | None:
        """A redirect that makes a GET of a POST loses the message, and 200 to that is no delivery."""
        loses = resp.request.method == "POST" and resp.status_code not in (307, 308)
        return None if loses else follow(self, resp)

    Redirects.get_redirect_target = kept  # type: ignore[method-assign]
    confine(Limits(address_space=_used() + _ROOM))
    service: Any = apprise.Apprise.instantiate(message["url"])
    return 0 if service.notify(body=message["text"], title=message["title"], body_format="text") else 1


def _used() -> int:
    """Bytes of address space, so far."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
