"""A folder on disk with one image, and the answer to it: what the sidecar tests start from."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glimpsed import sidecar
from glimpsed.config.schema import Folder
from glimpsed.disk import files
from glimpsed.model import (
    Answer,
    Content,
    ModelUsed,
    PromptUsed,
    Sent,
    Source,
    Usage,
    Version,
    Written,
    shown,
    utc_ns,
)

IMAGE = b"\xff\xd8 not really a JPEG \xff\xd9"


@dataclass
class Inbox:
    """A folder, and the file in it that everything is about."""

    path: Path
    folder: Folder
    file: str  # relative to the folder

    @property
    def image(self) -> Path:
        return self.path / self.file

    @property
    def root(self) -> files.Root:
        return files.find_root(self.path)

    @property
    def version(self) -> Version:
        return files.version_of(self.image.lstat())

    @property
    def content(self) -> Content:
        return files.read_content(self.root, self.file, self.version)

    def beside(self, name: str) -> Path:
        return self.image.parent / name

    def names(self) -> set[str]:
        return {os.fsdecode(name) for name in os.listdir(os.fsencode(self.image.parent))}

    def check(self, written: tuple[Written, ...] = ()) -> None:
        sidecar.check(self.root, self.file, self.folder, written)

    def write(self, answer: Answer | None = None, written: tuple[Written, ...] = ()) -> tuple[Written, ...]:
        answer = answer if answer is not None else self.answer()
        return sidecar.write(self.root, self.file, self.folder, answer, written, self.content)

    def found(self) -> sidecar.Adoptable:
        directory, _, name = self.file.rpartition("/")
        return sidecar.adoptable(self.root, directory, name, self.version, self.folder, self.names())

    def answer(self, text: str = "Zürich, 3 € — “ok”", **changed: Any) -> Answer:
        source = Source(
            name=shown(self.image.name),
            bytes=self.version.size,
            modified=utc_ns(self.version.mtime_ns),
            sha256=hashlib.sha256(self.image.read_bytes()).hexdigest(),
            media_type="image/jpeg",
            width=2480,
            height=3508,
            pages=1,
        )
        return answer(source, text, **changed)


def answer(source: Source, text: str, **changed: Any) -> Answer:
    values: dict[str, Any] = {
        "folder": "inbox",
        "source": source,
        "prompt": PromptUsed(sha256="p" * 64),
        "model": ModelUsed(entry="gpt-4o", api="responses", asked="gpt-4o", answered="gpt-4o-2024-08-06"),
        "sent": (Sent(page=1, media_type="image/jpeg", width=1448, height=2048, bytes=345678),),
        "text": text,
        "finish": "stop",
        "usage": Usage(input_tokens=1105, output_tokens=210, cost=0.00487512345, currency="USD"),
        "attempts": 1,
        "request_id": "req_1",
        "started": "2026-11-22T10:00:00.000000Z",
        "finished": "2026-11-22T10:00:02.310000Z",
        "seconds": 2.310499,
    }
    return Answer(**{**values, **changed})


def inbox(path: Path, file: str = "a/scan.jpg", **keys: Any) -> Inbox:
    """Make the folder; the image is an hour old."""
    made = Inbox(path, Folder(name="inbox", path=path, **keys), file)
    made.image.parent.mkdir(parents=True, exist_ok=True)
    made.image.write_bytes(IMAGE)
    an_hour_ago = made.version.mtime_ns - 3_600_000_000_000
    os.utime(made.image, ns=(an_hour_ago, an_hour_ago))
    return made
