"""glimpsed: shows every new image in watched folders to a vision model, writes the answer beside it.

`discover` notices files (watchdog's events are hints, the listing decides) and offers complete ones to the
`ledger`, which is the only queue. `pipeline` claims a file from it, has `images` prepare its pages in a
process pool, has `vision` ask the model, has `searchable` put the words under the pages, commits the answer
to the ledger, and has `sidecar` write it next to the image. `service` starts, reloads and drains all of that;
`cli` is one thin file a command; `web` is the live page, `desk` what operators see and do there and at a
terminal; `estimate` reckons what waiting files will cost, `report` renders a folder as an HTML page,
`evaluate` compares readings, `looks` is what pages look like, `export` makes tables of answers. Beneath lie
`config` (YAML to frozen models), `prompt` (templates), `schemas` (does an answer meet its JSON Schema, in a
process with limits), `journal`, `notify` and `metrics` (structlog to journald, sd_notify, Prometheus), `disk`
(the one door to files: reads that follow no link, files that are whole before they have their name, names
that are changed without loss), `blocking` (calls that may hang), `httpd` (the ports of metrics and page),
`eventloop` (nothing in it waits for a shared pool), `children` (processes of our own), `ocr` (what pages say,
in which order), `formats` (each picture format once), `model` and `errors` (the values that flow between the
stages, and the errors by what happens next), `clock` (what everything waits by), `redact` (what is never
shown), `bounded` (JSON that somebody else wrote), `words` (exceptions and durations, as they are said to
people), `region` (where a prepared picture lies on its page), `language` (what people read, in theirs).
Imports only point down that list; import-linter holds them to it.
"""

__version__ = "0.2.0"
