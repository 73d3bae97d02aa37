"""What every child keeps to, whatever it does: image workers, rapidocr, tesseract, and programs that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import images_samples as samples
from glimpsed.children import pool, start
from glimpsed.children.child import Broken, Died, Late, Program, Unavailable
from glimpsed.children.pool import Pool
from glimpsed.children.program import Limits
from glimpsed.config.schema import ModelEntry
from glimpsed.errors import FileError
from glimpsed.images.plan import ImageTask
from glimpsed.images.prepare import Images
from glimpsed.vision.engines.rapid import Rapid
from glimpsed.vision.engines.tesseract import Tesseract
from pictures import page

pytestmark = pytest.mark.anyio

PAGE = page(["Twelve apples"], (620, 200))


def images_pool() -> tuple[Pool, object]:
    return Images(1)._pool, ImageTask("png", 1, samples.TARGET)


def rapid_pool() -> tuple[Pool, object]:
    return Rapid(ModelEntry(name="local", api="local", model="rapidocr"))._pool, None


def tesseract_pool() -> tuple[Pool, object]:
    return Tesseract(ModelEntry(name="local", api="local", model="tesseract"))._pool, (["-l", "eng"], 0)


def _needs(there: bool, what: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not there, reason=f"{what} is not installed")


PROGRAMS = [
    pytest.param(images_pool, id="images"),
    pytest.param(
        rapid_pool, id="rapidocr", marks=_needs(importlib.util.find_spec("rapidocr") is not None, "rapidocr")
    ),
    pytest.param(
        tesseract_pool, id="tesseract", marks=_needs(shutil.which("tesseract") is not None, "tesseract")
    ),
]


class Kept:
    """A pool, and the question that its program answers about `PAGE`."""

    def __init__(self, them: Pool, question: object) -> None:
        self.pool, self.question = them, question

    async def ask(self) -> bytes:
        return await self.pool.ask(self.question, PAGE, lambda _, data: data)

    def pid(self) -> int:
        [pid] = self.pool.processes()
        return pid


@pytest.fixture(params=PROGRAMS)
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    kept = Kept(*request.param())
    yield kept
    await kept.pool.close()
    await until(lambda: not kept.pool.processes())


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def dead(pid: int) -> bool:
    """Also where nobody has taken notice yet."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def asked_while_stopped(kept: Kept) -> tuple[int, asyncio.Task[bytes]]:
    """A question that is in hand for sure, and will not be answered."""
    await kept.pool.start()
    pid = kept.pid()
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: stopped(pid))
    asking = asyncio.create_task(kept.ask())
    await until(lambda: any(c.asked for c in kept.pool._busy))
    return pid, asking


# -- all of them


async def test_one_that_is_killed_in_the_middle_is_replaced_and_the_answer_comes(kept: Kept) -> None:
    expected = await kept.ask()
    pid, asking = await asked_while_stopped(kept)
    os.kill(pid, signal.SIGKILL)
    assert await asking == expected
    assert kept.pool.deaths == 1
    assert kept.pid() != pid
    await until(lambda: gone(pid))


async def test_one_that_dies_idle_is_replaced_and_nobody_notices(kept: Kept) -> None:
    await kept.pool.start()
    pid = kept.pid()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
    assert await kept.ask()
    assert kept.pool.deaths == 0


async def test_one_that_is_killed_at_its_start_is_started_again(kept: Kept) -> None:
    asking = asyncio.create_task(kept.ask())
    await until(lambda: bool(kept.pool.processes()))
    pid = kept.pid()
    os.kill(pid, signal.SIGKILL)
    assert await asking
    assert kept.pool.deaths == 0
    assert kept.pid() != pid


async def test_a_question_that_was_given_up_does_not_answer_the_next_one(kept: Kept) -> None:
    pid, asking = await asked_while_stopped(kept)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: gone(pid))
    assert await kept.ask()
    assert kept.pool.deaths == 0


async def test_a_stop_blames_nobody_and_leaves_nothing(kept: Kept) -> None:
    pid, asking = await asked_while_stopped(kept)
    await kept.pool.close()
    with pytest.raises(Unavailable):
        await asking
    await until(lambda: gone(pid))
    with pytest.raises(Unavailable):
        await kept.ask()
    assert not await kept.pool.healthy()
    assert kept.pool.deaths == 0


async def test_what_is_no_picture_is_refused_and_the_next_one_is_read_by_the_same_process(kept: Kept) -> None:
    await kept.pool.start()
    pid = kept.pid()
    refused = kept.pool.ask(kept.question, b"no picture", lambda answer, _: answer.get("code", 0))
    with contextlib.suppress(FileError):
        assert await refused != 0  # tesseract's own word
    assert await kept.ask()
    assert kept.pid() == pid


async def test_a_machine_without_a_process_or_memory_to_spare_blames_nobody(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_process(*_: object, **__: object) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def no_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(start.subprocess, "Popen", no_process)
        with pytest.raises(Unavailable, match="can be started: Resource temporarily unavailable"):
            await kept.ask()
        assert not await kept.pool.healthy()
    for call in ("memfd_create", "pwrite"):
        with monkeypatch.context() as patch:
            patch.setattr(pool.os, call, no_room)
            with pytest.raises(Unavailable, match="No space left"):
                await kept.ask()
    assert await kept.ask()
    assert kept.pool.deaths == 0


async def test_idle_ones_are_let_go_and_come_back(kept: Kept) -> None:
    kept.pool._idle_for = 0.01
    await kept.ask()
    pid = kept.pid()
    await until(lambda: gone(pid))
    assert kept.pool.processes() == []
    assert await kept.ask()


async def test_it_knows_no_secret_dumps_no_core_and_dies_before_the_daemon(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLIMPSED_API_KEY", "sk-secret")
    await kept.pool.start()
    proc = Path(f"/proc/{kept.pid()}")
    environment = (proc / "environ").read_bytes()
    assert b"PATH=" in environment
    assert b"sk-secret" not in environment
    limits = (proc / "limits").read_text()
    assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [["0", "0"]]
    assert (proc / "oom_score_adj").read_text().strip() == "500"
    assert os.readlink(proc / "cwd") == "/"


DAEMON = """
import asyncio, sys
sys.path[:0] = {paths!r}
import test_children as tests

async def main():
    kept = tests.Kept(*getattr(tests, {program!r})())
    await kept.pool.start()
    print(kept.pid(), flush=True)
    while True:
        await kept.ask()

asyncio.run(main())
"""


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("number", [None, signal.SIGSTOP], ids=str)
async def test_it_dies_with_the_daemon_even_in_the_middle_or_stopped(
    program: Callable[[], object], number: signal.Signals | None
) -> None:
    here = Path(__file__).parent
    code = DAEMON.format(paths=[str(here), str(here.parent)], program=program.__name__)
    daemon = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)  # noqa: ASYNC220 - it is killed
    assert daemon.stdout is not None
    pid = int(await asyncio.to_thread(daemon.stdout.readline))
    if number is not None:
        os.kill(pid, number)
    daemon.kill()
    daemon.communicate()
    await until(lambda: gone(pid), 10)


# -- programs that misbehave


SCRIPT = """
import os, signal, sys, time
from glimpsed.children.program import serve
from glimpsed.errors import FileError

def start(settings):
    {start}
    return answer

def answer(question, file):
    {answer}

if __name__ == "__main__":
    serve(start)
"""


@pytest.fixture
async def written(tmp_path: Path) -> AsyncIterator[Callable[..., Pool]]:
    """Makes pools of programs with these bodies."""
    pools: list[Pool] = []

    def make(answer: str, *, count: int = 1, begin: str = "", limits: Limits | None = None) -> Pool:
        script = tmp_path / f"program{len(pools)}.py"
        body = textwrap.indent(textwrap.dedent(answer), " " * 4).strip()
        script.write_text(SCRIPT.format(answer=body, start=begin or "pass"))
        pools.append(Pool(Program("thing", str(script), limits or Limits()), count))
        return pools[-1]

    yield make
    for them in pools:
        await them.close()


async def text(them: Pool, question: object = None, data: bytes = b"") -> str:
    return await them.ask(question, data, lambda answer, _: str(answer["said"]))


async def test_a_second_death_is_put_down_to_the_question(written: Callable[..., Pool]) -> None:
    them = written(
        "os.kill(os.getpid(), signal.SIGSEGV) if question == 'bad' else None; return {'said': 'fine'}, []"
    )
    with pytest.raises(Died) as died:
        await text(them, "bad")
    assert died.value.signum == signal.SIGSEGV
    assert them.deaths == 2
    assert await text(them, "good") == "fine"


async def test_what_died_is_asked_again_alone(written: Callable[..., Pool], tmp_path: Path) -> None:
    """Each dies unless nobody else is at work: the two would end each other for ever."""
    them = written(
        f"""
        here = {str(tmp_path)!r} + '/at-work'
        mine = os.path.join(here, str(os.getpid()))
        open(mine, 'w').close()
        while question['together'] and not os.path.exists(here + '-all'):
            if len(os.listdir(here)) == 2:
                open(here + '-all', 'w').close()
        others = len(os.listdir(here)) > 1
        if others and question['together']:
            time.sleep(0.3)
            os.remove(mine)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)
        alone = os.listdir(here) == [str(os.getpid())]
        os.remove(mine)
        return {{'said': 'alone' if alone else 'together'}}, []
        """,
        count=2,
    )
    (tmp_path / "at-work").mkdir()
    both = [asyncio.create_task(text(them, {"together": True})) for _ in range(2)]
    assert await asyncio.gather(*both) == ["alone", "alone"]
    assert them.deaths == 2


ROUNDS = 200


@pytest.mark.parametrize("seed", range(8))
async def test_one_that_is_killed_at_any_moment_costs_no_question_its_answer(
    written: Callable[..., Pool], seed: int
) -> None:
    """One death a round, of any of them, busy or idle, starting or ending: nobody is blamed for it."""
    dice = random.Random(seed)
    them = written("time.sleep(question['seconds']); return {'said': question['name']}, []", count=2)

    async def killed(after: float, number: int) -> None:
        await asyncio.sleep(after)
        if running := them.processes():
            os.kill(pid := dice.choice(running), number)
            await until(lambda: dead(pid))  # or its death would come in the next round

    for number in range(ROUNDS // 8):
        names = [f"{number} {n}" for n in range(dice.randrange(1, 4))]
        asked = [text(them, {"name": name, "seconds": dice.random() / 50}) for name in names]
        signum = dice.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
        *said, _ = await asyncio.gather(*asked, killed(dice.random() / 30, signum))
        assert said == names
    assert 0 < them.deaths <= ROUNDS // 8
    await them.close()
    await until(lambda: them.processes() == [], 10)


GARBAGE = {
    "no json": "b'no json'",
    "no object": "b'[]'",
    "deep": "b'[' * 60000",
    "not what was asked for": "b'{}'",
    "the wrong type": "b'{\"said\": 0}'",
    "nothing": "b''",
}


@pytest.mark.parametrize("what", GARBAGE)
async def test_garbage_is_as_good_as_a_death_and_hurts_no_other(
    what: str, written: Callable[..., Pool]
) -> None:
    them = written(
        f"""
        if question == 'bad':
            import socket
            socket.socket(fileno=int(sys.argv[1])).send({GARBAGE[what]})
            time.sleep(60)
        return {{'said': 'fine'}}, []
        """
    )

    def read(answer: dict[str, Any], _: bytes) -> str:
        if not isinstance(answer["said"], str):
            raise TypeError
        return answer["said"]

    with pytest.raises(Died):
        await them.ask("bad", b"", read)
    assert them.deaths == 2
    assert await them.ask("good", b"", read) == "fine"


async def test_garbage_at_the_start_is_no_start(written: Callable[..., Pool]) -> None:
    them = written(
        "pass", begin="import socket; socket.socket(fileno=int(sys.argv[1])).send(b'?'); time.sleep(60)"
    )
    with pytest.raises(Unavailable, match="ends before it is ready"):
        await text(them)


async def test_a_program_that_cannot_work_says_why(written: Callable[..., Pool]) -> None:
    them = written("pass", begin="raise ImportError('libgl is missing')")
    with pytest.raises(Broken, match="libgl is missing"):
        await text(them)


async def test_trouble_of_the_machine_inside_is_not_the_questions_fault(written: Callable[..., Pool]) -> None:
    them = written("raise OSError(11, 'Resource temporarily unavailable')")
    with pytest.raises(Unavailable, match="Resource temporarily unavailable"):
        await text(them)
    assert them.deaths == 0
    full = written(
        """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        return {'said': 'x'}, [b'y' * 100]
        """
    )
    with pytest.raises(Unavailable):
        await text(full)


async def test_all_cpu_used_up_is_proof_and_time_by_the_clock_counts_only_without_computing(
    written: Callable[..., Pool],
) -> None:
    them = written("while True: pass", limits=Limits(seconds=1, clock=0.3))
    with pytest.raises(Died) as died:
        await text(them)
    assert died.value.used_up
    assert them.deaths == 1


async def test_what_stands_still_twice_is_late(written: Callable[..., Pool]) -> None:
    them = written("time.sleep(60)", limits=Limits(seconds=1, clock=0.2))
    with pytest.raises(Late):
        await text(them)
    assert them.deaths == 2


async def test_without_a_limit_of_cpu_all_time_counts_once(written: Callable[..., Pool]) -> None:
    them = written("while True: pass", limits=Limits(clock=0.3))
    with pytest.raises(Late):
        await text(them)
    assert them.deaths == 1


async def test_a_file_is_handed_over_whole_and_an_answer_comes_back_whole(
    written: Callable[..., Pool],
) -> None:
    them = written("return {'said': len(file.read())}, [b'x' * 5_000_000]")
    data = bytes(9_000_000)
    assert await them.ask(None, data, lambda answer, back: (answer["said"], len(back))) == (
        9_000_000,
        5_000_000,
    )


async def test_nothing_stays_open(written: Callable[..., Pool]) -> None:
    them = written("os.kill(os.getpid(), signal.SIGKILL) if question else None; return {'said': 'x'}, [b'y']")
    await text(them)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(Died):
            await text(them, "bad")
        await text(them)
    assert len(os.listdir("/proc/self/fd")) <= before
