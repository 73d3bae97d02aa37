"""What every command shares: where the config is, and how to print."""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    from glimpsed.config import Config
    from glimpsed.errors import GlimpsedError

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Invocation:
    """What the options that stand before or after a command's name say; click's context carries it."""

    config: Path | None = None
    debug: bool = False


class NamedPath(click.Path):
    """A path that is given by name: an empty one, of a variable that is not set in a script, would be the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; refuses an empty one."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


class OutputFile(NamedPath):
    """Where a command writes to, as a `Path`; ``-`` is `STDOUT` where the command can, and never a file of that name."""

    def __init__(self, *, stdout: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=False)
        self._stdout = stdout

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; refuses ``-`` where it means nothing, and a directory's, there or not: `Path` forgets the slash."""
        if value == "-" and not self._stdout:
            self.fail("this cannot go to standard output: name a file", param, ctx)
        if str(value).endswith("/"):
            self.fail(f"{value} is a directory: name a file", param, ctx)
        return super().convert(value, param, ctx)


STDOUT = Path("-")
NO_FOLDERS = "No folders yet: 'glimpsed init' writes a config to start with."


def unwritable(path: Path, error: OSError, done: str = "written") -> GlimpsedError:
    """What is said of an output that cannot be `done`: other rights are needed, or another place."""
    from glimpsed.disk.owner import denied
    from glimpsed.errors import NotPermitted, UsageError
    from glimpsed.model import shown

    if isinstance(error, PermissionError):
        return NotPermitted(f"{shown(str(path))} cannot be {done}: {denied(path)}")
    return UsageError(f"{shown(str(path))} cannot be {done}: {error.strerror}")


def _set_config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        context.ensure_object(Invocation).config = value


def _set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Invocation).debug = True


def common_options(function: Callable[P, T]) -> Callable[P, T]:
    """``-c/--config`` and ``--debug``, which every command takes; `config_file` and `load_config` read them."""
    config = click.option(
        "-c",
        "--config",
        type=NamedPath(path_type=Path, readable=False),  # `load` says what is wrong with it
        expose_value=False,
        is_eager=True,
        callback=_set_config,
        metavar="FILE",
        help="Config file; default: $GLIMPSED_CONFIG, ./glimpsed.yaml, then the user's, then /etc's.",
    )
    debug = click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show where an unexpected error happened.",
    )
    return config(debug(function))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


@contextlib.contextmanager
def importing(*, unneeded: Sequence[str] = ()) -> Iterator[None]:
    """While a command imports what it runs: that stays, and is not looked through for garbage, now or later.

    `unneeded`: what libraries import for themselves wherever it is installed; None in its place is an ImportError to them.
    """
    hidden = [name for name in unneeded if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        for name in hidden:
            del sys.modules[name]


def config_file() -> Path | None:
    """The file that ``-c`` names, else the first one of the lookup order; None when there is none."""
    from glimpsed import config

    return click.get_current_context().ensure_object(Invocation).config or config.find()


def load_config(*, asked: tuple[str, ...] = ()) -> Config:
    """The config. `asked`: models that the command uses beyond those of the folders. Raises `ConfigError`."""
    with importing():
        from glimpsed import config

    return config.load(config_file(), asked=asked)


def _known(context: click.Context) -> Config | None:
    """For a shell that completes a name: the config, as far as it can be understood while somebody still edits it."""
    from glimpsed import config
    from glimpsed.errors import ConfigError

    given = context.find_object(Invocation)
    file = (given and given.config) or config.find()
    with contextlib.suppress(ConfigError):
        return config.usable(file) if file else None
    return None


def folder_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """For a shell that completes the name of a folder: those of the config."""
    known = _known(context)
    return [name for name in known.folders if name.startswith(incomplete)] if known else []


def model_names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """For a shell that completes the name of a model: those of the config."""
    known = _known(context)
    return [name for name in known.models if name.startswith(incomplete)] if known else []


def directories(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For a shell that completes a folder's path, which is no file."""
    return [CompletionItem(incomplete, type="dir")]


def names_or_directories(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """For a folder that may be given by its name, or else by its path."""
    names = [CompletionItem(name) for name in folder_names(context, parameter, incomplete)]
    return names or directories(context, parameter, incomplete)


def print_json(data: Any) -> None:
    """Data for programs: to stdout, Unicode as it is, but for what could tell a terminal something."""
    from glimpsed.model import json_shown

    click.echo(json_shown(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)))


def say(text: str, *, error: bool = False) -> None:
    """A line for people, or several, as it is and however wide: only what could tell a terminal something is escaped."""
    from glimpsed.model import on_terminal, shown

    terminal = (sys.stderr if error else sys.stdout).isatty()
    click.echo(on_terminal(text) if terminal else shown(text, lines=True), err=error)


@functools.cache
def out() -> Console:
    """For people: stdout. Square brackets are text, colour only on a terminal, and what comes from outside is `shown`."""
    return _console(stderr=False)


@functools.cache
def err() -> Console:
    """For diagnostics: stderr."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console
    from rich.segment import Segment

    from glimpsed.model import on_terminal, shown

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    safely = on_terminal if terminal else functools.partial(shown, lines=True)

    class Pipe(Console):
        def render(
            self, renderable: RenderableType, options: ConsoleOptions | None = None
        ) -> Iterable[Segment]:
            """Colours and the cursor are segments of their own: in a text there is nothing for a terminal."""
            for segment in super().render(renderable, options):
                text = segment.text
                safe = segment.control or text.isprintable() or text == "\n"
                yield segment if safe else Segment(safely(text), segment.style)

        def on_broken_pipe(self) -> None:
            """For `main` to see, as from every other command; rich would exit with 1."""
            raise BrokenPipeError

    # Rich would cut tables at 80 columns where there is no terminal to say how wide it is.
    return Pipe(stderr=stderr, markup=False, highlight=False, emoji=False, width=None if terminal else 200)


@contextlib.contextmanager
def looking_at(what: str) -> Iterator[None]:
    """A spinner, at a terminal, while something takes a while."""
    console = err()
    with console.status(f"looking at {what}") if console.is_terminal else contextlib.nullcontext():
        yield
