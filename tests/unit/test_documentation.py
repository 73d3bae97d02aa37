"""What the documentation shows is so: its commands and configs are understood, its reference is the program's own."""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pydantic
import pytest
import yaml

from glimpsed import config
from glimpsed.cli import cli
from glimpsed.config import schema
from glimpsed.config.validate import key_names
from glimpsed.sidecar.described import json_schema

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
GENERATED = {"commands.md", "options.md", "events.md"}
PAGES = [page for page in (*DOCS, *READMES) if page.name not in GENERATED]
# What the configs in the pages take from the environment or from files beside them.
ENV = {
    "GLIMPSED_API_KEY": "sk-1",
    "ERP_SECRET": "s-12345678",
    "AZURE_KEY": "a-12345678",
    "MAIL_URL": "ntfy://x",
}
COMMAND = re.compile(r"(?:^|[|`$/]|\bsudo (?:-u \w+ )?|once: )\s*(glimpsed [a-z][^\n`|;&]*)", re.MULTILINE)


INLINE = re.compile(r"(?:sudo )?(?:-u \w+ )?(?:(?:docker|podman) exec glimpsed start|glimpsed) ([a-z].*)")
KEY = re.compile(r"([a-z_]+):(?: (.+))?$")
SECTIONS = [
    found
    for found in vars(schema).values()
    if isinstance(found, type)
    and issubclass(found, pydantic.BaseModel)
    and found.__module__ == schema.__name__
]
KEYS = {key for section in SECTIONS for key in key_names(section)}


def spans(page: Path) -> list[str]:
    """What stands as code within the sentences."""
    prose = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def fits(key: str, value: object) -> bool:
    """Whether some section has such a key, and takes such a value for it."""
    for section in SECTIONS:
        if key in key_names(section):
            try:
                section.model_validate({key: value})
            except pydantic.ValidationError as e:
                if any(error["loc"][:1] == (key,) for error in e.errors()):
                    continue
            return True
    return False


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each fenced or indented block."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"(?ms)^```(\w*)\n(.*?)^```", text):
        yield match[1], match[2]
    for match in re.finditer(r"(?m)(?:^    .*\n?)+", re.sub(r"(?ms)^```.*?^```", "", text)):
        yield "", re.sub(r"(?m)^    ", "", match[0])


def test_the_reference_is_the_program_s_own() -> None:
    """`make options` writes it anew."""
    for name, text in runpy.run_path(str(ROOT / ".ci/reference.py"))["FILES"].items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_understood(page: Path) -> None:
    for _, block in blocks(page):
        for line in block.splitlines():
            for match in COMMAND.finditer(line.partition("  #")[0]):
                words = shlex.split(re.sub(r"[<>].*", "", match[1]))[1:]
                where = ["-c"] if words[0] == "-c" else []
                name, *arguments = words[2 * len(where) :]
                command = cli.get_command(click.Context(cli), name)
                assert command is not None, line
                command.make_parser(click.Context(command, info_name=name)).parse_args(list(arguments))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_keys_within_a_sentence_are_real(page: Path) -> None:
    """`glimpsed retry --all`, `docker exec glimpsed start status`; `settle: 2s`, with a value that such a key takes."""
    for span in spans(page):
        if (typed := INLINE.match(span)) is not None:
            name, *arguments = shlex.split(re.sub(r"[<>|(].*", "", typed[1]))
            command = cli.get_command(click.Context(cli), name)
            assert command is not None, span
            known = {option for parameter in command.params for option in parameter.opts}
            options = [re.sub(r"[\[\]]", "", word) for word in arguments]
            assert {word for word in options if word.startswith("-")} <= known, span
        elif (key := KEY.match(span)) is not None:
            assert key[1] in KEYS, span
            assert key[2] is None or fits(key[1], yaml.safe_load(key[2].replace("NAME", "name"))), span


def test_every_example_in_a_commands_own_help_is_understood() -> None:
    context = click.Context(cli)
    examples = 0
    for command in filter(None, (cli.get_command(context, name) for name in cli.list_commands(context))):
        for line in (command.help or "").partition("Examples:")[2].splitlines():
            typed = re.match(r"\s+(?:sudo )?(?:-u \w+ )?glimpsed (\S.*?)(?:\s{2,}|[|>&]|$)", line)
            if typed is None:
                continue
            words = shlex.split(typed[1])
            name, *arguments = words[2:] if words[0] == "-c" else words
            asked = cli.get_command(context, name)
            assert asked is not None, line
            asked.make_parser(click.Context(asked, info_name=name)).parse_args(list(arguments))
            examples += 1
    assert examples >= len(cli.list_commands(context))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_of_make_is_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    typed = [match for span in spans(page) for match in re.findall(r"^(?:sudo )?make ([a-z-]+)", span)]
    typed += re.findall(r"(?m)^    (?:sudo )?make ([a-z-]+)", text)
    assert set(typed) <= set(re.findall(r"(?m)^\.PHONY: ([a-z-]+)$", (ROOT / "Makefile").read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_config_is_one(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openai.key",):
        (tmp_path / name).write_text("sk-1")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name in ("erp.secret", "glimpsed.page", "glimpsed.api-key"):
        (tmp_path / name).write_text("secret-12345678")
    known = {*key_names(config.Config), "defaults"}
    for kind, block in blocks(page):
        if kind != "yaml":
            continue
        found = yaml.safe_load(block)
        if not set(found) <= known:  # a part of a folder
            fields = {"type": "object", "properties": PARTS}
            model = {"base_url": "https://files.example/v1"}
            found = {"models": {"m": model}, "folders": {"f": {"path": "in", "schema": fields, **found}}}
        (tmp_path / "g.yaml").write_text(yaml.safe_dump(found))
        config.load(tmp_path / "g.yaml", env={**ENV, "CREDENTIALS_DIRECTORY": str(tmp_path)})


PARTS = {name: {"type": "string"} for name in ("date", "supplier", "number")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_stands_in_a_list_is_of_its_item_on_the_site_too(page: Path) -> None:
    """Python-Markdown takes it in steps of four; with less a block of code becomes a sentence, and the list ends.

    An item after another's second paragraph takes an empty line.
    """
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"\n\n(?: {1,3}| {5,7})\S.*", text) == []
    assert re.findall(r"\n\n(?: {4}.+\n)+(\d\. .*)", text) == []


def test_the_chinese_readme_is_in_step() -> None:
    """The same headings in the same order, the same commands and configs; comments are in its language."""
    english, chinese = (page.read_text(encoding="utf-8") for page in READMES)

    def levels(text: str) -> list[str]:
        return re.findall(r"(?m)^(#+) ", re.sub(r"(?ms)^```.*?^```", "", text))

    def code(page: Path) -> list[str]:
        lines = [line for _, block in blocks(page) for line in block.splitlines()]
        return [line.split("  #")[0].rstrip() for line in lines if line.strip()]

    assert levels(english) == levels(chinese)
    assert code(READMES[0]) == code(READMES[1])
    inline = [set(re.findall(r"`(glimpsed [a-z]+|make [a-z-]+)", text)) for text in (english, chinese)]
    assert inline[0] <= inline[1]
    # What was measured is the same, section by section; the Chinese page may tell more.
    sections = [re.split(r"(?m)^## ", text) for text in (english, chinese)]
    for theirs, ours in zip(*sections, strict=True):
        numbers, told = (set(re.findall(r"(?<![\w.-])\d[\d.,]*\b", section)) for section in (theirs, ours))
        assert numbers <= told, theirs.partition("\n")[0]


def test_the_sidecar_s_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
