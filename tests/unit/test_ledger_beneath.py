"""The files below a directory, on both databases, whose orders of names differ."""

from __future__ import annotations

import pytest

from glimpsed.ledger import Ledger
from glimpsed.model import FileKey, Offer, Version

NAMES = [
    "a.png",
    "d/a.png",
    "d/e/a.png",
    "d/\u00fc/a.png",
    "d-x/a.png",
    "d0/a.png",
    "dd/a.png",
    "D/a.png",
    "c/d/a.png",
]


@pytest.mark.parametrize(
    ("directory", "inside"),
    [
        ("d", ["d/a.png", "d/e/a.png", "d/\u00fc/a.png"]),
        ("d/e", ["d/e/a.png"]),
        ("", NAMES),
        ("nothing", []),
    ],
)
def test_what_is_below_a_directory_and_nothing_beside_it(
    ledger: Ledger, directory: str, inside: list[str]
) -> None:
    ledger.offer([Offer(FileKey(f, n), Version(1, 1)) for n in NAMES for f in ("x", "y")], now=1.0)
    assert sorted(key.path for key in ledger.beneath("x", directory)) == sorted(inside)


def test_what_is_gone_is_not_below(ledger: Ledger) -> None:
    keys = [FileKey("x", "d/a.png"), FileKey("x", "d/b.png")]
    ledger.offer([Offer(key, Version(1, 1)) for key in keys], now=1.0)
    ledger.vanished(keys[:1], now=2.0)
    assert ledger.beneath("x", "d") == keys[1:]


def test_what_is_called_so_or_so_and_an_ending(ledger: Ledger) -> None:
    names = [
        "a",
        "a.",
        "a.png",
        "a.b.png",
        "a-b.png",
        "aa.png",
        "A.png",
        "\udce4.png",
        "\udce4b.png",
        "d/a.png",
    ]
    ledger.offer([Offer(FileKey(f, n), Version(1, 1)) for n in names for f in ("x", "y")], now=1.0)
    ledger.vanished([FileKey("x", "a.")], now=2.0)
    assert {key.path for key in ledger.called("x", "", "a")} == {"a", "a.png", "a.b.png"}
    assert ledger.called("x", "d", "a") == [FileKey("x", "d/a.png")]
    assert ledger.called("x", "", "\udce4") == [FileKey("x", "\udce4.png")]
    assert ledger.called("x", "", "b") == []
