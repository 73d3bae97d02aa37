"""``glimpsed run``: the daemon."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from glimpsed.cli.common import NamedPath, common_options, config_file, directories, importing
from glimpsed.errors import ConfigError, GlimpsedError, UsageError
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.config import Config

    LogTarget = Literal["auto", "console", "json", "journald"]

_FOR_CONSOLES = ("rich.console", "rich.pretty", "pygments")  # structlog's and httpx's own: 5 MB


@click.command()
@click.argument("folder", required=False, type=NamedPath(path_type=Path), shell_complete=directories)
@click.option(
    "--log",
    "target",
    type=click.Choice(["auto", "console", "json", "journald"]),
    help="Where the log goes, whatever the config says.",
)
@common_options
def command(folder: Path | None, target: LogTarget | None) -> int:
    """Watch the folders of the config until SIGTERM or Ctrl-C; SIGHUP reloads the config.

    With FOLDER, only that folder of the config (by name or path); without any config, that directory,
    read by the embedded OCR model.

    \b
    Examples:
      glimpsed run ~/scans             no config: embedded OCR, .txt and .json beside each image
      glimpsed run -c glimpsed.yaml    every folder of the config
      glimpsed run invoices            one folder of the config
    """
    with importing(unneeded=_FOR_CONSOLES):
        from glimpsed import journal
        from glimpsed.config import Log
        from glimpsed.service import Service, run
        from glimpsed.service.alerts import connected, telling
        from glimpsed.web import beside

    file = config_file()

    def load() -> Config:
        found = config_for(folder, file)
        if target is not None:
            found = found.model_copy(update={"log": found.log.model_copy(update={"target": target})})
        return found

    try:
        config = load()
    except ConfigError as e:
        if journal.configure(Log()) == "console":
            raise  # a person reads it: plain lines
        _log_end(e)
        return e.exit_code

    to = journal.configure(config.log, secrets=config.secrets)

    def load_again() -> Config:
        found = load()
        if found.notify is not None and found.notify != config.notify:
            connected(found.notify)  # the next start would fail on it
        return found

    def log_as(new: Config) -> None:
        journal.configure(new.log, secrets=new.secrets)

    try:
        with telling(config.notify, beside_ledger(config, ".notices")):
            aside = beside_ledger(config, ".unkept")
            run(Service(config, reload=load_again, reloading=log_as, beside=beside, aside=aside))
    except GlimpsedError as e:
        if to == "console":
            raise
        _log_end(e)
        return e.exit_code
    return 0


def beside_ledger(config: Config, suffix: str) -> Path:
    """Where what waits is kept: messages that are not sent, answers that the ledger does not take.

    That is beside the ledger, or where it would be, were it not on a server.
    """
    from glimpsed.config import state_url

    url = state_url(config)
    if not url.startswith("sqlite"):
        url = state_url(config.model_copy(update={"state": None}))
    return Path(url.partition(":///")[2].partition("?")[0]).with_suffix(suffix)


def _log_end(error: GlimpsedError) -> None:
    """Why it does not run, where the log goes: ``target: json`` has nothing else on stderr (DESIGN 10)."""
    from glimpsed import journal
    from glimpsed.journal import events

    log = journal.get_logger()
    if isinstance(error, ConfigError):
        for problem in error.problems:
            log.error(events.CONFIG_ERROR, reason=str(problem))
    else:
        log.error(events.SERVICE_STOPPED, reason=str(error))


def config_for(folder: Path | None, file: Path | None) -> Config:
    """The config, cut to one folder if one is named; of that directory alone where there is no config.

    Raises `UsageError` when the config has no such folder.
    """
    from glimpsed import config

    if folder is None:
        return config.load(file)
    if file is None:
        return config.for_folder(folder)
    whole = config.load(file)
    real = os.path.realpath(folder)
    chosen = {n: f for n, f in whole.folders.items() if n == str(folder) or os.path.realpath(f.path) == real}
    if not chosen:
        known = ", ".join(whole.folders) or "none"
        raise UsageError(f"{shown(str(folder))} is not a folder of {file}, which has: {known}")
    return whole.model_copy(update={"folders": chosen})
