"""The man page: every command and option is in it, and man's own checker has no complaint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from glimpsed import cli
from glimpsed.cli import manual


@pytest.fixture(scope="module")
def page() -> str:
    return manual.manual(cli.cli)


def plain(roff: str) -> str:
    return re.sub(r"\\f[BRI]|\\&", "", roff).replace(r"\-", "-")


def test_every_command_and_every_option_of_it_is_there(page: str) -> None:
    text = plain(page)
    context = click.Context(cli.cli, info_name="glimpsed")
    for name in cli.cli.list_commands(context):
        start = text.index(f'.SS "glimpsed {name} ')
        section = text[start : re.compile(r"^\.S[SH] ", re.MULTILINE).search(text, start + 4).start()]  # type: ignore[union-attr]
        command = cli.cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and "--config" not in parameter.opts:
                assert all(option in section for option in parameter.opts if option != "--debug")
        assert "Examples:" in section


def test_the_standard_sections_are_there_in_order(page: str) -> None:
    sections = re.findall(r"^\.SH (.+)$", page, re.MULTILINE)
    assert sections == [
        "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "FILES", "ENVIRONMENT", "EXIT STATUS",
    ]  # fmt: skip


def test_no_line_of_text_is_taken_for_a_request() -> None:
    @click.group()
    def odd() -> None:
        """.Begins with a dot.

        'And this with a quote, C:\\path and "words".
        """

    text = manual.manual(odd)
    assert "\n\\&.Begins with a dot." in text
    assert "\n\\&'And this with a quote, C:\\epath and \\(dqwords\\(dq." in text


def test_man_renders_it_without_a_warning(page: str, tmp_path: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed: apt-get install groff")
    (tmp_path / "glimpsed.1").write_text(page)
    done = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", "-rLL=100n", "glimpsed.1"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Without hyphenation nothing but long example lines may be complained about.
    complaints = [
        line for line in done.stderr.splitlines() if "cannot adjust" not in line and "can't break" not in line
    ]
    assert complaints == []
    assert "glimpsed redo" in re.sub("\x1b\\[[0-9;]*m|.\b", "", done.stdout)
