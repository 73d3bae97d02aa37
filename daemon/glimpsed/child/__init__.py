"""Processes of our own beside the daemon. This is what their programs need; `start` is the daemon's side."""

import signal

MESSAGE = 65536  # bytes of a message; what is larger goes in a memory file


def ignore_signals() -> None:
    """Signals to the process group are meant for the daemon, which lets us finish."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
