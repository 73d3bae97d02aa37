"""`redo FILE --page N` asks about that page anew; the others keep their answers, wherever those are to be had."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from gateway import Gateway, Scripted, Seen
from pictures import picture

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        running.default = lambda seen: Scripted(text=f"answer {len(running.requests)} to {asked_about(seen)}")
        yield running


def asked_about(seen: Seen) -> str:
    found = re.search(r"page \d+", json.dumps(seen.body))
    assert found is not None
    return found[0]


def config(gateway: Gateway, pages: str = "each", more: str = "") -> str:
    return (
        f"models: {{m: {{api: chat, base_url: '{gateway.base_url}', price: {{input: 1000, output: 1000}}}}}}\n"
        f'folders: {{in: {{path: in, model: m, settle: 0, pages: {pages}, prompt: "Read page {{page}}."}}}}\n{more}\n'
    )


@pytest.fixture
def run(tmp_path: Path, command: Run, gateway: Gateway) -> Run:
    """Any command in a directory whose folder `in` holds a scan of three pages, answered."""
    (tmp_path / "in").mkdir()
    first, *others = [Image.open(io.BytesIO(picture(seed=seed))).convert("L") for seed in range(3)]
    first.save(tmp_path / "in" / "a.tif", save_all=True, append_images=others)
    (tmp_path / "glimpsed.yaml").write_text(config(gateway))

    assert command("once", "-q")[0] == 0
    return command


def answer(tmp_path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((tmp_path / "in" / "a.tif.json").read_text())
    return found


def cost(told: str) -> float:
    found = re.search(r"about ([\d.,]+) USD", told)
    assert found is not None, told
    return float(found[1].replace(",", ""))


@pytest.mark.parametrize("kept", ["forever", "never"])
def test_one_page_is_asked_and_paid_for_and_the_others_stay(
    run: Run, gateway: Gateway, tmp_path: Path, kept: str
) -> None:
    (tmp_path / "glimpsed.yaml").write_text(config(gateway, more=f"keep_answers: {kept}"))
    if kept == "forever":  # the ledger has it
        for name in ("a.tif.json", "a.tif.txt"):
            (tmp_path / "in" / name).unlink()
    else:  # the JSON has it
        assert run("once", "-q")[0] == 0
    whole = cost(run("redo", "in/a.tif", "--yes")[1])
    assert run("redo", "in/a.tif", "--cancel")[1] == "taken back: 1 file\n"
    code, out, _ = run("redo", "in/a.tif", "--page", "2", "--yes")
    assert code == 0
    assert "1 page," in out
    assert out.endswith("queued again: 1 file\n")
    assert cost(out) < whole / 2
    spent = json.loads(run("status", "--json")[1])["spend"]["day"]
    assert run("once", "-q")[0] == 0
    assert len(gateway.requests) == 4
    found = answer(tmp_path)
    assert [page["text"] for page in found["pages"]] == [  # type: ignore[attr-defined]
        "answer 1 to page 1",
        "answer 4 to page 2",
        "answer 3 to page 3",
    ]
    assert [sent["page"] for sent in found["sent"]] == [1, 2, 3]  # type: ignore[attr-defined]
    paid = json.loads(run("status", "--json")[1])["spend"]["day"]
    assert paid == pytest.approx(spent * 4 / 3, rel=0.05)
    assert found["usage"]["cost"] == pytest.approx(spent, rel=0.05)  # type: ignore[index]


def test_what_has_no_single_pages_is_wrong_usage_and_nothing_is_queued(
    run: Run, gateway: Gateway, tmp_path: Path
) -> None:
    for arguments, told in (
        (["in/a.tif", "--page", "4"], "no answer to a page 4: it has pages 1 to 3"),
        (["in", "--page", "1"], "one file, not for a directory"),
        (["--folder", "in", "--page", "1"], "--page is for one PATH"),
        (["--stale", "--page", "1"], "--page is for one PATH"),
        (["in/a.tif", "--page", "0"], "0"),
    ):
        code, _, err = run("redo", *arguments, "--yes")
        assert code == 2, arguments
        assert told in err
    changed = config(gateway).replace("Read page", "Transcribe page")
    (tmp_path / "glimpsed.yaml").write_text(changed)
    code, _, err = run("redo", "in/a.tif", "--page", "1", "--yes")
    assert (code, "another question" in err) == (2, True)
    (tmp_path / "glimpsed.yaml").write_text(config(gateway, "together"))
    code, _, err = run("redo", "in/a.tif", "--page", "1", "--yes")
    assert (code, "asks about all pages together" in err) == (2, True)
    (tmp_path / "glimpsed.yaml").write_text(config(gateway))
    assert run("once", "-q")[0] == 0
    assert len(gateway.requests) == 3


def test_taken_back_it_has_its_old_answer(run: Run, gateway: Gateway, tmp_path: Path) -> None:
    before = answer(tmp_path)
    assert run("redo", "in/a.tif", "--page", "1", "--yes")[0] == 0
    assert run("redo", "--cancel")[1] == "taken back: 1 file\n"
    assert run("once", "-q")[0] == 0
    assert (answer(tmp_path), len(gateway.requests)) == (before, 3)
