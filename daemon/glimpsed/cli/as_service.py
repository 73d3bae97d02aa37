"""``glimpsed check --as-service``: the same look, from inside a unit's sandbox and with its credentials.

The unit's own settings (as `systemctl cat` has them, drop-ins included) are given to a service of a moment, which runs
``glimpsed check`` as the unit runs ``glimpsed run``: by the same program, config, user and groups, with the same
directories open and the same keys.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from glimpsed.errors import NotPermitted, UsageError
from glimpsed.model import shown

UNIT = "glimpsed.service"
_LOOK = 0.1  # seconds between two looks at what it has written
_STARTS = 30.0  # seconds that systemd may take to answer
# What says how the daemon is started, watched and ended, not what it may do. RemoveIPC and
# RuntimeDirectory would take the running daemon's own away at the end.
_NOT_TAKEN = re.compile(
    r"Exec.*|Type|NotifyAccess|Restart.*|Timeout.*|Watchdog.*|.*Kill.*|Standard.*|RemainAfterExit|RemoveIPC|"
    r"SuccessExitStatus|PIDFile|BusName|OOMPolicy|FileDescriptorStore.*|Sockets|NonBlocking|GuessMainPID|USB.*|"
    r"StartLimit.*|Runtime.*|Reload.*"
)
_SET_UP = {  # systemd's own exit statuses (systemd.exec(5)) -> what to do
    203: "its program cannot be started (203/EXEC)",
    216: "its Group= or SupplementaryGroups= is not there (216/GROUP)",
    217: "its User= is not there (217/USER)",
    226: "one of its paths is not there, a folder in ReadWritePaths= perhaps: create or mount it (226/NAMESPACE)",
    238: "its StateDirectory= cannot be made (238/STATE_DIRECTORY)",
    239: "its CacheDirectory= cannot be made (239/CACHE_DIRECTORY)",
    243: "a credential of its LoadCredential= is not there or cannot be read (243/CREDENTIALS)",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """What there is to know of a unit: `settings` in their order, the words of its `start`."""

    name: str
    settings: tuple[tuple[str, str], ...]
    start: tuple[str, ...]

    @property
    def config(self) -> str | None:
        """The config that it is started with."""
        given = zip(self.start, self.start[1:], strict=False)
        return next((value for key, value in given if key in {"-c", "--config"}), None)


def run(name: str, arguments: Sequence[str], config: Path | None) -> int:
    """Run ``glimpsed check ARGUMENTS`` as the unit would; its exit code. Raises `NotPermitted`, `UsageError`."""
    if os.geteuid() != 0:
        raise NotPermitted(
            "to look from inside a unit's sandbox takes root: sudo glimpsed check --as-service"
        )
    unit = read(name if name.endswith(".service") else f"{name}.service")
    file = str(config) if config else unit.config
    where = ["-c", os.path.abspath(file)] if file else []
    command = [unit.start[0], "check", *where, *arguments]
    click.echo(shown(f"as {unit.name}: {shlex.join(command)}"), err=True)
    return _run(unit, command)


def read(name: str) -> Unit:
    """A unit as systemd has it. Raises `UsageError` where there is none of this name."""
    try:
        cat = _systemctl("cat", "--", name)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        raise UsageError("there is no systemd here to ask about units") from None
    if cat.returncode != 0:
        raise UsageError(f"no unit {shown(name)}: {shown('; '.join(cat.stderr.strip().splitlines()))}")
    return parse(name, cat.stdout)


def parse(name: str, text: str) -> Unit:
    """The unit of this `systemctl cat`: settings of its [Service], a later ExecStart= instead of an earlier one."""
    settings, start = [], ""
    for key, raw in _service_lines(text):
        value = specified(raw, name)
        if key == "ExecStart":
            start = value or start
        elif not _NOT_TAKEN.fullmatch(key):
            settings.append((key, value))
    words = shlex.split(start.lstrip("@-:+!"))
    if not words:
        raise UsageError(f"{shown(name)} starts no program")
    return Unit(name, tuple(settings), tuple(words))


def _service_lines(text: str) -> Iterator[tuple[str, str]]:
    """Each assignment of the sections [Service], its continued lines in one."""
    section = ""
    for line in re.sub(r"\\\n(?:[#;].*\n)*", " ", text).splitlines():
        if line.startswith("["):
            section = line.strip()
        elif section == "[Service]" and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def specified(value: str, name: str) -> str:
    """A setting with the specifiers of systemd.unit(5) that name a unit or a directory filled in."""
    whole = name.rpartition(".")[0]
    prefix, _, instance = whole.partition("@")
    known = {"i": instance, "I": instance.replace("-", "/"), "p": prefix, "P": prefix.replace("-", "/"), "n": name,
             "N": whole, "S": "/var/lib", "E": "/etc", "t": "/run", "C": "/var/cache", "L": "/var/log",
             "%": "%"}  # fmt: skip
    return re.sub(r"%(.)", lambda found: known.get(found[1], found[0]), value)


def _run(unit: Unit, command: Sequence[str]) -> int:
    """Start it, print what it writes as it comes, wait for its end.

    Not by ``--pipe --wait``: these need the system's message bus, which a small server has not.
    """
    moment = f"glimpsed-check-{os.getpid()}.service"
    with tempfile.TemporaryDirectory(prefix="glimpsed-check-") as place:
        files = [os.path.join(place, name) for name in ("stdout", "stderr")]
        properties = [*unit.settings, ("Type", "oneshot"), ("WorkingDirectory", "/"), ("TimeoutStartSec", "infinity"),
                      ("StandardOutput", f"append:{files[0]}"), ("StandardError", f"append:{files[1]}")]  # fmt: skip
        options = [word for key, value in properties for word in ("-p", f"{key}={value}")]
        for file in files:
            open(file, "xb").close()
        ask = ["systemd-run", "--quiet", f"--unit={moment}", *options, "--", *command]
        with subprocess.Popen(  # noqa: S603 -- no shell
            ask, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as asked:
            try:
                _show(files, asked)
            except KeyboardInterrupt:
                _systemctl("stop", moment)
                raise
            told = (asked.stderr.read() if asked.stderr else "").strip()
    status = int(_systemctl("show", "-P", "ExecMainStatus", moment).stdout.strip() or 0)
    _systemctl("reset-failed", moment)
    if status in _SET_UP:
        click.echo(f"FAIL  {shown(unit.name)} cannot be started as it is: {_SET_UP[status]}")
        return 1
    if asked.returncode != 0 and status == 0:  # systemd would not even try
        raise UsageError(f"systemd does not take the settings of {shown(unit.name)}: {shown(told)}")
    return status


def _show(files: Sequence[str], asked: subprocess.Popen[str]) -> None:
    """What is written to these files: to our stdout and stderr, until nothing more comes."""
    with open(files[0], encoding="utf-8", errors="replace") as out, open(files[1], encoding="utf-8", errors="replace") as err:  # fmt: skip
        while True:
            ended = asked.poll() is not None
            for source, to_stderr in ((out, False), (err, True)):
                if text := source.read():
                    click.echo(text, nl=False, err=to_stderr)
            if ended:
                return
            time.sleep(_LOOK)


def _systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- no shell, and systemctl knows where its options end
        ["systemctl", "--no-pager", *arguments],  # noqa: S607 -- root's PATH
        capture_output=True, text=True, timeout=_STARTS, check=False,
    )  # fmt: skip
