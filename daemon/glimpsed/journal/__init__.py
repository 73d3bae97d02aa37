"""structlog, towards journald, a console or JSON lines.

    log.info(FILE_DONE, folder=…) -> level, time, call site -> redacted -> writer thread -> flood -> sink

The standard library's logging, warnings and dying threads take the same way, as events `LIBRARY`, so
that nothing else is ever on stderr. `configure` decides where the log goes, `close` writes what waits.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

import structlog

from glimpsed.errors import MissingExtra
from glimpsed.journal import foreign, sinks
from glimpsed.journal.writer import Writer
from glimpsed.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableMapping

    from glimpsed.journal.sinks import Sink

Target: TypeAlias = Literal["journald", "console", "json", "stderr"]
_LEVELS = logging.getLevelNamesMapping()
_CLOSE_SECONDS = 2.0  # for a reader of the log that hangs, at the end of the program


class Settings(Protocol):
    """The ``log`` section of the config."""

    @property
    def target(self) -> Literal["auto", "journald", "json", "console"]: ...  # noqa: D102
    @property
    def level(self) -> Literal["debug", "info", "warning", "error"]: ...  # noqa: D102


class _Log:
    """What `configure` set up, until `close`."""

    def __init__(self) -> None:
        self.writer: Writer | None = None
        self.target: Target | None = None
        self.redact = Redactor()
        self.overheard: Callable[[Mapping[str, Any]], None] | None = None
        self.level = logging.INFO  # of what is written

    def filter(self) -> None:
        """What is beneath the level is not even looked at, but for what is overheard: that may be worth telling."""
        if self.writer is None:
            return
        least = self.level if self.overheard is None else min(self.level, logging.INFO)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(least))

    def take(self, record: Mapping[str, Any], *, written: bool = True) -> None:
        """Clean a record and hand it to the writer, and to whoever overhears."""
        if self.writer is not None:
            clean = self.redact(record)
            if written:
                self.writer.put(clean)
            if self.overheard is not None:
                self.overheard(clean)


_log = _Log()


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger that every module uses: ``log.info(FILE_DONE, folder=…, file=…)``."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())


def configure(log: Settings, *, secrets: Iterable[str] = (), env: Mapping[str, str] = os.environ) -> Target:
    """Send the log where the config says, from now on; the target that it came to.

    `secrets` are removed wherever they turn up. May be called again, after a reload.
    """
    target, sink, problem = _choose(log.target, env)
    _log.redact = Redactor(secrets)
    before = _log.writer
    if before is None or target != _log.target:
        _log.writer, _log.target = Writer(sink), target
        if before is not None:
            before.close(_CLOSE_SECONDS)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_call_site()] if target == "journald" else []),
            structlog.processors.format_exc_info,
            _take,
        ],
        cache_logger_on_first_use=False,
    )
    _log.level = _LEVELS[log.level.upper()]
    _log.filter()
    foreign.listen(_log.take)
    if problem:
        _log.take(foreign.record("warning", "glimpsed.journal", problem))
    return target


def overhear(heard: Callable[[Mapping[str, Any]], None] | None) -> None:
    """Have every record of level info or above, without secrets, told to this, whatever is logged; None: to nobody.

    From whatever thread logs: it must neither block nor log at that level itself.
    """
    _log.overheard = heard
    _log.filter()


def silence() -> None:
    """No log at all: a command shows on the terminal what it does."""
    close()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),  # what is critical, too, goes nowhere
    )
    foreign.listen(lambda _: None)


def flush(seconds: float = _CLOSE_SECONDS) -> bool:
    """Wait until what was logged so far is written, at most so long."""
    return _log.writer is None or _log.writer.flush(seconds)


def close() -> None:
    """Write what waits, and let go of logging, warnings and hooks."""
    _finish()
    foreign.let_go()
    structlog.reset_defaults()


@atexit.register
def _finish() -> None:
    """Write what waits. What threads say after that goes nowhere, where structlog's default would print it."""
    writer, _log.writer = _log.writer, None
    if writer is not None:
        writer.close(_CLOSE_SECONDS)


def _choose(wanted: str, env: Mapping[str, str]) -> tuple[Target, Sink, str | None]:
    """Target, how to write to it, and what is not as it was wanted."""
    stderr = _stderr()
    under_journald = sinks.journald_reads(stderr, env.get("JOURNAL_STREAM"))
    if wanted == "journald" or (wanted == "auto" and under_journald):
        try:
            if (sink := sinks.journald()) is not None:
                return "journald", sink, None
        except MissingExtra as e:
            return "stderr", sinks.prefixed, f"logging to stderr, without fields: {e}"
        problem = "There is no journal to be reached here: logging to stderr."
        if under_journald:
            return "stderr", sinks.prefixed, problem
        return "json", sinks.json_lines, problem
    if wanted == "console" or (wanted == "auto" and os.isatty(stderr)):
        return "console", sinks.console, None
    return "json", sinks.json_lines, None


def _stderr() -> int:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # replaced by something without one
        return sys.stderr.fileno()
    return 2


def _call_site() -> structlog.typing.Processor:
    parameter = structlog.processors.CallsiteParameter
    adder = structlog.processors.CallsiteParameterAdder(
        {parameter.PATHNAME, parameter.LINENO, parameter.FUNC_NAME}, additional_ignores=["glimpsed.journal"]
    )

    def add(logger: Any, method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        found = cast("dict[str, Any]", adder(logger, method, dict(record)))
        record["code_file"], record["code_line"] = found["pathname"], found["lineno"]
        record["code_func"] = found["func_name"]
        return record

    return add


def _take(logger: Any, method: str, record: MutableMapping[str, Any]) -> str:  # noqa: ARG001 -- structlog's signature
    _log.take(record, written=_LEVELS[str(record["level"]).upper()] >= _log.level)
    raise structlog.DropEvent
