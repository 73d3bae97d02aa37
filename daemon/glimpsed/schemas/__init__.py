"""JSON Schemas: which value an answer means, and whether it meets the schema, in a process with limits.

A schema is the user's and an answer is anybody's: together they can take for ever (``pattern: ^(a+)+$``). So
nothing here runs in the daemon but `checker`, which asks `worker`, a process that the kernel ends when it takes
too long; there, `find` looks for values in the text, and `fit` holds them against the schema.

Importing this package loads neither of them: jsonschema takes half a second, and stays out of the daemon.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST = 16 << 20  # bytes of a value as JSON
NOT_JSON = "the answer is not JSON"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why an answer does not fit: `told` to the model; `reason` for the log, without the answer's words."""

    told: str
    reason: str
    final: bool = False  # asking again would not help
