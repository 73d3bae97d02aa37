"""Workbench: a prompt, a schema, a few files, up to three models; nothing is written, nothing is remembered (DESIGN 13)."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import Response

from glimpsed import bounded
from glimpsed.config.schema import Folder
from glimpsed.desk import Desk, orders
from glimpsed.desk.trying import read_all
from glimpsed.errors import ShareTrouble, UsageError
from glimpsed.language import N_, Language, told, translator
from glimpsed.ledger import FileRow
from glimpsed.model import Answer
from glimpsed.report import ReportPart, parts
from glimpsed.schemas import sound
from glimpsed.web.actions import chosen, in_one
from glimpsed.web.others import paused_of, within_budget
from glimpsed.web.pages import form_of, language_of, render, site_of

LARGEST_SCHEMA = 200_000  # characters of one that is typed
MOST_FILES, MOST_MODELS = 5, 3


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be tried, as the form has it."""

    prompt: str = ""
    system: str = ""
    schema: str = ""
    models: tuple[str, ...] = ()

    @classmethod
    def of(cls, form: Mapping[str, Sequence[str]], folder: Folder | None) -> Question:
        """As it was typed; before that, as the folder asks, or as it does of the models that were chosen."""
        if "prompt" in form:
            texts = (form.get(name, [""])[0].replace("\r\n", "\n") for name in ("prompt", "system", "schema"))
            prompt, system, schema = texts
            return cls(prompt, system, schema, tuple(dict.fromkeys(form.get("model", []))))
        if folder is None:
            return cls()
        schema = _yaml(folder.schema_) if folder.schema_ else ""
        return cls(
            folder.prompt,
            folder.system or "",
            schema,
            tuple(filter(None, form.get("model", []))) or (folder.model,),
        )


@dataclass(frozen=True, slots=True)
class ModelReading:
    """What a model made of a file, or why not."""

    answer: Answer | None = None
    problem: str = ""
    parts: Sequence[ReportPart] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What the page shows."""

    question: Question
    rows: Sequence[FileRow] = ()
    problem: str = ""
    prices: Sequence[str] = ()  # what it will cost, before it is agreed to
    paused: Sequence[tuple[str, str]] = ()  # models, and why: said then, too
    # A row a file, a column a model.
    readings: Sequence[tuple[FileRow, Sequence[ModelReading]]] = field(default=())
    snippet: str = ""  # for the config


async def view(request: Request) -> Response:
    """The form; what it will cost; what came of it."""
    form = form_of(request)
    named = bool(form.get("file") or request.query_params.getlist("file"))
    rows = (await chosen(request))[:MOST_FILES] if named else []
    folder = site_of(request).config.folders[rows[0].key.folder] if rows else None
    question = Question.of(form, folder)
    bench = Bench(question, rows)
    if "prompt" in form and folder is not None:
        bench = await _tried(request, question, rows, folder)
    models = list(site_of(request).config.models)
    return render(request, "workbench.html", status=422 if bench.problem else 200, bench=bench, models=models)


async def _tried(request: Request, question: Question, rows: Sequence[FileRow], folder: Folder) -> Bench:
    site, language = site_of(request), language_of(request)
    known = [site.config.models[name] for name in question.models if name in site.config.models]
    if not 0 < len(known) == len(question.models) <= MOST_MODELS:  # one may have left the config meanwhile
        return Bench(question, rows, N_("Choose one to three models."))
    local_only = any(site.config.folders[row.key.folder].local_only for row in rows)
    if local_only and not all(entry.local for entry in known):
        return Bench(
            question, rows, N_("A folder of these files is 'local_only': no remote model may see them.")
        )
    try:
        schema = await site.do(_schema, question.schema, language)
        for row_folder in dict.fromkeys(row.key.folder for row in rows):
            for name in question.models:
                await site.do(within_budget, row_folder, name, language)
    except (ValueError, UsageError) as e:
        return Bench(question, rows, str(e))
    asked = folder.model_copy(
        update={
            "prompt": question.prompt,
            "system": question.system or None,
            "schema_": schema,
            "reuse": False,
        }
    )
    if not form_of(request).get("agreed"):
        return Bench(
            question,
            rows,
            prices=await site.do_in(in_one(rows), _prices, asked, question.models, rows, language),
            paused=paused_of(await site.shot(), question.models),
        )
    try:
        found = await site.question(in_one(rows), _read_all, asked, question.models, rows)
    except ShareTrouble:
        return Bench(question, rows, N_("It takes longer than two minutes; what it costs is counted."))
    update = {"prompt": question.prompt, "system": question.system or None, "schema": schema}
    own = {"path": str(folder.path)} | {k: v for k, v in update.items() if v} | {"model": question.models[0]}
    snippet = {"folders": {folder.name: own}}
    return Bench(question, rows, readings=found, snippet=_yaml(snippet))


def _prices(
    desk: Desk, folder: Folder, models: Sequence[str], rows: Sequence[FileRow], language: Language
) -> list[str]:
    """A line a model: how much it will take."""
    return [orders.price_of_trial(desk, folder, name, rows, language) for name in models]


def _read_all(
    desk: Desk, folder: Folder, models: Sequence[str], rows: Sequence[FileRow]
) -> list[tuple[FileRow, list[ModelReading]]]:
    found = read_all(desk, folder, models, rows)
    desk.ledger.paid([bill for _, tried in found for one in tried for bill in one.bills], time.time())
    return [
        (row, [ModelReading(one.answer, one.problem, parts(one.answer, None)) for one in tried])
        for row, tried in found
    ]


def _schema(_desk: Desk, text: str, language: Language) -> dict[str, Any] | None:
    """A JSON Schema from JSON or YAML; None for nothing. Raises `ValueError` with what is wrong, in this language."""
    if not text.strip():
        return None
    _ = translator(language).gettext
    if len(text) > LARGEST_SCHEMA:
        raise ValueError(_("The schema is longer than {0:,} characters.").format(LARGEST_SCHEMA))
    try:
        found = (
            bounded.loads(text, largest=LARGEST_SCHEMA)
            if text.lstrip().startswith("{")
            else yaml.load(text, _NoAliases)  # noqa: S506 - a SafeLoader
        )
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        at = getattr(e, "problem_mark", None)
        line = at.line + 1 if at is not None else getattr(e, "lineno", 0)
        raise ValueError(
            _("The schema is neither YAML nor JSON, see line {0}.").format(line)
            if line
            else _("The schema is neither YAML nor JSON.")
        ) from e
    if not isinstance(found, dict):
        raise ValueError(_("The schema is no mapping."))  # noqa: TRY004 - as all that is wrong with it
    if wrong := sound.wrong_with(found):
        raise ValueError(_("The schema: {0}").format("; ".join(told(one, language) for one in wrong)))
    named: dict[str, Any] = json.loads(json.dumps(found))  # as JSON has it: {1: …} is {"1": …}
    return named


class _NoAliases(yaml.SafeLoader):
    """A few lines of aliases stand for millions of values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """As without, but for aliases."""
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not for here", problem_mark=mark)
        return super().compose_node(parent, index)


class _Blocks(yaml.SafeDumper):
    """Texts of several lines as people write them."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Blocks.add_representer(str, _text)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Blocks, allow_unicode=True, sort_keys=False, width=100)
