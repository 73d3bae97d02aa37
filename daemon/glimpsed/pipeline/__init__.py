"""From a claimed job to its end. `story` is the table of contents: one file's life, top down.

`look` sees what is there, `reuse` looks for an answer to use again, `document` and `ask` put the `question` to the
models, `after` hands over, `ends` writes down how it came out; `trouble` and `untold` know what has to wait. `anew` writes and
`older` keeps what was answered before.
"""

from glimpsed.pipeline.ends import End, Outcome
from glimpsed.pipeline.place import Place
from glimpsed.pipeline.story import Pipeline, Unfinished

__all__ = ["End", "Outcome", "Pipeline", "Place", "Unfinished"]
