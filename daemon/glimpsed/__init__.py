"""glimpsed: shows every new image in watched folders to a vision model, writes the answer beside it.

`discover` notices files (watchdog's events are hints, the listing decides) and offers complete ones to
the `ledger`, which is the only queue. `pipeline` claims a file from it, has `images` prepare its pages
in a process pool, has `vision` ask the model, commits the answer to the ledger, and has `sidecar` write
it next to the image. `service` starts, reloads and drains all of that; `cli` is one thin file a command;
`estimate` reckons what waiting files will cost, `report` renders a folder as an HTML page. Beneath lie
`config` (YAML to frozen models), `prompt` (templates), `journal`, `notify` and `metrics` (structlog to
journald, sd_notify, Prometheus), `fileworker` (reads and writes for busy local folders in a process of its
own), `temporary` (files that are whole before they have their name), `files` and `blocking` (reads that
follow no link, calls that may hang), `eventloop` (names looked up outside of any shared pool), `child` (processes of our own),
`model` and `errors` (the values that flow between the stages, and the errors by what happens next).
Imports only point down that list; import-linter holds them to it.
"""

__version__ = "0.1.0"
