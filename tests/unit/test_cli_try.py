"""`try` waits for no model: one that cannot be reached is followed by the next, and 69 means that none could be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import Gateway, Scripted
from glimpsed import cli
from pictures import picture

DEAF = "http://127.0.0.1:1/v1"
Try = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Try:
    """Try one image with models of these URLs, called a, b, c, in that order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GLIMPSED_CONFIG", raising=False)
    (tmp_path / "in").mkdir()
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(picture())

    def run(*urls: str, arguments: tuple[str, ...] = ("one.png",)) -> tuple[int, str, str]:
        names = "abc"[: len(urls)]
        models = ", ".join(f"{n}: {{api: chat, base_url: '{u}'}}" for n, u in zip(names, urls, strict=True))
        folder = f"{{path: in, model: a, fallbacks: [{', '.join(names[1:])}]}}"
        (tmp_path / "glimpsed.yaml").write_text(f"models: {{{models}}}\nfolders: {{f: {folder}}}\n")
        with pytest.raises(SystemExit) as e:
            cli.main(["try", *arguments])
        assert isinstance(e.value.code, int)
        told = capsys.readouterr()
        return e.value.code, told.out, told.err

    return run


def test_a_fallback_answers_for_a_model_that_cannot_be_reached(ask: Try, gateway: Gateway) -> None:
    code, out, err = ask(DEAF, DEAF, gateway.base_url)
    assert (code, out) == (0, "The quick brown fox.\n")
    assert err.count("cannot be reached, so the next model is asked") == 2
    assert err.splitlines()[0].startswith("a cannot be reached")


def test_a_paused_fallback_is_passed_over_for_every_image(ask: Try, gateway: Gateway) -> None:
    def reply(seen: object) -> Scripted:
        wrong_key = Scripted(status=401, body={"error": {"message": "no", "code": "invalid_api_key"}})
        return Scripted() if seen.body["model"] == "c" else wrong_key  # type: ignore[attr-defined]

    gateway.default = reply
    code, out, _ = ask(*[gateway.base_url] * 3, arguments=("one.png", "two.png"))
    assert (code, out.count("The quick brown fox.")) == (0, 2)


def test_only_when_none_can_be_reached_it_is_69(ask: Try) -> None:
    code, out, err = ask(DEAF, DEAF)
    assert (code, out) == (69, "")
    assert "a: " in err.splitlines()[-1]
    assert "b: " in err.splitlines()[-1]
    assert ask(DEAF)[0] == 69


def test_a_fallback_that_was_reached_and_refuses_is_no_69(ask: Try, gateway: Gateway) -> None:
    gateway.default = Scripted(text="I'm sorry, but I can't assist with that.")
    assert ask(DEAF, gateway.base_url)[0] == 1


def test_a_model_that_is_named_has_no_fallbacks(ask: Try, gateway: Gateway) -> None:
    assert ask(DEAF, gateway.base_url, arguments=("one.png", "--model", "a"))[0] == 69
    assert gateway.requests == []


def test_what_failed_of_several_images_is_told_as_a_diagnostic(ask: Try, gateway: Gateway) -> None:
    gateway.script(Scripted())
    gateway.default = Scripted(text="I'm sorry, but I can't assist with that.")
    _, out, err = ask(gateway.base_url, arguments=("one.png", "two.png"))
    assert "The quick brown fox." in out
    assert "two.png" not in out
    assert "two.png: a: " in err
    assert "a: a: " not in err


def test_json_of_an_answer_is_what_its_sidecar_would_be(ask: Try, gateway: Gateway) -> None:
    [found] = json.loads(ask(gateway.base_url, arguments=("one.png", "--json"))[1])
    said = found["answer"]
    assert said["text"] == "The quick brown fox."
    assert None not in (*said["source"].values(), *said["sent"][0].values())
    assert not {"verified", "review", "lines", "doubt"} & said.keys()
