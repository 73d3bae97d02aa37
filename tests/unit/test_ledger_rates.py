"""The rates of a model hold for all daemons on one ledger together, in any minute."""

from __future__ import annotations

import threading

from glimpsed.ledger import Ledger
from ledger_fixtures import OpenLedger


def test_two_daemons_share_requests_per_minute(ledger: Ledger, opened: OpenLedger) -> None:
    other = opened(owner="other:1:1")
    waits = [one.may_send("m", 100.5, requests=3, tokens=None) for one in (ledger, other, ledger, other)]
    assert waits == [0, 0, 0, 60.5]
    assert other.may_send("n", 100.5, requests=3, tokens=None) == 0
    assert other.may_send("m", 160.9, requests=3, tokens=None) > 0
    assert other.may_send("m", 161.0, requests=3, tokens=None) == 0


def test_tokens_per_minute_are_shared_and_corrected(ledger: Ledger, opened: OpenLedger) -> None:
    other = opened(owner="other:1:1")
    assert ledger.may_send("m", 100, requests=None, tokens=1000, cost=600) == 0
    assert other.may_send("m", 101, requests=None, tokens=1000, cost=600) == 60
    ledger.sent("m", 0, -300, 100)
    assert other.may_send("m", 102, requests=None, tokens=1000, cost=600) == 0


def test_a_request_larger_than_the_rate_goes_alone(ledger: Ledger) -> None:
    assert ledger.may_send("m", 100, requests=None, tokens=1000, cost=5000) == 0
    assert ledger.may_send("m", 110, requests=None, tokens=1000, cost=5000) == 51
    assert ledger.may_send("m", 161, requests=None, tokens=1000, cost=5000) == 0


def test_a_clock_that_was_set_back_holds_nobody_up(ledger: Ledger) -> None:
    assert ledger.may_send("m", 5000, requests=1, tokens=None) == 0
    assert ledger.may_send("m", 100, requests=1, tokens=None) == 0
    assert ledger.may_send("m", 100, requests=1, tokens=None) == 61


def test_of_many_that_ask_at_once_no_more_than_the_rate_are_let_through(
    ledger: Ledger, opened: OpenLedger
) -> None:
    ledgers = [ledger, opened(owner="b:1:1"), opened(owner="c:1:1")]
    let_through: list[float] = []

    def ask(one: Ledger) -> None:
        let_through.extend(one.may_send("m", 100, requests=7, tokens=None) for _ in range(5))

    threads = [threading.Thread(target=ask, args=(one,)) for one in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert let_through.count(0) == 7
