"""`init` writes a config to start with, and never over anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from glimpsed import cli, config


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as e:
        cli.main(list(arguments))
    assert isinstance(e.value.code, int)
    return e.value.code


def test_init_writes_a_config_and_the_inbox_that_it_names(here: Path) -> None:
    assert run("init") == 0
    found = config.load(None, env={})
    assert found.folders["inbox"].path == here / "inbox"
    assert (here / "inbox").is_dir()


def test_check_is_happy_with_what_init_wrote() -> None:
    pytest.importorskip("rapidocr")
    assert run("init") == 0
    assert run("check") == 0


def test_init_goes_where_it_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "sub").mkdir()
    assert run("init", "-o", "sub/my config.yaml") == 0
    assert config.load(here / "sub/my config.yaml", env={}).folders["inbox"].path == here / "sub" / "inbox"
    assert (here / "sub" / "inbox").is_dir()
    assert "glimpsed run -c 'sub/my config.yaml'" in capsys.readouterr().out


def test_init_names_its_config_where_the_next_commands_would_take_another(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLIMPSED_CONFIG", "/etc/other.yaml")
    assert run("init") == 0
    assert "glimpsed check -c glimpsed.yaml " in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["file", "dangling link", "link"])
def test_init_never_overwrites(here: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = here / "target.yaml"
    if kind == "file":
        (here / "glimpsed.yaml").write_text("mine")
    else:
        (here / "glimpsed.yaml").symlink_to(target)
    if kind == "link":
        target.write_text("mine")
    assert run("init") == 2
    assert "is not overwritten" in capsys.readouterr().err
    assert not (here / "inbox").exists()
    if kind == "dangling link":
        assert not target.exists()
    else:
        assert (here / "glimpsed.yaml").read_text() == "mine"


def test_init_keeps_what_is_in_the_inbox(here: Path) -> None:
    (here / "inbox").mkdir()
    (here / "inbox" / "scan.jpg").write_bytes(b"x")
    assert run("init") == 0
    assert (here / "inbox" / "scan.jpg").read_bytes() == b"x"


def test_init_says_what_stands_in_the_way(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("init", "-o", "no/such/glimpsed.yaml") == 2
    (here / "inbox").write_text("a file")
    assert run("init") == 2
    assert "cannot be created" in capsys.readouterr().err


def test_init_system_points_to_the_next_steps(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = here / "etc" / "config.yaml"
    assert run("init", "--system", "-o", str(file)) == 0
    told = capsys.readouterr().out
    for step in (
        "systemctl edit glimpsed",
        "ReadWritePaths=",
        "/etc/credstore/glimpsed.api-key",
        "systemctl enable --now",
    ):
        assert step in told
    assert f"glimpsed check -c {file}" in told
    before = file.read_text()
    assert run("init", "--system", "-o", str(file)) == 0
    assert "is there already" in capsys.readouterr().out
    assert file.read_text() == before
