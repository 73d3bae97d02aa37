"""Files that are refused alike are no bad files: those that are on their way when that is found out as well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import NO_ANSWER, Verdict, VisionError
from glimpsed.model import FileKey
from glimpsed.pipeline.acquitted import acquitted
from glimpsed.vision.pacing import Pacing

ALIKE = frozenset({"400 drelm vok"})


@pytest.mark.anyio
async def test_a_fourth_file_that_was_asked_about_meanwhile_is_as_innocent_as_the_three() -> None:
    entry = ModelEntry(name="m", api="chat", base_url="https://x/v1", model="m")
    model = SimpleNamespace(entry=entry, pacing=Pacing(entry))
    place = cast("Any", SimpleNamespace(chain=(model,)))
    error = VisionError(Verdict("fail", "HTTP 400: Drelm vok", alike=ALIKE), alike={"m": ALIKE})

    async def heard(name: str) -> tuple[FileKey, ...] | None:
        return await acquitted(cast("Any", SimpleNamespace(key=FileKey("in", name))), place, error, 10.0)

    assert await heard("a.png") is None
    assert await heard("b.png") is None
    assert await heard("c.png") == (FileKey("in", "a.png"), FileKey("in", "b.png"))
    assert model.pacing.paused is not None
    assert await heard("d.png") == ()


@pytest.mark.anyio
async def test_a_page_that_got_nothing_before_others_were_answered_is_blank_whoever_pauses_the_model_later() -> (
    None
):
    entry = ModelEntry(name="m", api="chat", base_url="https://x/v1", model="m")
    model = SimpleNamespace(entry=entry, pacing=Pacing(entry))
    place = cast("Any", SimpleNamespace(chain=(model,)))
    likeness = frozenset({NO_ANSWER})
    error = VisionError(Verdict("fail", "an empty answer", alike=likeness), alike={"m": likeness})

    def asked(name: str, nothing: str) -> None:
        ticket = model.pacing.start(10.0, file=f"in/{name}")
        ticket.heard, ticket.nothing = True, nothing
        model.pacing.finish(ticket, 10.0)

    asked("blank.png", "an empty answer")
    asked("good.png", "")
    for name in "abc":
        asked(name, "an empty answer")
    assert model.pacing.paused is not None
    ends = {
        name: await acquitted(cast("Any", SimpleNamespace(key=FileKey("in", name))), place, error, 10.0)
        for name in ("blank.png", "c")
    }
    assert ends == {"blank.png": None, "c": ()}
