"""``glimpsed check``: what is wrong with config, folders, ledger and models, before the daemon finds out."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from glimpsed import extras
from glimpsed.cli import as_service as service
from glimpsed.cli.common import Invocation, common_options, config_file, json_option, load_config, print_json
from glimpsed.disk.owner import user
from glimpsed.errors import ConfigError, VisionError
from glimpsed.model import shown

if TYPE_CHECKING:
    from glimpsed.cli.examine import FolderReport
    from glimpsed.cli.online import ModelReport, OnReport
    from glimpsed.config import Config, ModelEntry

NOT_PERMITTED = 77  # as sysexits(3) has it


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """All that was found."""

    config: str
    looked_as: str  # the user whose rights were looked at
    ledger: str
    ledger_problem: str | None
    folders: dict[str, FolderReport]
    models: dict[str, ModelReport]
    missing: list[str]  # extras that this config needs
    notes: list[str]

    @property
    def ok(self) -> bool:
        """Whether everything can work."""
        parts: list[FolderReport | ModelReport] = [*self.folders.values(), *self.models.values()]
        return not (self.ledger_problem or self.missing or any(part.problem for part in parts))

    @property
    def exit_code(self) -> int:
        """69 when a model did not answer, 77 when this user may not use the ledger, 1 when something else is wrong."""
        if any(model.reachable is False for model in self.models.values()):
            return VisionError.exit_code
        if "permission" in (self.ledger_problem or "").lower():
            return NOT_PERMITTED
        return 0 if self.ok else 1


@click.command("check")
@click.option("--online", is_flag=True, help="Also ask each model about a tiny image.")
@click.option(
    "--config-only", is_flag=True, help="Only whether the config is right: 0 or 78, and nothing to read."
)
@click.option(
    "--as-service",
    metavar="[UNIT]",
    is_flag=False,
    flag_value=service.UNIT,
    help="Look from inside this unit's sandbox, with its user, config and credentials; takes root.",
)
@json_option
@common_options
def command(*, online: bool, config_only: bool, as_service: str | None, as_json: bool) -> int:
    """Look at the config, the folders, the ledger and the models; create and change nothing.

    Exits 0 when all is well, 1 when a check failed, 77 when the ledger may not be used by whoever looks, 78 when the
    config is wrong, and with --online 69 when a model cannot be reached.

    \b
    Examples:
      glimpsed check
      glimpsed check --online              asks every model, which costs a few tokens
      glimpsed check -c new.yaml --json    for scripts
      sudo glimpsed check --as-service     as glimpsed.service sees it
      sudo glimpsed check --as-service glimpsed@office
    """
    if as_service is not None:
        options = {"--online": online, "--config-only": config_only, "--json": as_json}
        given = click.get_current_context().ensure_object(Invocation).config
        return service.run(as_service, [o for o, is_given in options.items() if is_given], given)
    try:
        config = load_config()
        if config.notify is not None:
            from glimpsed.service.alerts import connected  # with all of the daemon

            connected(config.notify)
    except ConfigError as e:
        if as_json:
            print_json(_bad_config(e))
        raise
    if config_only:
        return 0
    report = examine(config, online=online)
    if not as_json:
        _show_parts(report)
    waiting = _ask(config, report, online=online, told=_nothing if as_json else _show_model)
    if as_json:
        print_json(_as_data(report))
    else:
        _show_rest(report, online=online and waiting)
    return report.exit_code


def examine(config: Config, *, online: bool) -> Report:
    """Look at every part."""
    from glimpsed.cli import examine as parts
    from glimpsed.cli.online import ModelReport
    from glimpsed.config import state_url

    url = state_url(config)
    needed, formats = parts.missing_extras(config)
    notes = list(parts.notes(config))
    if formats:
        notes.append(f"not installed, so such files fail: {extras.command(*formats)}")
    if online:
        keyless = [(name, where) for name, entry in config.models.items() if (where := _keyless(entry))]
        notes += [f"model {name} was not asked: there is no API key in {where}" for name, where in keyless]
    if os.geteuid() == 0:
        notes.append("root may read and write nearly everywhere; --as-service looks with the daemon's rights")
    return Report(
        config=shown(str(config.file)),
        looked_as=user(os.geteuid()),
        ledger=_place(url),
        ledger_problem=parts.ledger_problem(url),
        folders={name: parts.folder_report(folder) for name, folder in config.folders.items()},
        models={
            name: ModelReport(
                entry.api, None, parts.model_problem(entry) if online or name in config.used_models else None
            )
            for name, entry in config.models.items()
        },
        missing=needed,
        notes=notes,
    )


def _ask(config: Config, report: Report, *, online: bool, told: OnReport) -> bool:
    """Ask each model that can be, and put what comes of it into the report; false: none were to be asked."""
    from glimpsed import journal
    from glimpsed.cli.online import ask_all

    asked = [
        entry
        for name, entry in config.models.items()
        if online and not report.models[name].problem and not _keyless(entry)
    ]
    for name, model in report.models.items():
        if config.models[name] not in asked:
            told(name, model)
    if not asked:
        return online

    def known(name: str, model: ModelReport) -> None:
        report.models[name] = model
        told(name, model)

    journal.silence()  # what the client logs is told here
    if sys.stderr.isatty():
        click.echo(shown(f"asking {', '.join(entry.name for entry in asked)} …"), err=True)
    ask_all(config, asked, known)
    return True


def _nothing(name: str, model: ModelReport) -> None:
    """Told at the end, all at once."""


def _keyless(entry: ModelEntry) -> str | None:
    """Where the model's key should come from, if it is not there: a config error as soon as a folder uses it."""
    from glimpsed.config.files import key_source

    return key_source(entry) if entry.key is None else None


def _place(url: str) -> str:
    """The ledger's file, or its URL without the password."""
    from glimpsed.ledger.engine import parsed, told

    place = parsed(url)
    file = place.database if place.get_backend_name() == "sqlite" else None
    return shown(file or told(place))


def _as_data(report: Report) -> dict[str, Any]:
    """The documented shape (DESIGN 6), and a little more."""
    return {
        "ok": report.ok,
        "config": report.config,
        "looked_as": report.looked_as,
        "folders": {name: dataclasses.asdict(folder) for name, folder in report.folders.items()},
        "models": {name: dataclasses.asdict(model) for name, model in report.models.items()},
        "ledger": {"place": report.ledger, "problem": report.ledger_problem},
        "missing_extras": report.missing,
        "notes": report.notes,
    }


def _bad_config(error: ConfigError) -> dict[str, Any]:
    problems = [dataclasses.asdict(problem) for problem in error.problems]
    file = config_file()
    config = shown(str(file)) if file else None
    return {"ok": False, "config": config, "folders": {}, "models": {}, "problems": problems}


def _show_parts(report: Report) -> None:
    """For people: a line for everything, what is wrong in red."""
    from glimpsed.discover.passed import in_words

    _line("config", report.config, None)
    _line("looked as", report.looked_as, None)
    problem = report.ledger_problem  # of a server, it begins with the URL as well
    _line("ledger", report.ledger, problem and problem.removeprefix(f"{report.ledger}: "))
    for name, folder in report.folders.items():
        how = f"{folder.path}  {folder.filesystem}, {folder.mode}" if folder.mode else folder.path
        why = f" ({folder.reason})" if folder.reason else ""
        _line(f"folder {name}", how + why, folder.problem)
        if folder.passed_over:
            click.echo(f"        passed over by their ending: {shown(in_words(folder.passed_over))}")


def _show_model(name: str, model: ModelReport) -> None:
    """As soon as it is known."""
    asked = f", answered in {model.seconds:g} s" if model.reachable else ""
    _line(f"model {name}", model.api + asked, model.problem)


def _show_rest(report: Report, *, online: bool) -> None:
    if report.missing:
        _line(
            "extras",
            extras.command(*report.missing),
            "this config needs what is not installed",
        )
    for note in report.notes:
        click.echo(f"{click.style('note', fg='yellow')}  {shown(note)}")
    if not online and any(model.api != "local" for model in report.models.values()):
        click.echo(f"{click.style('note', fg='yellow')}  models were not asked; --online does")


def _line(what: str, how: str, problem: str | None) -> None:
    if problem is None:
        click.echo(f"{click.style('ok', fg='green')}    {shown(f'{what}  {how}')}")
    else:
        click.echo(f"{click.style('FAIL', fg='red', bold=True)}  {shown(f'{what}  {how}: {problem}')}")
