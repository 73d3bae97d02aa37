"""The command line's frame: help, options, exit codes, and errors without tracebacks."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest

import glimpsed
from glimpsed import cli, extras
from glimpsed.cli import common
from glimpsed.errors import ConfigError, FileError, LedgerError, MissingExtra, Problem, UsageError

READY = [name for name in cli.COMMANDS if (Path(cli.__file__).parent / f"{cli.module_of(name)}.py").exists()]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as e:
        cli.main(list(arguments))
    assert isinstance(e.value.code, int)
    return e.value.code


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A command `probe` whose body is `probe.does`."""
    probe = types.SimpleNamespace(does=lambda: None)

    @click.command("probe")
    @common.common_options
    def body() -> object:
        return probe.does()

    module = types.ModuleType("glimpsed.cli.probe")
    module.command = body  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "glimpsed.cli.probe", module)
    monkeypatch.setitem(cli.COMMANDS, "probe", "A probe.")
    return probe


def raising(error: BaseException) -> object:
    def does() -> None:
        raise error

    return does


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"glimpsed {glimpsed.__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    assert [
        line.split()[0] for line in text.partition("Commands:\n")[2].splitlines()[: len(cli.COMMANDS)]
    ] == list(cli.COMMANDS)


@pytest.mark.parametrize("name", READY)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    text = capsys.readouterr().out
    assert "Examples:" in text
    assert f"  glimpsed {name}" in text
    assert "--config" in text


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], {"pydantic", "yaml", "rich", "httpx", "sqlalchemy", "PIL", "asyncio", "structlog"}),
        (
            ["check", "--config-only"],
            {"glimpsed.service", "glimpsed.ledger", "glimpsed.vision", "glimpsed.images", "glimpsed.cli.online",
             "sqlalchemy", "structlog", "rich", "httpx", "PIL", "watchdog", "pathspec", "jsonschema"},
        ),
        (["run"], {"rich.console", "rich.pretty", "pygments", "PIL", "glimpsed.images.decode", "pikepdf", "apprise", "uvicorn"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_command_imports_nothing_that_it_does_not_need(
    tmp_path: Path, arguments: list[str], unwanted: set[str]
) -> None:
    config = tmp_path / "glimpsed.yaml"
    config.write_text("folders: {inbox: {path: inbox, model: no such model}}")
    code = (
        f"import sys\nfrom glimpsed.cli import main\ntry: main({[*arguments, '-c', str(config)]})\nexcept SystemExit: pass\n"
        f"print(sorted({unwanted} & set(sys.modules)), None in sys.modules.values())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=180
    )
    assert done.stdout.splitlines()[-1] == "[] False"
    assert ("no such model" in done.stderr) == ("--help" not in arguments)  # it got that far


def test_a_config_may_be_named_before_or_after_the_command(command: types.SimpleNamespace) -> None:
    seen = []
    command.does = lambda: seen.append(common.config_file())
    assert run("-c", "a.yaml", "probe") == 0
    assert run("probe", "-c", "b.yaml") == 0
    assert run("--config", "a.yaml", "probe", "--config=b.yaml") == 0
    assert seen == [Path("a.yaml"), Path("b.yaml"), Path("b.yaml")]


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), (69, 69), ("text", 0)])
def test_what_a_command_returns_is_its_exit_code(
    command: types.SimpleNamespace, result: object, code: int
) -> None:
    command.does = lambda: result
    assert run("probe") == code


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigError(Problem("is wrong", "a.b", 3, "g.yaml", "mend it"), Problem("too")), 78, "g.yaml:3: a.b: is wrong (mend it)\ntoo\n"),
        (UsageError("no such folder"), 2, "glimpsed: no such folder\n"),
        (MissingExtra("A PDF", "pdf"), 78, f"glimpsed: A PDF needs an extra that is not installed: {extras.command('pdf')}\n"),
        (LedgerError("is newer"), 78, "glimpsed: is newer\n"),
        (FileError("It is broken.", "Scan it again."), 1, "glimpsed: It is broken.\n  Scan it again.\n"),
        (KeyboardInterrupt(), 130, "\n"),
        (RuntimeError("two\nlines"), 70, "glimpsed: unexpected error: RuntimeError: two lines ('glimpsed --debug' shows where)\n"),
    ],
)  # fmt: skip
def test_errors_have_exit_codes_and_no_traceback(
    command: types.SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    told: str,
) -> None:
    command.does = raising(error)
    assert run("probe") == code
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("arguments", [("--debug", "probe"), ("probe", "--debug")])
def test_debug_shows_where_a_bug_is(
    command: types.SimpleNamespace, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    command.does = raising(RuntimeError("oops"))
    assert run(*arguments) == 70
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.endswith("glimpsed: unexpected error: RuntimeError: oops\n")


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("check", "--nonsense"), ("check", "-c"), ("completion", "csh")]
)
def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Error: " in err


def test_a_config_that_is_not_there_is_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "-c", "nowhere.yaml") == 78
    assert capsys.readouterr() == ("", "nowhere.yaml: cannot be read: No such file or directory\n")


def test_an_option_of_web_that_is_no_address_is_wrong_usage_and_one_without_a_password_a_wrong_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("glimpsed.yaml").write_text("folders: {f: {path: ., prompt: x}}\nstate: sqlite:///l.sqlite\n")
    assert [run("web", "--listen", where) for where in ("here", "127.0.0.1:99999", "0.0.0.0:9465")] == [
        2,
        2,
        78,
    ]
    assert capsys.readouterr().err.count("--listen: must look like") == 2


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    """`glimpsed schema | head -1`."""
    run_it = f"{sys.executable} -m glimpsed schema | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", run_it],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        cwd=tmp_path,
    )
    assert done.stdout == "{"
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments", [("schema",), ("schema", "--sidecar"), ("completion", "zsh"), ("export",), ("failures",)]
)
def test_a_pipe_that_nobody_reads_ends_every_command_alike(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "glimpsed.yaml").write_text("folders: {f: {path: ., prompt: x}}\nstate: sqlite:///l.sqlite\n")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "glimpsed", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=180,
        cwd=tmp_path,
    )
    os.close(writing)
    # What is said to people beside it, is; no file failed, and the pipe is no mistake of theirs.
    assert done.returncode in (0, 141)
    assert "annot" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_the_program(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("completion", shell) == 0
    assert f"_GLIMPSED_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_completion_completes_commands_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_GLIMPSED_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "glimpsed re")
    monkeypatch.setenv("COMP_CWORD", "1")
    run()
    assert capsys.readouterr().out == "plain,retry\nplain,redo\nplain,resume\nplain,rewrite\nplain,report\n"
    monkeypatch.setenv("COMP_WORDS", "glimpsed check --o")
    monkeypatch.setenv("COMP_CWORD", "2")
    run()
    assert capsys.readouterr().out == "plain,--online\n"


def test_print_json_keeps_unicode(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_json({"größe": "合计"})
    assert capsys.readouterr().out == '{\n  "größe": "合计"\n}\n'
