"""The program that reads answers to a schema: it may take too long, so that the daemon does not.

Its file is JSON: ``{"text", "schema"}``, or ``{"value", "schema"}``. It answers with the value, as JSON, or
with ``{"misfit": [told, reason, final]}``; either says how many `seconds` of CPU it took.
"""

from __future__ import annotations

import json
import time
from typing import Any, BinaryIO

from glimpsed.children.program import Answer, Answering, serve
from glimpsed.schemas import Misfit, fit
from glimpsed.words import cause


def start(_settings: dict[str, Any]) -> Answering:
    """What reads the answers."""
    return _read


def _read(_question: None, file: BinaryIO) -> Answer:
    began = time.process_time()
    task = json.load(file)
    value = misfit = None
    try:
        if "text" in task:
            value, misfit = fit.read(task["text"], task["schema"])
        else:
            misfit = fit.check(task["value"], task["schema"])
    except Exception as e:  # noqa: BLE001 - whatever a schema makes of the library, or no memory left
        unusable = f"the answer cannot be checked against the schema: {cause(e)}"[:300]
        misfit = Misfit(unusable, unusable, final=True)
    seconds = time.process_time() - began
    if misfit is not None:
        return {"misfit": [misfit.told, misfit.reason, misfit.final], "seconds": seconds}, ()
    return {"seconds": seconds}, (json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"),)


if __name__ == "__main__":
    serve(start)
