"""An image that is deleted before its turn: what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glimpsed import sidecar
from glimpsed.blocking import Blocking
from glimpsed.ledger import Books, Ledger, open_ledger
from glimpsed.model import FileKey, Offer
from glimpsed.pipeline.ends import Ends
from glimpsed.pipeline.place import Place
from sidecar_samples import Inbox, inbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield ledger
    ledger.close()


async def meets_vanished(ledger: Ledger, box: Inbox, *, deleted: bool) -> None:
    """It failed and is asked again, and is not there when its turn comes, or not as it was."""
    key = FileKey("inbox", box.file)
    ledger.offer([Offer(key, box.version)], 1)
    (job,) = ledger.claim(folders=["inbox"], limit=1, now=2)
    sidecar.write_error(box.root, box.file, box.folder, "It failed.", "Do something.", {})
    if deleted:
        box.image.unlink()
    io = Blocking("io")
    ends = Ends(
        Books(ledger),
        find_place=lambda _: None,
        blocked=lambda *_: None,
        dice=lambda: 0.5,
    )
    assert (await ends.gone(job, Place(box.folder, box.root, io, ()))).outcome == "gone"
    row = ledger.find(key)
    assert row is not None
    assert row.state == "gone"
    io.close()


async def test_the_error_sidecar_goes_with_an_image_that_was_deleted(tmp_path: Path, ledger: Ledger) -> None:
    box = inbox(tmp_path / "inbox")
    await meets_vanished(ledger, box, deleted=True)
    assert box.names() == set()


async def test_the_error_sidecar_of_another_version_waits_for_its_end(tmp_path: Path, ledger: Ledger) -> None:
    box = inbox(tmp_path / "inbox")
    await meets_vanished(ledger, box, deleted=False)
    assert box.names() == {"scan.jpg", "scan.jpg.error.txt"}
