"""``on_done: command``: a program of the administrator's, told which file is done. No shell, no keys."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import Sequence

from glimpsed.config.schema import Folder
from glimpsed.journal import events, get_logger
from glimpsed.model import Written, shown
from glimpsed.sidecar.render import names, stem

log = get_logger()

LIMIT = 300.0  # seconds
# What the program gets of the environment. API keys are in there somewhere, under names that we cannot
# know: so nothing else.
_PASSED = re.compile(r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


async def run(
    folder: Folder, path: str, relpath: str, written: Sequence[Written], *, limit: float = LIMIT
) -> int | None:
    """Run the folder's command for this finished image; its exit code, None when it had none.

    `path` is where the image is now, absolute; `relpath` what the folder knew it as. ``{path}``,
    ``{name}``, ``{stem}``, ``{folder}``, ``{relpath}`` and, for each output, ``{text_path}``,
    ``{json_path}``, … are filled in within each argument, and set as ``GLIMPSED_PATH`` and so on. After
    `limit` seconds the program and what it started are killed. Never raises: nothing is undone for it.
    """
    values = _values(folder, path, relpath, {w.name for w in written})
    started = time.monotonic()
    code, trouble = await _run(_arguments(folder, values), _environment(values), limit)
    reason = trouble or (None if code == 0 else f"exit code {code}")
    (log.info if reason is None else log.warning)(
        events.FILE_COMMAND,
        folder=folder.name,
        file=shown(relpath),
        exit_code=code,
        seconds=round(time.monotonic() - started, 3),
        reason=reason,
    )
    return code


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
    arguments: list[str], environment: dict[str, str], limit: float
) -> tuple[int | None, str | None]:
    """The exit code, or what went wrong."""
    nothing = asyncio.subprocess.DEVNULL  # its output may hold answers, which belong in no log
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as e:
        return (
            None,
            f"cannot be started: {os.strerror(e.errno) if isinstance(e, OSError) and e.errno else 'bad name'}",
        )
    try:
        async with asyncio.timeout(limit):
            return await process.wait(), None
    except TimeoutError:
        return None, f"killed after {limit:g} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
