from __future__ import annotations

from glimpsed.model import FileKey
from glimpsed.pipeline.trouble import Troubles


def key(path: str) -> FileKey:
    return FileKey("f", path)


def test_the_reason_names_the_directories_that_take_nothing_and_no_others() -> None:
    told: dict[str, str | None] = {}
    troubles = Troubles(told.__setitem__)
    troubles.met(key("ok/1.png"), "Text file busy", 0.0)
    assert told == {}, "one file says nothing of its directory"
    troubles.met(key("a/1.png"), "Permission denied", 0.0, "directory")
    assert told == {"f": "no sidecars can be written in a: Permission denied"}
    troubles.met(key("2.png"), "Permission denied", 0.0, "directory")
    assert told == {"f": "no sidecars can be written in a and the folder itself: Permission denied"}
    for name in ("b\n", "c", "d"):
        troubles.met(key(f"{name}/1.png"), "Permission denied", 0.0, "directory")
    expected = "no sidecars can be written in a, the folder itself, b\\n and 2 more of its directories"
    assert told == {"f": f"{expected}: Permission denied"}
    troubles.over(key("a/1.png"))
    assert told == {
        "f": "no sidecars can be written in the folder itself, b\\n, c and 1 more of its directories: "
        "Permission denied"
    }
    troubles.met(key("a/1.png"), "No space left on device", 0.0, "disk")
    assert told == {"f": "no sidecars can be written: No space left on device"}
    for path in ("a/1.png", "2.png", "b\n/1.png", "c/1.png", "d/1.png"):
        troubles.forget(key(path))
    assert told == {"f": None}


def test_what_waits_behind_a_closed_directory_is_told_which() -> None:
    troubles = Troubles()
    troubles.met(key("a/1.png"), "Permission denied", 0.0, "directory")
    troubles.met(key("1.png"), "Permission denied", 0.0, "directory")
    told = [wait[1] for path in ("a/2.png", "2.png") if (wait := troubles.wait(key(path), 0.1))]
    assert told == ["a: Permission denied", "the folder itself: Permission denied"]
