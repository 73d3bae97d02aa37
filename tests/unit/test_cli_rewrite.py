"""`rewrite` brings sidecars back from what is known, and asks nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import Gateway
from pictures import picture

Run = Callable[..., tuple[int, str, str]]


def config(gateway: Gateway, outputs: str = "[txt, json]", more: str = "") -> str:
    return (
        f"models: {{m: {{api: chat, base_url: '{gateway.base_url}'}}}}\n"
        f"folders: {{bills: {{path: in, model: m, settle: 0, outputs: {outputs}}}}}\n{more}\n"
    )


@pytest.fixture
def run(tmp_path: Path, command: Run, gateway: Gateway) -> Run:
    """Any command in a directory whose folder `in` holds an answered scan."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture())
    (tmp_path / "glimpsed.yaml").write_text(config(gateway))

    assert command("once", "-q")[0] == 0
    return command


def test_deleted_sidecars_come_back_from_the_ledger_unasked(
    run: Run, gateway: Gateway, tmp_path: Path
) -> None:
    inbox = tmp_path / "in"
    before = {name: (inbox / name).read_text() for name in ("a.png.txt", "a.png.json")}
    for name in before:
        (inbox / name).unlink()
    assert run("rewrite", "in/a.png")[:2] == (0, "written anew: 1 file\n")
    assert {name: (inbox / name).read_text() for name in before} == before
    assert run("once", "-q")[0] == 0  # they are its own: nothing to ask
    assert len(gateway.requests) == 1


def test_what_outputs_newly_names_is_written(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "glimpsed.yaml").write_text(config(gateway, "[txt, json, xmp]"))
    assert run("rewrite", "--folder", "bills")[0] == 0
    assert "quick brown fox" in (tmp_path / "in" / "a.png.xmp").read_text()
    assert len(gateway.requests) == 1


def test_a_folder_that_is_away_is_told_once_and_others_are_written(
    run: Run, gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "c.png").write_bytes(picture())
    (tmp_path / "in" / "b.png").write_bytes(picture(seed=1))
    both = config(gateway).rstrip()[:-1] + ", there: {path: there, model: m, settle: 0}}"
    (tmp_path / "glimpsed.yaml").write_text(both)
    assert run("once", "-q")[0] == 0
    (tmp_path / "in").rename(tmp_path / "away")
    code, out, err = run("rewrite", "--all")
    assert (code, out) == (1, "written anew: 1 file\n")
    assert err.splitlines() == [f"bills cannot be looked at now: {tmp_path}/in: No such file or directory"]


def test_without_the_ledgers_answer_the_json_tells_it(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "glimpsed.yaml").write_text(config(gateway, more="keep_answers: never"))
    assert run("once", "-q")[0] == 0
    (tmp_path / "in" / "a.png.txt").unlink()
    assert run("rewrite", "--all")[0] == 0
    assert (tmp_path / "in" / "a.png.txt").read_text() == "The quick brown fox.\n"


def test_an_edited_sidecar_is_kept_beside_the_new_one(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.png.txt").write_text("corrected by hand\n")
    assert run("rewrite", "in/a.png")[0] == 0
    assert (tmp_path / "in" / "a.png.txt").read_text() == "The quick brown fox.\n"
    assert (tmp_path / "in" / "a.png.txt~").read_text() == "corrected by hand\n"


def test_an_answer_that_is_nowhere_is_told(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "glimpsed.yaml").write_text(config(gateway, more="keep_answers: never"))
    (tmp_path / "in" / "b.png").write_bytes(picture(seed=1))
    assert run("once", "-q")[0] == 0
    for name in ("b.png.txt", "b.png.json"):
        (tmp_path / "in" / name).unlink()
    code, out, err = run("rewrite", "in/b.png")
    assert (code, out) == (1, "written anew: 0 files\n")
    assert "neither the ledger nor a JSON sidecar" in err


@pytest.mark.parametrize("arguments", [(), ("in/a.png", "--all"), ("in/nope.png",)])
def test_mistakes_are_usage_errors(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("rewrite", *arguments)[0] == 2


def test_the_json_names_the_file_as_it_is_called_now(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "in" / "a.png").rename(tmp_path / "in" / "new.png")
    assert run("once", "-q")[0] == 0
    (tmp_path / "in" / "new.png.json").unlink()
    assert run("rewrite", "in/new.png")[0] == 0
    assert json.loads((tmp_path / "in" / "new.png.json").read_text())["source"]["name"] == "new.png"
    assert len(gateway.requests) == 1


def test_of_a_directory_what_has_no_answer_is_told_and_the_rest_written(
    run: Run, gateway: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "in" / "0.png").write_bytes(picture()[:200])  # comes before the other, and fails
    assert run("once", "-q")[0] == 1
    (tmp_path / "in" / "a.png.txt").unlink()
    code, out, err = run("rewrite", "in")
    assert (code, out) == (0, "written anew: 1 file\n")
    assert "1 of 2 files not done yet, or failed" in err
    assert (tmp_path / "in" / "a.png.txt").exists()
    assert run("rewrite", "in/0.png")[0] == 2


def test_what_was_never_asked_about_lacks_no_answer(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    """A searchable PDF of ours whose row was lost; files that were there before the folder was watched."""
    inbox, before = tmp_path / "in", tmp_path / "before"
    ours = b"%PDF-1.7\ntrailer\n<< /GlimpsedSearchable true >>\nstartxref\n0\n%%EOF\n"
    (inbox / "a.png.pdf").write_bytes(ours)
    before.mkdir()
    (before / "old.png").write_bytes(picture(seed=1))
    second = "before: {path: before, model: m, settle: 0, existing: ignore}"
    text = config(gateway).replace("folders: {", f"folders: {{{second}, ")
    (tmp_path / "glimpsed.yaml").write_text(text)
    assert run("once", "-q")[0] == 0
    assert len(gateway.requests) == 1
    assert run("rewrite", "--all") == (0, "written anew: 1 file\n", "")
    code, out, err = run("rewrite", "in", "before")
    assert (code, out) == (0, "written anew: 1 file\n")
    assert "no answer to write" in err
