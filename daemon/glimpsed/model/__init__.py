"""The frozen values that flow between the stages. No behaviour beyond what a value knows of itself.

    Offer ──ledger──> Job ──pipeline──> Content ──images──> Image ──vision──> Reply ──> Answer ──> sidecar

Times are seconds since the epoch (float, UTC) unless a name ends in ``_ns``. Paths inside a folder are
``str`` with ``/``, decoded with surrogateescape, so that names that are not UTF-8 survive
(`os.fsencode` gives the bytes back); `shown` makes them safe to print.
"""

from glimpsed.model.answer import (
    Answer,
    Api,
    Doubt,
    DoubtfulField,
    DoubtfulWords,
    Frozen,
    Gist,
    Line,
    ModelUsed,
    PageAnswer,
    PageRecord,
    Paid,
    PromptUsed,
    Review,
    Sent,
    Source,
    Usage,
    Verified,
    Word,
)
from glimpsed.model.text import counted, json_shown, local, on_terminal, shown, utc, utc_ns
from glimpsed.model.work import (
    Content,
    FileKey,
    Handing,
    Image,
    Job,
    Offer,
    PageText,
    Reply,
    Request,
    State,
    Version,
    Written,
)

__all__ = [
    "Answer",
    "Api",
    "Content",
    "Doubt",
    "DoubtfulField",
    "DoubtfulWords",
    "FileKey",
    "Frozen",
    "Gist",
    "Handing",
    "Image",
    "Job",
    "Line",
    "ModelUsed",
    "Offer",
    "PageAnswer",
    "PageRecord",
    "PageText",
    "Paid",
    "PromptUsed",
    "Reply",
    "Request",
    "Review",
    "Sent",
    "Source",
    "State",
    "Usage",
    "Verified",
    "Version",
    "Word",
    "Written",
    "counted",
    "json_shown",
    "local",
    "on_terminal",
    "shown",
    "utc",
    "utc_ns",
]
