"""What people write when they need this: watchdog handlers, as tutorials have them.

    python tests/benchmarks/rivals.py tutorial|pool FOLDER BASE_URL

`tutorial` posts from the handler with `requests`; `pool` hands each closed file to 32 threads with the `openai`
package. The text goes beside the image. Both run until they are ended.
"""

from __future__ import annotations

import base64
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


def messages(path: str) -> list[Any]:
    image = base64.b64encode(Path(path).read_bytes()).decode()
    url = {"url": f"data:image/jpeg;base64,{image}"}
    text = f"file:{Path(path).name}"
    parts = [{"type": "image_url", "image_url": url}, {"type": "text", "text": text}]
    return [{"role": "user", "content": parts}]


class Tutorial(FileSystemEventHandler):
    """One after the other, as soon as the file exists."""

    def __init__(self, url: str) -> None:
        import requests

        self.url = url
        self.session = requests.Session()

    def on_created(self, event: FileSystemEvent) -> None:
        path = str(event.src_path)
        if path.endswith(".jpg"):
            body = {"model": "m", "messages": messages(path)}
            reply = self.session.post(f"{self.url}/chat/completions", json=body).json()
            Path(path + ".txt").write_text(reply["choices"][0]["message"]["content"])


class Pool(FileSystemEventHandler):
    """32 at a time, once the file is closed."""

    def __init__(self, url: str) -> None:
        import openai

        self.client = openai.OpenAI(base_url=url, api_key="sk-none")
        self.pool = ThreadPoolExecutor(32)

    def on_closed(self, event: FileSystemEvent) -> None:
        path = str(event.src_path)
        if path.endswith(".jpg"):
            self.pool.submit(self.ask, path)

    def ask(self, path: str) -> None:
        reply = self.client.chat.completions.create(model="m", messages=messages(path))
        Path(path + ".txt").write_text(reply.choices[0].message.content or "")


def main() -> None:
    which, folder, url = sys.argv[1:]
    observer = Observer()
    observer.schedule({"tutorial": Tutorial, "pool": Pool}[which](url), folder)
    observer.start()
    print("ready", flush=True)  # noqa: T201 - whoever started it waits for this
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
