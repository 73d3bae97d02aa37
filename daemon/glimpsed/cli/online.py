"""What ``glimpsed check --online`` asks the models: a tiny image, in the way that their folders will ask."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import itertools
import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from glimpsed import eventloop
from glimpsed.errors import MissingExtra, VisionError

if TYPE_CHECKING:
    from glimpsed.config import Config, Folder, ModelEntry
    from glimpsed.model import Image, Request

PATIENCE = 60.0  # seconds that a model has for a tiny image
SHORT = 16  # output tokens: so that a slow machine takes seconds; the Responses API takes no fewer
PROMPT = "What does this image say? Answer with that word only."
_WIDTH = 320  # px of that image; some models refuse what is smaller than 15
_HEIGHT = 96


@dataclasses.dataclass(frozen=True, slots=True)
class ModelReport:
    """One model; `reachable` is None when it was not asked."""

    api: str
    reachable: bool | None
    problem: str | None
    seconds: float | None = None


OnReport = Callable[[str, ModelReport], None]


def ask_all(config: Config, entries: Iterable[ModelEntry], told: OnReport) -> None:
    """Ask these models; each is `told` of as it is known."""
    eventloop.run(_ask_all(config, list(entries), told))


async def _ask_all(config: Config, entries: list[ModelEntry], told: OnReport) -> None:
    """Models of one base_url one after the other: a small server works on one request at a time."""
    picture = _picture()

    async def one_place(several: Iterable[ModelEntry]) -> None:
        for entry in several:
            told(entry.name, await _ask(entry, requests(config, entry, picture)))

    places = itertools.groupby(sorted(entries, key=_place), key=_place)
    await asyncio.gather(*[one_place(list(several)) for _, several in places])


def _place(entry: ModelEntry) -> str:
    return entry.base_url or ""


def requests(config: Config, entry: ModelEntry, picture: Image) -> list[Request]:
    """What the folders will send to this model, each form once; of a model that none uses, the plain question."""
    from glimpsed.config import Folder

    asking = [f for f in config.folders.values() if entry.name in f.readers]
    forms = {_form(folder): folder for folder in asking}
    plain = Folder(path="/", model=entry.name)
    return [_request(folder, entry, picture) for folder in forms.values() or [plain]]


def _form(folder: Folder) -> str:
    """What tells one folder's requests from another's, for a gateway that may refuse them."""
    schema = folder.schema_ if folder.schema_ is None else json.dumps(folder.schema_, sort_keys=True)
    return repr((folder.temperature, folder.detail, folder.user, bool(folder.system), schema))


def _request(folder: Folder, entry: ModelEntry, picture: Image) -> Request:
    from glimpsed.model import Request

    return Request(
        prompt=PROMPT,
        images=(picture,),
        system=folder.system,
        schema=None if entry.local else folder.schema_,
        temperature=folder.temperature,
        max_output_tokens=SHORT,
        detail=folder.detail,
        user=folder.user,
        brief=True,
    )


async def _ask(entry: ModelEntry, asked: list[Request]) -> ModelReport:
    """One request of each form through the same client as the daemon's, retries left out."""
    from glimpsed.vision import connect
    from glimpsed.vision.memory import Memory

    start = time.monotonic()
    problem = None
    try:
        model = connect(entry, Memory())
        try:
            for request in asked:
                async with asyncio.timeout(PATIENCE):
                    await model.ask(request)
        finally:
            await model.aclose()
    except (VisionError, MissingExtra) as e:
        problem = str(e)
    except TimeoutError:
        problem = f"no answer within {PATIENCE:g} s"
    return ModelReport(entry.api, problem is None, problem, round(time.monotonic() - start, 2))


def _picture() -> Image:
    """A word in large print."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    from glimpsed.model import Image

    canvas = Pillow.new("RGB", (_WIDTH, _HEIGHT), "white")
    ImageDraw.Draw(canvas).text((24, 16), "glimpsed", fill="black", font=ImageFont.load_default(size=56))
    encoded = io.BytesIO()
    canvas.save(encoded, "JPEG", quality=85)
    return Image(1, "image/jpeg", _WIDTH, _HEIGHT, encoded.getvalue())
