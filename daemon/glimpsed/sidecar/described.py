"""The JSON Schema of the JSON sidecar, for programs that read it; more keys may come, those that there are stay."""

from __future__ import annotations

import re
from typing import Any

from glimpsed.model import Answer


def json_schema() -> dict[str, Any]:
    """As JSON Schema 2020-12."""
    schema = Answer.model_json_schema(mode="validation", ref_template="#/$defs/{model}")
    for part in (schema, *schema["$defs"].values()):
        part.pop("additionalProperties", None)
        # Who reads this has no design.
        described = re.sub(r" \(DESIGN \d+\)", "", part.get("description", ""))
        part["description"] = " ".join(described.split()) or part["title"]
    schema["description"] = "What stands beside an image as scan.jpg.json."
    schema["required"] = ["glimpsed", *schema["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "glimpsed sidecar"}
