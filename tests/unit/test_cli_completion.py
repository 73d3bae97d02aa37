"""Completion in the shells themselves: the script that is generated, on a terminal, in the real shell."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon import environment, glimpsed
from history import CONFIG
from terminal import Terminal

PROMPT = "PS1='rea''dy> '"  # in two, so that it is not taken for its own echo
ASKED = [
    ("glimpsed sta", "status"),
    ("glimpsed status --js", "--json"),
    ("glimpsed failures --folder inv", "invoices"),
    ("glimpsed -c other.yaml failures --folder pho", "photos"),
    ("glimpsed once arch", "archive/"),
    ("glimpsed report arch", "archive"),
    ("glimpsed report sca", "scanned/"),
    ("glimpsed -c other.yaml run pho", "photos.d/"),
    ("glimpsed try --model lla", "llava:7b"),
    ("glimpsed try --model llava:", "llava:7b"),
    ("glimpsed resume lla", "llava:7b"),
    ("glimpsed status --forget llava:7", "llava:7b"),
    ("glimpsed --config=other.yaml failures --folder pho", "photos"),
    ("glimpsed -c edited.yaml redo --folder arch", "archive"),
]
SILENT = [
    "glimpsed stat x ",
    "glimpsed -c broken.yaml try --model ",
    "glimpsed -c nowhere.yaml failures --folder ",
    "glimpsed -c archive resume ",
    "glimpsed failures --folder '",
    'glimpsed failures --folder "',
    "glimpsed --nonsense=",
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A config with folders, and `glimpsed` as a command."""
    mine = CONFIG.replace("\nfolders:", "\n  'llava:7b': {api: local, model: rapidocr}\nfolders:")
    (tmp_path / "glimpsed.yaml").write_text(mine)
    (tmp_path / "other.yaml").write_text(CONFIG.replace("invoices:", "photos:"))
    (tmp_path / "spaced.yaml").write_text(CONFIG.replace("invoices:", "my scans:"))
    (tmp_path / "edited.yaml").write_text(CONFIG.replace("settle", "setle") + "state: []\nnew: 1\n")
    (tmp_path / "broken.yaml").write_text("folders: [\n")
    (tmp_path / "photos.txt").touch()
    for name in ("bin", "invoices", "archive", "scanned", "photos.d"):
        (tmp_path / name).mkdir()
    command = tmp_path / "bin/glimpsed"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m glimpsed "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where what `glimpsed completion SHELL` wrote is."""
    home = tmp_path_factory.mktemp("scripts")

    @functools.cache
    def written(shell: str) -> Path:
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed: apt install {shell}")
        made = glimpsed("completion", shell, home=home)
        assert made.returncode == 0, made.stderr
        (home / shell).write_text(made.stdout)
        return home / shell

    return written


def rest(typed: str, completed: str) -> str:
    """What a shell adds to what was typed; the slash of a directory may come in colours of its own."""
    return completed.removeprefix(typed.rpartition(" ")[2]).rstrip("/")


def path_with(home: Path) -> dict[str, str]:
    return {"PATH": f"{home}/bin:{os.environ['PATH']}"}


@pytest.mark.parametrize(("typed", "completed"), ASKED)
def test_zsh_completes_what_is_typed(
    typed: str, completed: str, home: Path, script: Callable[[str], Path]
) -> None:
    begin = f"autoload -Uz compinit; compinit -u -D; source {script('zsh')}; {PROMPT}\n"
    with Terminal(home, "-f", "-i", program=["zsh"], env=path_with(home)) as terminal:
        terminal.press(begin)
        terminal.see("ready> ")
        terminal.press(f"{typed}\t")
        terminal.see(rest(typed, completed))


@pytest.mark.parametrize(("typed", "completed"), ASKED)
def test_fish_completes_what_is_typed(
    typed: str, completed: str, home: Path, script: Callable[[str], Path]
) -> None:
    ask = f"source {script('fish')}; complete -C '{typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", ask],
        cwd=home,
        env=environment(home, path_with(home)),
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert [line.partition("\t")[0] for line in done.stdout.splitlines()] == [completed], done.stderr


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        *ASKED,
        ("glimpsed eval --model=lla", "--model=llava:7b"),
        ("glimpsed failures --folder=inv", "--folder=invoices"),
        ("glimpsed -c spaced.yaml failures --folder my", "my\\\\ scans"),
        ("glimpsed -c spaced.yaml failures --folder my\\ sc", "my\\\\ scans"),
        ("glimpsed -c spaced.yaml failures --folder 'my sc", "scans'"),
    ],
)
def test_bash_completes_what_is_typed(
    typed: str, completed: str, home: Path, script: Callable[[str], Path]
) -> None:
    begin = f"source {script('bash')}; {PROMPT}\n"
    with Terminal(home, "--norc", "--noprofile", "-i", program=["bash"], env=path_with(home)) as terminal:
        terminal.press(begin)
        terminal.see("ready> ")
        terminal.press(f"{typed}\t")
        terminal.see(rest(typed, completed))


@pytest.mark.parametrize("typed", SILENT)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_nothing_is_said_in_the_line_that_is_typed(shell: str, typed: str, home: Path) -> None:
    words = typed.split(" ")
    asked = {
        "_GLIMPSED_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1),
    }
    if shell == "bash":
        asked |= {"COMP_LINE": typed, "COMP_WORD": words[-1], "COMP_WORDBREAKS": " =:"}
    done = glimpsed(home=home, env=asked)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_script_that_an_earlier_version_wrote_still_asks(home: Path) -> None:
    asked = {"_GLIMPSED_COMPLETE": "bash_complete", "COMP_WORDS": "glimpsed\nsta", "COMP_CWORD": "1"}
    assert glimpsed(home=home, env=asked).stdout == "plain,status\n"
