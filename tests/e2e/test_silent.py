"""Gateways that answer with nothing, for all files or for some: paused with a message, or that file's own matter."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

FILES = 20
SCHEMA = "{type: object, required: [total], properties: {total: {type: number}}}"
REASONED = {
    "choices": [{"finish_reason": "stop", "message": {"content": "<think>Hm.</think>"}}],
    "usage": {"prompt_tokens": 900, "completion_tokens": 40},
}


@dataclass(frozen=True)
class Case:
    """A gateway that answers everybody so."""

    nothing: Scripted
    told: str
    schema: bool = False
    stream: bool = False

    @property
    def good(self) -> Scripted:
        return Scripted(text='{"total": 1}' if self.schema else "GOOD")


EMPTY = "got no answer: an empty answer"
CASES = {
    "empty": Case(Scripted(text=""), EMPTY),
    "white": Case(Scripted(text=" \n\u200b"), EMPTY, stream=True),
    "schema": Case(Scripted(text="", usage=None), EMPTY, schema=True),
    "braces": Case(Scripted(text="{}"), EMPTY),
    "reasoning": Case(Scripted(body=REASONED), EMPTY),
    "broken": Case(Scripted(text="So far", finish="upstream_error"), "got no answer: the model broke off"),
    "misfit": Case(Scripted(text="{}"), "refused alike: .*schema", schema=True),
    "blind": Case(Scripted(text="I cannot see any image."), "refused alike: .*cannot see"),
}


def config(gateway: Gateway, folders: Mapping[str, Path]) -> str:
    """A model and a folder for each."""
    models, places = [], []
    for name, path in folders.items():
        case = CASES.get(name, CASES["empty"])
        stream = ", stream: true" if case.stream else ""
        schema = f", schema: {SCHEMA}" if case.schema else ""
        models.append(f'  {name}: {{api: chat, base_url: "{gateway.base_url}", concurrency: 4{stream}}}')
        places.append(f"  {name}: {{path: {path}, model: {name}{schema}}}")
    return "\n".join(
        [
            "models:",
            *models,
            'defaults: {settle: 0, reuse: false, prompt: "Read {filename}"}',
            "folders:",
            *places,
            "log: {target: json, level: debug}",
        ]
    )


def filled(inbox: Path, count: int = FILES) -> Path:
    inbox.mkdir()
    for n in range(count):
        drop(inbox, f"f{n:02}.png", picture("PNG", (64, 48), seed=n))
    return inbox


def file(seen: Seen) -> str:
    found = re.search(r"f\d+\.png", seen.prompt)
    assert found
    return found[0]


def status(home: Path) -> Any:
    return json.loads(glimpsed("status", "--json", home=home).stdout)


def test_gateways_that_answer_nobody_pause_and_all_files_are_answered_afterwards(tmp_path: Path) -> None:
    folders = {name: filled(tmp_path / name) for name in CASES}
    well = set[str]()

    def answer(seen: Seen) -> Scripted:
        case = CASES[model := seen.body["model"]]
        if model == "broken" and seen.api == "responses":
            return Scripted(status=404, body={"detail": "Not Found"})
        return case.good if model in well else case.nothing

    with Gateway(default=answer) as gateway, Daemon(config(gateway, folders), tmp_path) as daemon:
        for name, case in CASES.items():
            reason = daemon.wait_event("model.paused", model=name)["reason"]
            assert re.search(case.told, reason), reason
        wait_until(lambda: gateway.in_flight == 0, "requests go on")
        time.sleep(1.5)  # the waits of single files that end meanwhile lead to no request

        def waiting() -> dict[str, tuple[int, int]]:
            counts = status(tmp_path)["folders"]
            return {name: (counts[name]["failed"], counts[name]["queued"]) for name in CASES}

        # But for one that just probes.
        wait_until(lambda: set(waiting().values()) == {(0, FILES)}, "they do not all wait")
        told = status(tmp_path)
        requests = Counter(seen.body["model"] for seen in list(gateway.requests))
        for name, case in CASES.items():
            assert told["models"][name]["state"] == "paused"
            assert re.search(case.told, told["models"][name]["reason"])
            assert requests[name] <= FILES, "paid for nothing"
            assert not list(folders[name].glob("*.error.txt"))
        well |= set(CASES)
        for name in CASES:
            glimpsed("resume", name, home=tmp_path)
        for name in CASES:
            for n in range(FILES):
                daemon.wait_event("file.done", folder=name, file=f"f{n:02}.png")
            assert daemon.seen("model.resumed", model=name)
            assert not daemon.seen("file.failed", folder=name)
        assert daemon.stop() == 0
    assert gateway.problems == []


def test_a_file_that_comes_new_tells_at_once_that_the_silence_is_over(tmp_path: Path) -> None:
    inbox = filled(tmp_path / "in", 3)
    with (
        Gateway(default=Scripted(text="")) as gateway,
        Daemon(config(gateway, {"in": inbox}), tmp_path) as daemon,
    ):
        daemon.wait_event("model.paused", model="in")
        gateway.default = Scripted(text="GOOD")
        drop(inbox, "f99.png", picture("PNG", seed=99))
        for name in ("f99.png", "f00.png", "f01.png", "f02.png"):
            daemon.wait_event("file.done", file=name, seconds=45)
        assert daemon.stop() == 0


def test_blank_pages_among_others_hold_nobody_up_and_end_themselves(tmp_path: Path) -> None:
    """Every third page is blank, for which the model honestly says nothing, and bills a token."""

    def honest(seen: Seen) -> Scripted:
        return Scripted(text="" if int(file(seen)[1:3]) % 3 == 0 else "GOOD")

    inbox = filled(tmp_path / "in")
    with Gateway(default=honest) as gateway, Daemon(config(gateway, {"in": inbox}), tmp_path) as daemon:
        for n in range(FILES):
            daemon.wait_event("file.failed" if n % 3 == 0 else "file.done", file=f"f{n:02}.png", seconds=45)
        assert max(Counter(map(file, gateway.requests)).values()) <= 3
        assert daemon.stop() == 0


def test_good_pages_behind_a_run_of_blank_ones_and_in_a_folder_beside_are_answered_soon(
    tmp_path: Path,
) -> None:
    """A model that honestly says nothing about the first twelve pages of one folder. An answer to others teaches nothing of its API."""

    def honest(seen: Seen) -> Scripted:
        return Scripted(text="" if int(file(seen)[1:3]) < 12 else "GOOD")

    folders = {"in": filled(tmp_path / "in"), "other": tmp_path / "other"}
    folders["other"].mkdir()
    for n in range(50, 60):
        drop(folders["other"], f"f{n}.png", picture("PNG", (64, 48), seed=n))
    with (
        Gateway(default=honest) as gateway,
        Daemon(config(gateway, folders).replace("model: other", "model: in"), tmp_path) as daemon,
    ):
        for n in [*range(50, 60), *range(12, FILES)]:
            daemon.wait_event("file.done", file=f"f{n:02}.png", seconds=45)
        for n in range(12):
            daemon.wait_event("file.failed", file=f"f{n:02}.png", seconds=45)
        assert daemon.seen("model.paused", model="in")
        assert not daemon.seen("model.learned")
        assert sum(int(file(seen)[1:3]) < 12 for seen in gateway.requests) <= 12 * 5
        assert daemon.stop() == 0


def test_the_other_api_is_tried_in_a_probe_where_this_one_says_nothing(tmp_path: Path) -> None:
    def half(seen: Seen) -> Scripted:
        return Scripted(text="" if seen.api == "chat" else "GOOD", usage=None)

    inbox = filled(tmp_path / "in", 9)
    with Gateway(default=half) as gateway, Daemon(config(gateway, {"in": inbox}), tmp_path) as daemon:
        daemon.wait_event("model.paused", model="in")

        def answered() -> bool:
            glimpsed("resume", "in", home=tmp_path)
            return bool(daemon.seen("file.done"))

        wait_until(answered, f"the other API was not found: {daemon.tail()}")
        for n in range(9):
            daemon.wait_event("file.done", file=f"f{n:02}.png")
        assert max(Counter(map(file, gateway.requests)).values()) <= 4
        assert [seen.api for seen in gateway.requests[-5:]] == ["responses"] * 5, "remembered"
        assert daemon.stop() == 0


def test_a_schema_that_has_a_model_say_nothing_is_said_otherwise(tmp_path: Path) -> None:
    def mute(seen: Seen) -> Scripted:
        asked = seen.body.get("response_format", {}).get("type")
        return Scripted(text="" if asked == "json_schema" else '{"total": 1}')

    inbox = filled(tmp_path / "schema", 9)
    with (
        Gateway(default=mute) as gateway,
        Daemon(config(gateway, {"schema": inbox}), tmp_path) as daemon,
    ):
        for n in range(9):
            daemon.wait_event("file.done", file=f"f{n:02}.png")
        assert "mode: json" in daemon.wait_event("model.learned")["reason"]
        assert len(gateway.requests) <= 9 * 3
        assert daemon.stop() == 0
