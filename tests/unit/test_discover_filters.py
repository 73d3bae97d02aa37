"""What is looked at and what is not, with the rule that says so."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pathspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.config.schema import Folder
from glimpsed.discover.filters import Filter, Linear, _spec


def skips(path: str, *, is_dir: bool = False, **keys: Any) -> str | None:
    return Filter(Folder(path=Path("/in"), **keys)).skips(path, is_dir)


@pytest.mark.parametrize(
    "path",
    ["a.jpg", "document.PDF", "deep/er/scan.TiFf", "\udcff.png", "line\nbreak.webp", "a.b.c.heic", "a#b.png"],
)
def test_images_and_pdfs_are_looked_at(path: str) -> None:
    assert skips(path) is None


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("._document.pdf", "._*"),
        (".hidden.jpg", ".*"),
        ("~$letter.pdf", "~$*"),
        ("x/@eaDir/a.jpg", "@eaDir/"),
        ("#recycle/a.jpg", "\\#recycle/"),
        ("lost+found/a.jpg", "lost+found/"),
        ("a.jpg.txt", "not an image"),
        ("a.jpg.json", "not an image"),
        ("a.jpg.error.txt", "not an image"),
        (".glimpsed-00000000-1-1-00000000.tmp", "not an image"),
        ("a.jpg~", "not an image"),
        ("a.jpg.part", "not an image"),
        ("notes", "not an image"),
    ],
)
def test_what_is_never_looked_at(path: str, rule: str) -> None:
    assert skips(path) == rule


@pytest.mark.parametrize(
    "name",
    [
        *(
            "@eaDir",
            ".@__thumb",
            "#recycle",
            "@Recycle",
            ".stversions",
            "__MACOSX",
            ".snapshot",
            ".Trash-1000",
        ),
        *("$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER", "System Volume Information", "#snapshot", "~snapshot"),
        *("@Recently-Snapshot", "Network Trash Folder"),
    ],
)
def test_directories_of_other_programs_bins_and_snapshots_are_not_opened(name: str) -> None:
    assert skips(f"deep/{name}", is_dir=True)
    assert skips(f"deep/{name}/S-1/a.png")


def test_exclude_adds_to_the_built_in_rules_and_can_take_back() -> None:
    keys: dict[str, Any] = {"exclude": ("old/", "*.GIF", "/top.png", "!keep.gif")}
    assert skips("x/old", is_dir=True, **keys) == "old/"
    assert skips("x/old/a.png", **keys) == "old/"
    assert skips("a.gif", **keys) == "*.GIF"
    assert skips("keep.gif", **keys) is None
    assert skips("top.png", **keys) == "/top.png"
    assert skips("x/top.png", **keys) is None
    assert skips(".a.png", **keys) == ".*"


def test_include_narrows_files_and_not_directories() -> None:
    keys: dict[str, Any] = {"include": ("invoices/**", "*.pdf")}
    assert skips("other", is_dir=True, **keys) is None
    assert skips("other/a.jpg", **keys) == "not included"
    assert skips("other/a.PDF", **keys) is None
    assert skips("invoices/2026/a.jpg", **keys) is None


def test_include_can_name_another_suffix_but_never_sidecars() -> None:
    assert skips("fax.DAT", include=("*", "*.dat")) is None
    assert skips("fax.txt", include=("*", "*.txt")) == "not an image"


@pytest.mark.parametrize(
    ("template", "own", "image"),
    [
        (
            "{name}.out",
            ["scan.jpg.out", "deep/SCAN.JPG.OUT", "fax.out.out"],
            ["fax.out", "a.2026.out", "scan.jpg"],
        ),
        ("{ext} of [{name}].out", ["txt of [scan.jpg].out"], ["txt of s.out", "scan.jpg"]),
        ("{stem}.out", ["scan.out"], ["scan.jpg"]),
        ("{name}.jp2", ["scan.jpg.jp2"], ["scan.jp2", "scan.jpg"]),
    ],
)
def test_own_sidecars_are_no_images_whatever_their_ending(
    template: str, own: list[str], image: list[str]
) -> None:
    keys: dict[str, Any] = {"sidecar": template, "outputs": ("txt",), "include": ("*", "*.out")}
    assert {skips(path, **keys) for path in own} == {"a sidecar of glimpsed's own"}
    assert [skips(path, **keys) for path in image] == [None] * len(image)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*_*_*_*_*_*_*.jpg", "_" * 240 + ".png"),
        ("*a" * 60, "a" * 250 + "b"),
        ("**/*-*-*-*-*-*/x*", "d/" + "-" * 240 + "/y.png"),
    ],
)
def test_a_hostile_name_takes_no_longer_than_any_other(pattern: str, name: str) -> None:
    began = time.process_time()
    assert not _spec((pattern,)).match_file(name)
    assert time.process_time() - began < 0.5


PIECES = ("*", "*", "a", "b", "?", "[ab]", "[!a]", "/", "**/", "\\*", ".", "(", "\\(", "[(]", "é")


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join),
    st.lists(st.text("aabb/.(*cé", min_size=1, max_size=10), min_size=1, max_size=8),
)
def test_patterns_mean_what_git_means_by_them(pattern: str, paths: list[str]) -> None:
    try:
        plain = pathspec.GitIgnoreSpec.from_lines([pattern])
    except ValueError:
        return
    linear = pathspec.GitIgnoreSpec.from_lines([pattern], Linear)
    for path in paths:
        assert plain.match_file(path) == linear.match_file(path), path
