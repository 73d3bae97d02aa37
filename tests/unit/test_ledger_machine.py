"""The ledger beside a plain dict: any sequence of offers, claims, ends, deaths and passing time."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from glimpsed.ledger import Ledger, open_ledger, queue
from glimpsed.ledger.hosts import this_host, this_world
from glimpsed.model import FileKey, Job, Offer, State, Version
from ledger_fixtures import Postgres
from unit.test_ledger import SIDECARS, answer

FOLDERS = ("in", "b")
KEYS = [FileKey(folder, path) for folder in FOLDERS for path in ("1", "d/\udcff")]
VERSIONS = [Version(1, 30), Version(2, 20), Version(2, 10)]
LEASE = 60.0


@dataclass
class Row:
    """What the ledger should know of one file."""

    order: int
    version: Version
    state: State = "queued"
    was: State | None = None
    due: float | None = 0.0
    priority: int = 0
    fresh: bool = False
    holder: tuple[str, int] | None = None  # who has the lease, by which claim
    paid: bool = False
    problem: str | None = None
    reason: str | None = None
    claims: int = 0


class LedgerMachine(RuleBasedStateMachine):
    """Two daemons on one ledger: one on this host, whose process may die, and one elsewhere."""

    url = ""  # of an empty database, set for each run
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.where = self.database()
        self.lives = 0
        self.here, self.elsewhere = self.open(self.life()), self.open("elsewhere:1:1")
        self.rows: dict[FileKey, Row] = {}
        self.held: set[str] = set()
        self.claimed: list[Job] = []  # by the last claim
        self.size = 10  # of the latest files of a rush
        self.now = 100.0

    def database(self) -> str:
        return f"sqlite:///{self.stack.enter_context(tempfile.TemporaryDirectory())}/ledger.db"

    def life(self) -> str:
        self.lives += 1
        return f"{this_host()}:999999999:{this_world()}-{self.lives}"  # no process ever has this number

    def open(self, owner: str) -> Ledger:
        ledger = open_ledger(self.where, owner=owner)
        self.stack.callback(ledger.close)
        return ledger

    def teardown(self) -> None:
        self.stack.close()

    def daemon(self, remote: bool) -> Ledger:
        return self.elsewhere if remote else self.here

    # -- discovery

    @rule(
        key=st.sampled_from(KEYS), version=st.sampled_from(VERSIONS), fresh=st.booleans(),
        priority=st.integers(0, 1), problem=st.sampled_from([None, None, "never whole"]),
    )  # fmt: skip
    def offer(self, key: FileKey, version: Version, fresh: bool, priority: int, problem: str | None) -> None:
        # No other file's version: what waits for `approve` under another name is another test's matter.
        mine = replace(version, size=version.size + 1000 * KEYS.index(key))
        offer = Offer(key, mine, fresh, priority, problem)
        expected = self.offered(offer)
        assert self.here.offer([offer], self.now) == ([offer] if expected else [])

    def offered(self, offer: Offer) -> bool:
        row = self.rows.get(offer.key)
        new = Row(
            len(self.rows), offer.version, priority=offer.priority, fresh=offer.fresh, problem=offer.problem
        )
        if row is None:
            self.rows[offer.key] = new
            return True
        new.order, new.claims = row.order, row.claims
        if row.version != offer.version:
            self.rows[offer.key] = new
            return True
        if row.state != "gone":
            return False
        if row.was == "done":
            new.state, new.due = "done", None
        elif row.was == "answered":
            new.state, new.paid = "answered", True
        elif row.was == "failed":
            new.problem = row.reason
        if offer.problem is None:
            new.fresh = row.fresh
        self.rows[offer.key] = new
        return new.state != "done"

    @rule(
        target=jobs,
        files=st.lists(
            st.tuples(st.sampled_from([10, 20, 30]), st.booleans(), st.sampled_from([0, 0, 1])),
            min_size=len(KEYS),
            max_size=len(KEYS),
        ),
        limit=st.integers(1, 3),
        slack=st.integers(0, 1),
    )
    def rush(self, files: list[tuple[int, bool, int]], limit: int, slack: int) -> object:
        """New versions of everything, arrivals among a backlog, so that a claim has something to choose from."""
        for key in KEYS:  # one by one, since equals are served in the order of their first offer
            if key not in self.rows:
                self.offer(key, VERSIONS[0], fresh=False, priority=0, problem=None)
        self.size += 1
        offers = [
            Offer(key, Version(self.size + 1000 * KEYS.index(key), mtime), fresh, priority)
            for key, (mtime, fresh, priority) in zip(KEYS, files, strict=True)
        ]
        expected = {offer for offer in offers if self.offered(offer)}
        assert set(self.here.offer(offers, self.now)) == expected
        return self.claim(remote=False, limit=limit, folders=set(FOLDERS), slack=slack)

    @rule(key=st.sampled_from(KEYS))
    def blink(self, key: FileKey) -> None:
        """Gone and back as it was, like all the files of a share that is unmounted for a while."""
        self.vanish(key)
        if key in self.rows:
            before = self.rows[key].version
            as_it_was = replace(before, size=before.size % 1000)
            self.offer(key, as_it_was, fresh=False, priority=0, problem=None)

    @rule(key=st.sampled_from(KEYS))
    def vanish(self, key: FileKey) -> None:
        row = self.rows.get(key)
        there = row is not None and row.state != "gone"
        gone = self.here.vanished([key], self.now)
        assert [g.was for g in gone] == ([row.state] if row and there else [])
        if row and there:
            row.was, row.state, row.due, row.holder = row.state, "gone", None, None

    # -- workers

    @rule(
        target=jobs,
        remote=st.booleans(),
        limit=st.sampled_from([1, 1, 2, 4]),
        folders=st.sets(st.sampled_from(FOLDERS), min_size=1),
        slack=st.integers(0, 1),
    )
    def claim(self, remote: bool, limit: int, folders: set[str], slack: int) -> object:
        ledger = self.daemon(remote)
        free = [
            (-row.priority, not row.fresh, row.version.mtime_ns, row.order, key)
            for key, row in self.rows.items()
            if key.folder in folders and row.due is not None and row.due <= self.now
            and (row.fresh or key.folder not in self.held)
        ]  # fmt: skip
        expected = [key for *_, key in sorted(free)[:limit]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queue, "_SLACK", slack)  # so few that each stage of the order has to be right
            claimed = ledger.claim(folders=sorted(folders), limit=limit, now=self.now, lease=LEASE)
        assert [job.key for job in claimed] == expected
        self.claimed = claimed
        for job in claimed:
            row = self.rows[job.key]
            row.claims += 1
            row.state = "answered" if row.state == "answered" else "running"
            row.due, row.holder = self.now + LEASE, (ledger.owner, row.claims)
            assert (job.version, job.answer is not None, job.problem) == (row.version, row.paid, row.problem)
        return multiple(*((ledger, job) for job in claimed))

    def ours(self, held: tuple[Ledger, Job]) -> Row | None:
        ledger, job = held
        row = self.rows[job.key]
        return row if row.holder == (ledger.owner, job.claim) else None

    @rule(held=jobs)
    def answered(self, held: tuple[Ledger, Job]) -> None:
        row = self.ours(held)
        assert held[0].answered(held[1], answer(), question="q", now=self.now) == (row is not None)
        if row:
            row.state, row.paid, row.reason = "answered", True, None

    @rule(target=jobs, remote=st.booleans())
    def answer_what_is_due(self, remote: bool) -> object:
        """Many paid answers that are not on disk yet."""
        self.claim(remote, len(KEYS), set(FOLDERS), slack=0)
        held = [(self.daemon(remote), job) for job in self.claimed]
        for one in held:
            self.answered(one)
        return multiple(*held)

    @rule(held=jobs)
    def done(self, held: tuple[Ledger, Job]) -> None:
        row = self.ours(held)
        assert held[0].done(held[1], SIDECARS, self.now) == (row is not None)
        if row:
            row.state, row.paid, row.due, row.holder = "done", False, None, None

    @rule(held=jobs)
    def failed(self, held: tuple[Ledger, Job]) -> None:
        row = self.ours(held)
        assert held[0].failed(held[1], "why", "what", self.now) == (row is not None)
        if row:
            row.state, row.paid, row.due, row.holder, row.reason = "failed", False, None, None, "why"

    @rule(
        held=jobs,
        wait=st.sampled_from([0.0, 5.0, 100.0]),
        how=st.sampled_from(["retry", "release", "blocked"]),
    )
    def give_back(self, held: tuple[Ledger, Job], wait: float, how: str) -> None:
        row, (ledger, job), due = self.ours(held), held, self.now + wait
        if how == "retry":
            kept = ledger.retry(job, due, "429", attempts=1, retries=1, cut_off=0, now=self.now)
        else:
            kept = ledger.release(job, due=due) if how == "release" else ledger.blocked(job, due, "full")
        assert kept == (row is not None)
        if row:
            row.state, row.due, row.holder = "answered" if row.state == "answered" else "queued", due, None

    @rule(held=jobs)
    def gone(self, held: tuple[Ledger, Job]) -> None:
        row = self.ours(held)
        assert held[0].gone(held[1], self.now) == (row is not None)
        if row:
            row.was, row.state, row.due, row.holder = row.state, "gone", None, None

    @rule(held=jobs)
    def renew(self, held: tuple[Ledger, Job]) -> None:
        ledger, job = held
        row = self.rows[job.key]
        mine = row.holder is not None and row.holder[0] == ledger.owner
        assert ledger.renew([job.id], self.now, LEASE) == ({job.id} if mine else set())
        if mine:
            row.due = self.now + LEASE

    # -- people, time and death

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def die_and_start_again(self) -> None:
        dead = self.here.owner
        self.here.close()
        self.here = self.open(self.life())
        taken = [row for row in self.rows.values() if row.holder and row.holder[0] != self.elsewhere.owner]
        assert self.here.take_back(self.now) == len(taken)
        for row in taken:
            row.state, row.due, row.holder = "answered" if row.state == "answered" else "queued", 0.0, None
        assert dead != self.here.owner

    @rule(key=st.sampled_from(KEYS), redo=st.booleans())
    def put_back(self, key: FileKey, redo: bool) -> None:
        row = self.rows.get(key)
        hit = row is not None and (row.state != "gone" if redo else row.state == "failed")
        put = self.elsewhere.redo if redo else self.elsewhere.requeue
        assert put([key], now=self.now) == int(hit)
        if row and hit:
            self.rows[key] = replace(
                row, state="queued", due=0.0, holder=None, paid=False, problem=None, reason=None
            )

    @rule(folder=st.sampled_from(FOLDERS), hold=st.booleans())
    def hold_or_approve(self, folder: str, hold: bool) -> None:
        if hold:
            self.here.hold(folder, self.now)
            self.held.add(folder)
        else:
            assert self.here.approve(folder, unlisted=True) == ([folder] if folder in self.held else [])
            self.held.discard(folder)

    # -- what always holds

    @invariant()
    def the_ledger_knows_what_the_model_knows(self) -> None:
        for folder in FOLDERS:
            counts = self.here.counts([folder])[folder]
            mine = [row.state for key, row in self.rows.items() if key.folder == folder]
            assert {s: n for s, n in counts.items() if n} == {s: mine.count(s) for s in mine}
            for directory in ("", "d"):
                known = {n: (k.version, k.state) for n, k in self.here.known(folder, directory).items()}
                rows = {k: r for k, r in self.rows.items() if (k.folder, k.directory) == (folder, directory)}
                assert known == {k.name: (r.version, r.state) for k, r in rows.items()}

    @invariant()
    def it_knows_what_is_due_next(self) -> None:
        later = [row.due for row in self.rows.values() if row.due is not None and row.due > self.now]
        assert self.here.next_due(FOLDERS, self.now) == min(later, default=None)


QUICK = settings(derandomize=True, stateful_step_count=30)


def test_sqlite_agrees_with_the_model() -> None:
    run_state_machine_as_test(LedgerMachine, settings=settings(QUICK, max_examples=50))


def test_postgresql_agrees_with_the_model(postgres: Postgres) -> None:
    class OnPostgres(LedgerMachine):
        def database(self) -> str:
            postgres.wipe()
            return postgres.url

    run_state_machine_as_test(OnPostgres, settings=settings(QUICK, max_examples=10))


@pytest.mark.slow
def test_sqlite_agrees_with_the_model_for_long() -> None:
    longer = settings(QUICK, max_examples=1000, stateful_step_count=80, derandomize=False)
    run_state_machine_as_test(LedgerMachine, settings=longer)
