"""Files that are refused alike are no bad files: those that are on their way when that is found out as well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict, VisionError
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
