"""Asking a model: one `Model` for each entry of the config, remote or local, all with the same `ask`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from glimpsed.clock import elapsed
from glimpsed.config.schema import ModelEntry
from glimpsed.model import Image, Reply, Request
from glimpsed.vision.memory import Ceiling, Memory
from glimpsed.vision.pacing import Pacing

__all__ = ["Ceiling", "Memory", "Model", "Pacing", "Smaller", "connect", "preview"]


# The question's images anew, smaller than before: by one rung, or (true) as small as they are ever sent. None: they
# are that already.
Smaller: TypeAlias = Callable[[bool], Awaitable[tuple[Image, ...] | None]]


class Model(Protocol):
    """One model entry, ready to be asked."""

    entry: ModelEntry
    pacing: Pacing

    async def ask(self, request: Request, smaller: Smaller | None = None) -> Reply:
        """The answer. Raises VisionError, whose verdict says what to do next, and nothing else."""
        ...

    def ceiling(self, images: int = 1) -> Ceiling:
        """What each of so many images of one request may be, by what was learnt."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and processes."""
        ...


def connect(entry: ModelEntry, memory: Memory, clock: Callable[[], float] = elapsed) -> Model:
    """The model that an entry describes. Nothing is sent or started before the first `ask`.

    `clock` is that of its pacing and of what is learnt. Raises MissingExtra when the entry needs a part that is not installed.
    """
    if entry.local:
        from glimpsed.vision.local import LocalModel  # noqa: PLC0415 - most daemons never need it

        return LocalModel(entry, clock)
    from glimpsed.vision.remote import RemoteModel  # noqa: PLC0415 - httpx, only when there is a remote model

    return RemoteModel(entry, memory, clock)


def preview(entry: ModelEntry, request: Request) -> dict[str, Any]:
    """The request that `ask` sends first, to look at: image data cut, no key. Nothing is learnt or sent."""
    if entry.local:
        return {
            "local": entry.model,
            "images": [f"{i.media_type}, {len(i.data)} bytes" for i in request.images],
        }
    from glimpsed.vision import chat, responses  # noqa: PLC0415 - only `try` looks at requests
    from glimpsed.vision.wire import Ask, address  # noqa: PLC0415

    module = chat if entry.api == "chat" else responses
    ask = Ask(request, entry.model, entry.extra, limit=request.max_output_tokens, stream=entry.stream)
    query = {name: "hidden" if value in entry.secrets else value for name, value in entry.query.items()}
    return {"url": address(entry.base_url or "", module.PATH, query), "body": module.body(ask, "…")}
