"""Another reading beside the answer that stands: its price first, then both side by side, then taken or thrown away."""

from __future__ import annotations

import json
import re
import time
from html import unescape
from pathlib import Path

import pytest

from daemon import wait_until
from gateway import Gateway, Scripted
from glimpsed import config
from glimpsed.errors import ShareTrouble
from glimpsed.ledger.spending import local_day
from glimpsed.ledger.values import Paused
from glimpsed.web.others import beside
from glimpsed.web.site import Site
from history import History
from webpage import Reader, history, served

NOW = time.time()
CONFIG = """
state: sqlite:///ledger.sqlite
models:
  m: {{api: chat, base_url: "{url}", model: gpt-4o, price: {{input: 2.5, output: 10}}}}
  cheap: {{api: chat, base_url: "{url}", model: gpt-4o-mini, price: {{input: 1, output: 1}}}}
folders:
  invoices: {{path: invoices, prompt: Read it., model: m}}
  archive: {{path: archive, prompt: Read it., model: m, local_only: false}}
{more}
"""


def told_of(home: Path, gateway: Gateway, more: str = "") -> History:
    made = history(home, CONFIG.format(url=gateway.base_url, more=more))
    made.done("invoices", "a.png", ("Total 10 EUR\nby oak",), NOW)
    return made


def spent(told: History) -> float:
    return sum(s.cost for s in told.ledger.spend_between(local_day(0), local_day(time.time())))


def sidecar(home: Path) -> tuple[str, dict[str, object]]:
    text = (home / "invoices" / "a.png.txt").read_text()
    return text, json.loads((home / "invoices" / "a.png.json").read_text())


def test_what_is_tried_is_priced_without_the_second_reader_who_does_not_read_it(
    tmp_path: Path, gateway: Gateway
) -> None:
    told = told_of(tmp_path, gateway)
    with served(told.config, tmp_path) as port, Reader(port) as reader:

        def prices() -> list[str]:
            another = reader.get("/files/1/another").text
            bench = reader.get("/workbench?file=1").text
            asked = [
                reader.send_form(html, "Try", prompt="Say more.", model="cheap").text
                for html in (another, bench)
            ]
            return [found for html in asked for found in re.findall(r"cheap: 1 file[^<]*", html)]

        alone = prices()
        folder = told.config.folders["invoices"]
        told.config.folders["invoices"] = folder.model_copy(update={"verify_with": "m"})
        assert len(alone) == 2
        assert prices() == alone
    told.ledger.close()


def test_another_reading_is_priced_asked_and_shown_beside_the_answer_that_stands(
    tmp_path: Path, gateway: Gateway
) -> None:
    told = told_of(tmp_path, gateway)
    before, cost = sidecar(tmp_path), spent(told)
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        form = reader.press("/files/1", "Another reading", model="cheap")
        assert re.search(r'value="cheap" selected', form.text)
        assert "Read it.</textarea>" in form.text
        priced = reader.send_form(form.text, "Try", prompt="Say more.", model="cheap")
        assert "cheap: 1 file" in priced.text
        assert "USD" in priced.text
        assert gateway.requests == []
        gateway.default = Scripted(text="Total 11 EUR\nby <b>pine</b>")
        both = reader.send_form(priced.text, "Ask", prompt="Say more.", model="cheap", agreed="yes")
        assert both.url.path.startswith("/files/1/answers/")
        assert [seen.body["model"] for seen in gateway.requests] == ["gpt-4o-mini"]
        assert gateway.requests[0].prompt == "Say more."
        assert "They differ in 1 place." in both.text
        assert "1<mark>0</mark> EUR" in both.text
        assert "&lt;" in both.text
        assert "<b>pine" not in both.text
        # Nothing of the file has changed, and what was spent is counted.
        assert sidecar(tmp_path) == before
        assert spent(told) > cost
        assert "Total 10 EUR" in reader.get("/files/1").text
        # It can be come back to, from the file's page.
        there = re.search(r'href="(/files/1/answers/\d+)"', reader.get("/files/1").text)
        assert there is not None
        assert there[1] == both.url.path
        assert "Thrown away." in reader.send_form(both.text, "Throw away").text
        assert reader.get(both.url.path).status_code == 404
        assert sidecar(tmp_path) == before
        gone = reader.send_form(both.text, "Take it")
        assert gone.status_code == 404
    told.ledger.close()


def test_a_reading_that_is_taken_is_the_files_answer_and_nothing_is_lost(
    tmp_path: Path, gateway: Gateway
) -> None:
    told = told_of(tmp_path, gateway)
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        assert "Saved" in reader.press("/files/1", "Save", text="Total 10 EUR\nby elm").text
        gateway.default = Scripted(text="Total 11 EUR\nby pine")
        form = reader.get("/files/1/another").text
        both = reader.send_form(form, "Try", prompt="Say more.", model="cheap", agreed="yes")
        taken = reader.send_form(both.text, "Take it")
        assert "Taken." in taken.text
        text, answer = sidecar(tmp_path)
        assert text == "Total 11 EUR\nby pine\n"
        assert answer["model"]["entry"] == "cheap"  # type: ignore[index]
        assert answer["review"]["changed"] == ["text"]  # type: ignore[index]
        assert "oak" not in reader.get("/files?q=pine").text
        # What stood before, and what the model said itself, are among the others, and can be had back.
        others = re.findall(r'href="(/files/1/answers/\w+)"', taken.text)
        assert len(others) == 2
        pages = {url: reader.get(url).text for url in others}
        assert any("elm" in page for page in pages.values())
        own = next(page for url, page in pages.items() if url.endswith("own"))
        assert "oak" in own
        assert "Taken." in reader.send_form(own, "Take it").text
        assert sidecar(tmp_path)[0] == "Total 10 EUR\nby oak\n"
        # Whoever looked at another state hears of it, and loses nothing.
        late = reader.send_form(own, "Take it")
        assert late.status_code == 409
        assert "look again" in late.text
    told.ledger.close()


def test_what_cannot_be_asked_is_told_before_anything_is_paid(tmp_path: Path, gateway: Gateway) -> None:
    told = told_of(tmp_path, gateway, "budget: {per_day: 0.01}")  # the answer that stands has cost 0.25
    told.queued("invoices", "waits.png", NOW)
    local = told.config.folders["invoices"].model_copy(update={"local_only": True})
    kept = told.config.model_copy(update={"folders": {**told.config.folders, "invoices": local}})
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        form = reader.get("/files/1/another").text
        for agreed in ({}, {"agreed": "yes"}):
            refused = reader.send_form(form, "Try", prompt="Say more.", model="cheap", **agreed)
            assert refused.status_code == 409
            assert "budget" in refused.text
            tried = reader.send_form(
                reader.get("/workbench?file=1").text, "Try", prompt="Say more.", model=["cheap"], **agreed
            )
            assert tried.status_code == 422
            assert "budget" in tried.text
        assert reader.send_form(form, "Try", prompt="x", model="nobody").status_code == 400
        assert reader.get("/files/2/another").status_code == 409
        assert reader.get("/files/99/another").status_code == 404
        for which in ("0", "x", "own", "9" * 18, "9" * 30):
            assert reader.get(f"/files/1/answers/{which}").status_code == 404, which
    with served(kept, tmp_path) as port, Reader(port) as reader:
        form = reader.get("/files/1/another").text
        assert 'value="cheap"' not in form
        assert reader.send_form(form, "Try", prompt="x", model="cheap", agreed="yes").status_code == 400
    assert gateway.requests == []
    told.ledger.close()


def test_that_a_model_pauses_is_told_before_it_is_asked_and_its_refusal_after_it(
    tmp_path: Path, gateway: Gateway
) -> None:
    told = told_of(tmp_path, gateway)
    clock = told.ledger.clock
    told.ledger.pause(Paused("cheap", "429: no <quota> left", clock(), None, clock() + 5000))
    gateway.default = Scripted(
        status=429, body={"error": {"message": "no quota left"}}, headers={"Retry-After": "5000"}
    )
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        another, bench = reader.get("/files/1/another").text, reader.get("/workbench?file=1").text
        for form, models in ((another, "cheap"), (bench, ["m", "cheap"])):
            priced = reader.send_form(form, "Try", prompt="Say more.", model=models)
            assert priced.status_code == 200
            assert priced.text.count('<span class="chip paused">paused</span>') == 1
            assert "cheap: <span" in priced.text
            assert "429: no &lt;quota&gt; left" in priced.text
            assert gateway.requests == []
        for form, models in ((another, "cheap"), (bench, ["cheap"])):
            refused = reader.send_form(form, "Try", prompt="Say more.", model=models, agreed="yes")
            assert "no quota left" in refused.text
        told.ledger.resume("cheap")
        wait_until(
            lambda: "chip paused" not in reader.send_form(another, "Try", prompt="x", model="cheap").text,
            "the pause is over",
        )
    told.ledger.close()


async def late(*_args: object) -> None:
    raise ShareTrouble("page's look at invoices, asking: no answer within 120 s")


def test_what_takes_too_long_at_the_workbench_is_told_and_what_was_typed_stays(
    tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = told_of(tmp_path, gateway)
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        form = reader.get("/workbench?file=1").text
        with monkeypatch.context() as impatient:
            impatient.setattr(Site, "question", late)
            given_up = reader.send_form(form, "Try", prompt="Say more.", model=["cheap"], agreed="yes")
        assert "longer than two minutes" in given_up.text
        assert "Say more.</textarea>" in given_up.text
    told.ledger.close()


def test_a_model_that_fails_is_told_and_the_answer_stands(tmp_path: Path, gateway: Gateway) -> None:
    told = told_of(tmp_path, gateway)
    gateway.default = Scripted(status=400, body={"error": {"message": "no such <thing>"}})
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        form = reader.get("/files/1/another").text
        failed = reader.send_form(form, "Try", prompt="Say more.", model="cheap", agreed="yes")
        assert failed.status_code == 409
        assert "no such &lt;thing&gt;" in failed.text
        assert "Say more.</textarea>" in failed.text
    assert sidecar(tmp_path)[0] == "Total 10 EUR\nby oak\n"
    told.ledger.close()


def test_fields_are_compared_by_what_they_mean(tmp_path: Path, gateway: Gateway) -> None:
    told = told_of(tmp_path, gateway)
    answer = told.ledger.answers_about(told.ledger.numbered(1).sha256)[0].answer  # type: ignore[union-attr,arg-type]
    one = answer.model_copy(update={"data": {"total": 12.5, "date": "2024-09-05", "lost": 1}})
    two = answer.model_copy(update={"data": {"total": "12,50", "date": "2024-09-06", "new": "x"}})
    assert [(b.name, b.differs) for b in beside(one, two)] == [
        ("total", False),
        ("date", True),
        ("lost", True),
        ("new", True),
    ]
    told.ledger.close()


def test_what_the_workbench_gives_for_the_config_is_a_folder_of_it(tmp_path: Path, gateway: Gateway) -> None:
    told = told_of(tmp_path, gateway)
    prompt = "Which:\n\t- total: 'in' \"EUR\" #1\n\n  trail  "
    with served(told.config, tmp_path) as port, Reader(port) as reader:
        page = reader.get("/workbench?file=1").text
        tried = reader.send_form(
            page, "Try", prompt=prompt, model="m", schema="properties: {1: {type: string}}", agreed="yes"
        ).text
    told.ledger.close()
    given = re.search(r'<textarea id="yaml"[^>]*>\n(.*?)</textarea>', tried, re.DOTALL)
    assert given is not None
    models = f"models:\n  m: {{api: chat, base_url: '{gateway.base_url}', model: gpt-4o}}\n"
    (tmp_path / "pasted.yaml").write_text(models + unescape(given[1]))
    folder = config.load(tmp_path / "pasted.yaml", keys=False).folders["invoices"]
    assert (folder.prompt, folder.path) == (prompt, told.config.folders["invoices"].path)
    assert folder.schema_ == {"properties": {"1": {"type": "string"}}}
