"""A ledger that has seen something: made through its own API, as the daemon makes it, without a daemon."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from glimpsed import sidecar
from glimpsed.config import Config, Folder
from glimpsed.disk import files
from glimpsed.ledger import Ledger
from glimpsed.model import (
    Answer,
    Content,
    Doubt,
    FileKey,
    Job,
    ModelUsed,
    Offer,
    PageAnswer,
    PromptUsed,
    Source,
    Usage,
    shown,
    utc,
    utc_ns,
)
from glimpsed.pipeline.question import fingerprint, prompt_sha256
from pictures import picture

CONFIG = """
state: sqlite:///ledger.sqlite
models:
  m:
    api: chat
    base_url: http://127.0.0.1:9/v1
    model: gpt-4o
    api_key_credential: is.only.for.systemd
    price: {input: 2.5, output: 10}
    requests_per_minute: 60
folders:
  invoices: {path: invoices, prompt: Read it., model: m}
  archive: {path: archive, prompt: Read it., model: m, outputs: [txt]}
budget: {per_day: 5}
"""


class History:
    """Files on disk and rows in the ledger, side by side."""

    def __init__(self, config: Config, ledger: Ledger) -> None:
        self.config = config
        self.ledger = ledger
        self._seed = 0

    def image(self, folder: str, path: str, size: tuple[int, int] = (320, 240)) -> FileKey:
        """A picture of its own in the folder."""
        self._seed += 1
        place = Path(self.config.folders[folder].path) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture("PNG", size, seed=self._seed))
        return FileKey(folder, path)

    def queued(self, folder: str, path: str, now: float | None = None) -> FileKey:
        """A file that waits."""
        key = self.image(folder, path)
        root = files.find_root(self.config.folders[folder].path)
        with files.opened_file(root, path) as (_, status):
            self.ledger.offer([Offer(key, files.version_of(status))], now or time.time())
        return key

    def claimed(self, folder: str, path: str, now: float | None = None) -> Job:
        """A file that somebody works on."""
        self.queued(folder, path, now)
        (job,) = self.ledger.claim(folders=[folder], limit=1, now=now or time.time())
        assert job.key.path == path
        return job

    def failed(
        self,
        folder: str,
        path: str,
        reason: str = "It is broken.",
        now: float | None = None,
        advice: str = "Scan it again.",
    ) -> FileKey:
        """A file that failed."""
        job = self.claimed(folder, path, now)
        assert self.ledger.failed(job, reason, advice, now or time.time(), attempts=2)
        return job.key

    def done(
        self,
        folder: str,
        path: str,
        pages: Sequence[str] = ("An answer.",),
        now: float | None = None,
        data: object = None,
        told: Mapping[str, object] | None = None,
        agreement: float | None = None,
        doubt: Doubt | None = None,
        **asked: object,
    ) -> FileKey:
        """A file with its answer and sidecars; `asked` changes the folder that it was asked for.

        `told` is more of the answer. With an `agreement` or a `doubt`, a second reader has read it, too.
        """
        now = now or time.time()
        job = self.claimed(folder, path, now)
        settings = self.config.folders[folder].model_copy(update=asked)
        root = files.find_root(settings.path)
        content = files.read_content(root, path, job.version)
        answer = _answer(job, content, pages, now, settings)
        answer = answer.model_copy(update={"data": data, "doubt": doubt, **(told or {})})
        question = fingerprint(settings, self.config.models[settings.model])
        assert self.ledger.answered(job, answer, question=question, now=now)
        if doubt is not None:
            self.ledger.to_verify(job, agreement=doubt.agreement, doubtful=True)
        elif agreement is not None:
            self.ledger.to_verify(job, agreement=agreement)
        written = sidecar.write(root, path, settings, answer, (), content)
        assert self.ledger.done(job, written, now)
        return job.key


def _answer(job: Job, content: Content, pages: Sequence[str], now: float, settings: Folder) -> Answer:
    return Answer(
        folder=job.key.folder,
        source=Source(
            name=shown(job.key.name),
            bytes=job.version.size,
            modified=utc_ns(job.version.mtime_ns),
            sha256=hashlib.sha256(content.data).hexdigest(),
            media_type="image/png",
            width=320,
            height=240,
            pages=len(pages),
        ),
        prompt=PromptUsed(sha256=prompt_sha256(settings)),
        model=ModelUsed(entry=settings.model, api="chat", asked="gpt-4o", answered="gpt-4o-2024-08-06"),
        sent=(),
        text="\f".join(pages),
        pages=tuple(PageAnswer(page=n, text=t) for n, t in enumerate(pages, 1)) if len(pages) > 1 else None,
        finish="stop",
        usage=Usage(input_tokens=1000, output_tokens=100, cost=0.25, currency="USD"),
        attempts=1,
        started=utc(now),
        finished=utc(now),
        seconds=1.5,
    )
