"""`eval` asks about files whose right answers are known, says what that costs first, and writes no sidecar."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import Gateway, Scripted, Seen
from glimpsed import cli
from pictures import picture

Eval = Callable[..., tuple[int, str, str]]
SCHEMA = "{type: object, properties: {total: {type: number}, supplier: {type: string}, date: {type: string}}}"
RIGHT = {"total": 1234.5, "supplier": "Berg & Co", "date": "2024-09-05"}


@pytest.fixture
def evaluate(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Eval:
    """Run `eval` in a directory with two scans in ./known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLIMPSED_CONFIG", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for directory in ("in", "known"):
        (tmp_path / directory).mkdir()
    for name in ("one.png", "two.png"):
        (tmp_path / "known" / name).write_bytes(picture())
    model = f"{{api: chat, base_url: '{gateway.base_url}', price: {{input: 1.0, output: 2.0}}}}"
    (tmp_path / "glimpsed.yaml").write_text(
        f"models: {{a: {model}, b: {model}}}\n"
        f"folders:\n  text: {{path: in, model: a}}\n  data: {{path: known, model: a, schema: {SCHEMA}}}\n"
    )

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as e:
            cli.main(["eval", *arguments])
        assert isinstance(e.value.code, int)
        told = capsys.readouterr()
        return e.value.code, told.out, told.err

    return run


def known(tmp_path: Path, **answers: object) -> None:
    for name, answer in answers.items():
        text = answer if isinstance(answer, str) else json.dumps(answer)
        kind = "txt" if isinstance(answer, str) else "json"
        (tmp_path / "known" / f"{name}.png.expected.{kind}").write_text(text)


def test_fields_are_right_by_their_meaning(evaluate: Eval, gateway: Gateway, tmp_path: Path) -> None:
    known(tmp_path, one=RIGHT, two=RIGHT)
    gateway.script(
        Scripted(text=json.dumps({"total": 1234.50, "supplier": "BERG & CO", "date": "5 Sept 2024"})),
        Scripted(text=json.dumps({"total": 1234.55, "supplier": "Berg & Co"})),
    )
    code, out, _ = evaluate("--folder", "data", "--yes", "--json")
    (found,) = json.loads(out)
    assert code == 0
    assert (found["model"], found["prompt"], found["files"], found["schema_failures"]) == ("a", "data", 2, 0)
    assert found["fields"] == {
        "total": {"right": 1, "wrong": 1, "missing": 0},
        "supplier": {"right": 2, "wrong": 0, "missing": 0},
        "date": {"right": 1, "wrong": 0, "missing": 1},
    }
    assert (found["cer"], found["currency"]) == (None, "USD")
    assert found["cost_per_1000"] > 0
    assert sorted(os.listdir(tmp_path / "known")) == [
        "one.png", "one.png.expected.json", "two.png", "two.png.expected.json",
    ]  # fmt: skip


def test_texts_are_measured_by_their_edits(evaluate: Eval, gateway: Gateway, tmp_path: Path) -> None:
    known(tmp_path, one="The quick brown fox.", two="The quick  brown\nfax.")
    code, out, _ = evaluate("known", "--folder", "text", "--yes", "--json")
    (found,) = json.loads(out)
    assert (code, found["cer"], found["wer"]) == (0, pytest.approx(1 / 40), pytest.approx(1 / 8))
    assert len(gateway.requests) == 2


def test_models_and_prompts_are_compared_each_with_each(
    evaluate: Eval, gateway: Gateway, tmp_path: Path
) -> None:
    known(tmp_path, one="The quick brown fox.")
    (tmp_path / "new.txt").write_text("Read it well.")
    (tmp_path / "old.txt").write_text("Read it.")
    arguments = ["known", "--folder", "text", "--model", "a", "--model", "b", "--prompt-file", "new.txt"]
    code, out, _ = evaluate(*arguments, "--prompt-file", "old.txt", "--yes", "--json")
    assert code == 0
    assert [(f["model"], f["prompt"]) for f in json.loads(out)] == [
        ("a", "new.txt"), ("a", "old.txt"), ("b", "new.txt"), ("b", "old.txt"),
    ]  # fmt: skip
    asked = {(seen.body["model"], seen.prompt) for seen in gateway.requests}
    assert asked == {(m, p) for m in ("a", "b") for p in ("Read it well.", "Read it.")}


def test_without_a_terminal_it_needs_yes_and_says_what_it_would_cost(
    evaluate: Eval, gateway: Gateway, tmp_path: Path
) -> None:
    known(tmp_path, one="x")
    code, out, err = evaluate("known", "--folder", "text")
    assert (code, out, gateway.requests) == (2, "", [])
    assert "USD" in err
    assert "--yes" in err


@pytest.mark.parametrize(
    ("finish", "message", "exit_code"),
    [
        ("stop", {"role": "assistant", "content": "x"}, 0),
        ("stop", {"role": "assistant", "content": None, "refusal": "I will not read that."}, 69),
        ("content_filter", {"role": "assistant", "content": "x"}, 69),
    ],
)
def test_it_stops_at_twice_what_it_said(
    evaluate: Eval,
    gateway: Gateway,
    tmp_path: Path,
    finish: str,
    message: dict[str, str | None],
    exit_code: int,
) -> None:
    """Whatever was paid for: an answer, or none."""
    for number in range(30):
        (tmp_path / "known" / f"{number}.png").write_bytes(picture())
        known(tmp_path, **{str(number): "x"})

    def dear(seen: Seen) -> Scripted:
        usage = {"prompt_tokens": 10_000_000, "completion_tokens": 1, "total_tokens": 10_000_001}
        body = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": seen.body["model"],
            "usage": usage,
        }
        return Scripted(body=body | {"choices": [{"index": 0, "message": message, "finish_reason": finish}]})

    gateway.default = dear
    code, out, err = evaluate("known", "--folder", "text", "--yes", "--json")
    assert json.loads(out)[0]["errors"] > 0
    assert code == exit_code
    assert "twice" in err
    assert len(gateway.requests) < 30


def test_a_pipeline_is_told_that_too_little_is_right(
    evaluate: Eval, gateway: Gateway, tmp_path: Path
) -> None:
    known(tmp_path, one="The quick brown fox.")
    arguments = ("known", "--folder", "text", "--yes", "--at-least", "0.98")
    assert evaluate(*arguments)[0] == 0
    gateway.default = Scripted(text="The quick brown fx.")
    assert evaluate(*arguments)[0] == 1


def test_a_page_marks_the_differences_and_escapes_what_it_shows(
    evaluate: Eval, gateway: Gateway, tmp_path: Path
) -> None:
    known(tmp_path, one="<b>five</b> words & no more")
    gateway.default = Scripted(text="<b>five</b> words & <script>")
    assert evaluate("known", "--folder", "text", "--yes", "-o", "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;five&lt;/b&gt; words &amp; <" in page
    assert "<del>no more</del>" in page
    assert "<ins>&lt;script&gt;</ins>" in page
    assert "<script" not in page


def test_the_page_tells_each_field_and_what_was_right_in_the_configs_language(
    evaluate: Eval, gateway: Gateway, tmp_path: Path
) -> None:
    known(tmp_path, one={"supplier": "R-1", "total": 2}, two={"supplier": "R-2", "total": 3})
    gateway.default = Scripted(text='{"supplier": "R-1", "total": 2.0}')
    config = tmp_path / "glimpsed.yaml"
    config.write_text(config.read_text() + "\nlanguage: zh\n")
    assert evaluate("known", "--folder", "data", "--yes", "-o", "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert '<html lang="zh-CN">' in page
    assert re.findall(
        r'<th scope="row">(supplier|total)</th><td class="n">([^/]*)</td>', re.sub(r"</?span[^>]*>", "", page)
    ) == [
        ("supplier", "1 · 1 · 0"),
        ("total", "1 · 1 · 0"),
    ]
    assert "<del>R-2</del></td>" in page
    assert "<ins>R-1</ins></td>" in page
    assert page.count("<article>") == 1
    assert re.search(r'<ul class="alike"><li dir="auto">one\.\w+</li></ul>', page)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "DIR with known answers, or --folder"),
        (("known",), "no file there has its right answer"),
        (("known", "--folder", "nope"), "there is no folder 'nope'"),
        (("in",), "no file there has its right answer"),
        (("known", "--model", "nope"), "there is no model 'nope'"),
    ],
)
def test_mistakes_are_told_with_the_mend(
    evaluate: Eval, arguments: tuple[str, ...], told: str, gateway: Gateway
) -> None:
    code, _, err = evaluate(*arguments)
    assert (code, gateway.requests) == (2, [])
    assert told in err


def test_a_right_answer_that_is_no_json_is_told(evaluate: Eval, tmp_path: Path) -> None:
    (tmp_path / "known" / "one.png.expected.json").write_text("{")
    code, _, err = evaluate("known")
    assert code == 2
    assert "one.png.expected.json is no JSON" in err
