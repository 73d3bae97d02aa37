"""``on_done: command``: a program of the administrator's, told which file is done. No shell, no keys."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Sequence
from typing import Self

from glimpsed.config.schema import Folder
from glimpsed.journal import events, get_logger
from glimpsed.model import Written, shown
from glimpsed.sidecar.render import names, stem

log = get_logger()

LIMIT = 300.0  # seconds
LINGER, LOOK = 10.0, 0.05  # seconds that what it left in the background is waited for, and looked after
# Bytes of its standard error that are kept, and read at a time: a pipe holds 16 times that.
PART, PARTS = 4096, 16
LONGEST = 200  # characters of a line that is shown
# What the program gets of the environment. API keys are in there somewhere, under names that we cannot
# know: so nothing else.
_PASSED = re.compile(r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


async def run(
    folder: Folder,
    path: str,
    relpath: str,
    written: Sequence[Written],
    *,
    limit: float = LIMIT,
    linger: float = LINGER,
) -> str | None:
    """Run the folder's command for this finished image; why it failed, None when it did not.

    `path` is where the image is now, absolute; `relpath` what the folder knew it as. ``{path}``,
    ``{name}``, ``{stem}``, ``{folder}``, ``{relpath}`` and, for each output, ``{text_path}``,
    ``{json_path}``, … are filled in within each argument, and set as ``GLIMPSED_PATH`` and so on. After
    `limit` seconds the program and what it started are killed. The reason ends with the last line of its standard error.
    What it leaves in the background may write to the image as well: that is waited for, for `linger` seconds.
    """
    values = _values(folder, path, relpath, {w.name for w in written})
    started = time.monotonic()
    code, trouble, said = await _run(_arguments(folder, values), _environment(values), limit, linger)
    reason = trouble or (None if code == 0 else f"exit code {code}")
    (log.info if reason is None else log.warning)(
        events.FILE_COMMAND,
        folder=folder.name,
        file=shown(relpath),
        exit_code=code,
        seconds=round(time.monotonic() - started, 3),
        reason=reason,
    )
    return reason and f"the command: {reason}{f': {said}' if said else ''}"


def _values(folder: Folder, path: str, relpath: str, there: set[str]) -> dict[str, str]:
    directory, _, name = path.rpartition("/")
    values = {"path": path, "name": name, "stem": stem(name), "folder": folder.name, "relpath": relpath}
    for kind, sidecar in names(folder, name).items():
        if sidecar in there:
            values["text_path" if kind == "txt" else f"{kind}_path"] = f"{directory}/{sidecar}"
    return values


def _arguments(folder: Folder, values: dict[str, str]) -> list[str]:
    command = folder.on_done.command
    assert command is not None
    return [_PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), argument) for argument in command]


def _environment(values: dict[str, str]) -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
    return passed | {f"GLIMPSED_{name.upper()}": value for name, value in values.items()}


async def _run(
    arguments: list[str], environment: dict[str, str], limit: float, linger: float
) -> tuple[int | None, str | None, str]:
    """The exit code, or what went wrong; and the last line that it said on standard error."""
    nothing = asyncio.subprocess.DEVNULL  # its output may hold answers, which belong in no log
    with _Heard() as heard:
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=nothing,
                stdout=nothing,
                stderr=heard.end,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except (OSError, ValueError) as e:
            why = os.strerror(e.errno) if isinstance(e, OSError) and e.errno else "bad name"
            return None, f"cannot be started: {why}", ""
        try:
            async with asyncio.timeout(limit):
                code = await process.wait()
        except TimeoutError:
            return None, f"killed after {limit:g} s", heard.last_line()
        else:
            if code == 0:
                await _ended(process.pid, linger)
            return code, None, heard.last_line()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await asyncio.shield(process.wait())


async def _ended(group: int, linger: float) -> None:
    """Return once no process of the group is left, or after `linger` seconds."""
    with contextlib.suppress(TimeoutError, ProcessLookupError, PermissionError):
        async with asyncio.timeout(linger):
            while True:
                os.killpg(group, 0)
                await asyncio.sleep(LOOK)


class _Heard:
    """The end of what a program says, however much that is, and whoever keeps its standard error open after it."""

    def __enter__(self) -> Self:
        self._tail = b""
        self._ours, self.end = os.pipe()
        os.set_blocking(self._ours, False)
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)
        os.close(self.end)

    def _read(self) -> bool:
        try:
            part = os.read(self._ours, PART)
        except BlockingIOError:
            return False
        self._tail = (self._tail + part)[-PART:]
        return bool(part)

    def last_line(self) -> str:
        """As it may be shown; empty when it said nothing."""
        for _ in range(PARTS):  # what is in the pipe still
            if not self._read():
                break
        lines = self._tail.decode("utf-8", "replace").split("\n")
        return next((shown(line.strip())[:LONGEST] for line in reversed(lines) if line.strip()), "")
