"""The log events (DESIGN 10): names, and for each its sentence and the id that the catalog explains.

A sentence is filled in from the event's fields; a part in square brackets is left out when one of its
fields is missing or empty. An id is for ever: scripts and `systemd/glimpsed.catalog` go by it.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVICE_STARTED = "service.started"
SERVICE_READY = "service.ready"
SERVICE_RELOADED = "service.reloaded"
SERVICE_RELOAD_FAILED = "service.reload_failed"
SERVICE_STATUS = "service.status"  # asked for with SIGUSR1
SERVICE_STOPPING = "service.stopping"
SERVICE_STOPPED = "service.stopped"
FOLDER_WATCHING = "folder.watching"
FOLDER_LOST = "folder.lost"
FOLDER_BACK = "folder.back"
FOLDER_DEGRADED = "folder.degraded"
SCAN_FINISHED = "scan.finished"
FILE_QUEUED = "file.queued"
FILE_SKIPPED = "file.skipped"
FILE_DONE = "file.done"
FILE_REUSED = "file.reused"
FILE_RETRY = "file.retry"
FILE_FAILED = "file.failed"
FILE_HANDED_OVER = "file.handed_over"  # all that the folder's `on_done` asks for is done
FILE_DOUBTFUL = "file.doubtful"  # a second reader reads something else
FILE_REVIEWED = "file.reviewed"  # somebody corrected or confirmed an answer
FILE_COMMAND = "file.command"  # the folder's `on_done` command ended
MODEL_PAUSED = "model.paused"
MODEL_RESUMED = "model.resumed"
MODEL_LEARNED = "model.learned"
BUDGET_REACHED = "budget.reached"
BACKLOG_WAITING = "backlog.waiting"
CONFIG_ERROR = "config.error"
LEDGER_SHARED = "ledger.shared"
LEDGER_UNAVAILABLE = "ledger.unavailable"
SIDECAR_BLOCKED = "sidecar.blocked"

# Not an event of glimpsed's own: what a library, a warning or a dying thread had to say.
LIBRARY = "library"


@dataclass(frozen=True, slots=True)
class Event:
    """What the journal shows for an event."""

    sentence: str
    message_id: str  # 128 bits in hex, fixed


EVENTS: dict[str, Event] = {
    SERVICE_STARTED: Event("Starting[: {reason}]", "d04bb926815d441c91e9d95cca0dd299"),
    SERVICE_READY: Event(
        "Ready[, folders watched: {folders}][: {reason}]", "0bd57d7514c04f67b9f46298787f7e38"
    ),
    SERVICE_RELOADED: Event("The config was reloaded[: {reason}]", "36459b98aefa44b2a8aa53b359f13e29"),
    SERVICE_RELOAD_FAILED: Event(
        "The new config is not usable, the old one stays in force[: {reason}]",
        "8d164da8c3724374a8473a3f0f486acf",
    ),
    SERVICE_STATUS: Event("Status[: {reason}]", "ff4a6e6dcec54c93bc673020938a1114"),
    SERVICE_STOPPING: Event(
        "Stopping[, {files} files in hand][: {reason}]", "a3983cda902a490198dd4bfe7ac87e83"
    ),
    SERVICE_STOPPED: Event("Stopped[ after {seconds:.1f} s][: {reason}]", "f5efeec7117343ac996e7414d4969e1a"),
    FOLDER_WATCHING: Event(
        "{folder}: watching[ {path}][ on {filesystem}][ by {mode}]", "5056c9882aff460ab40b97ec44aec3c7"
    ),
    FOLDER_LOST: Event("{folder}: lost[: {reason}]", "a17804ab73b9477292c4ced1afb31fa6"),
    FOLDER_BACK: Event("{folder}: back[ on {filesystem}][ by {mode}]", "c6b1a09d0db846dba3770817152df58d"),
    FOLDER_DEGRADED: Event(
        "{folder}: watched less well than it should be[, by {mode}][ on {filesystem}][: {reason}]",
        "336a36f31026446da136a07708a6a6c8",
    ),
    SCAN_FINISHED: Event(
        "{folder}: listed[ {files} files][, {waiting} waiting][ in {seconds:.1f} s]",
        "24329a469a5e424389507f7eaf9714a4",
    ),
    FILE_QUEUED: Event("{folder}/{file}: in the queue", "4eeb1fee6d63402fab98b99d76ece4f7"),
    FILE_SKIPPED: Event("{folder}/{file}: skipped[: {reason}]", "c9c12176e8e74b05b4ebafc736f2553c"),
    FILE_DONE: Event(
        "{folder}/{file}: done[ in {seconds:.1f} s][ by {model}][, {input_tokens} + {output_tokens} tokens][, cost {cost:.4f}][; {reason}]",
        "5ca246b60d42498eba57b0498ce1fd33",
    ),
    FILE_REUSED: Event(
        "{folder}/{file}: done without asking[: {reason}]",
        "790f43d5ada648d780fef213c157c627",
    ),
    FILE_RETRY: Event(
        "{folder}/{file}: will be tried again[ in {seconds:lasting}][: {reason}]",
        "72b824c00c2c4342b61bb2f69a94007a",
    ),
    FILE_FAILED: Event("{folder}/{file}: failed[: {reason}]", "6c05b7b94e094bf48fcf9c30e0626a90"),
    FILE_HANDED_OVER: Event(
        "{folder}/{file}: handed over[, now {reason}]", "7d0b6f3e58f54d3f9a6f6d2f0c1b9a47"
    ),
    FILE_DOUBTFUL: Event(
        "{folder}/{file}: doubtful[: {reason}][, by {model}]", "0d1f6a3c8b5e4c8f9a6b7de2f5c31e84"
    ),
    FILE_REVIEWED: Event("{folder}/{file}: reviewed[: {reason}]", "5b8c2d90e1f74a6f8d3b6a7c9e02f417"),
    FILE_COMMAND: Event(
        "{folder}/{file}: its command ended[ after {seconds:.1f} s][: {reason}]",
        "be12fd6afb6f47d7ac11a229b77f4f36",
    ),
    MODEL_PAUSED: Event(
        "Model {model} is paused[ for {seconds:lasting}][: {reason}]", "d276e61a0cf7400e9be214397a948189"
    ),
    MODEL_RESUMED: Event("Model {model} works again", "df55da37462c496a951ea445bca8a876"),
    MODEL_LEARNED: Event("Learned about model {model}[: {reason}]", "b3a7c538cd064332afabd2bc77987149"),
    BUDGET_REACHED: Event(
        "The budget is reached[ (model {model})][ (folder {folder})][: {reason}]",
        "553ce6e0031d45a5962b8f15c13f0e60",
    ),
    BACKLOG_WAITING: Event(
        "{folder}: {waiting} files wait for approval[: {reason}]",
        "e38c0d47fc994d2d9e87d5d63889acb6",
    ),
    CONFIG_ERROR: Event("The config is not usable[: {reason}]", "5ad89b942c5548149f4a1a7ab1efa769"),
    LEDGER_SHARED: Event(
        "Another daemon works from this ledger[: {reason}]", "af8c8060f0674402a9aae7910335756f"
    ),
    LEDGER_UNAVAILABLE: Event("The ledger is out of reach[: {reason}]", "7c16b6f39e784ef68d4624847f755ac3"),
    SIDECAR_BLOCKED: Event(
        "{folder}[/{file}]: the answer cannot be written[: {reason}]", "fda5796155ae496fa3772dac173e87fd"
    ),
}
