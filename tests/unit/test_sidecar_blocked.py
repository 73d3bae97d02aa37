"""Wherever a full, closed or read-only disk shows itself, the answer waits and nothing is left behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from glimpsed.disk import names
from glimpsed.errors import SidecarBlocked
from sidecar_samples import inbox as made


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])  # NFS tells of a quota at the fsync
def test_the_answer_waits_and_no_temporary_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    inbox = made(tmp_path)
    answer = inbox.answer()
    before = inbox.names()

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if call == "rename":
            patch.setattr(names, "_rename", lambda *_: number)
        else:
            patch.setattr(os, call, fails)
        with pytest.raises(SidecarBlocked, match=os.strerror(number)):
            inbox.write(answer)
    assert inbox.names() == before
    inbox.write(answer)
    assert len(inbox.names()) > len(before)
