"""The value that an answer means is the last one that meets the schema, however it is wrapped; in bounded time."""

from __future__ import annotations

import asyncio
import html
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.schemas import Misfit, checker, fit
from glimpsed.schemas.checker import Checker

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda i: st.lists(i) | st.dictionaries(TEXT, i)
)
CLOSED = {
    "type": "object",
    "title": "Invoice (2024)",
    "properties": {"total": {"type": "number"}, "lines": {"type": "array", "items": {"type": "string"}}},
    "required": ["total", "lines"],
    "additionalProperties": False,
}
GOOD = {"total": 12.5, "lines": ["a", "ü"]}
DRAFT = json.dumps({"total": 0, "lines": ["DRAFT"]})
WHOLE = json.dumps(GOOD)


read = fit.read


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        json.dumps(GOOD, ensure_ascii=False, indent=1),
        f"```json\n{json.dumps(GOOD)}\n```",
        f"Here is the JSON:\n```\n{json.dumps(GOOD)}\n```\nAnything else?",
        f"Sure! {json.dumps(GOOD)}",
        "{'total': 12.5, 'lines': ['a', 'ü']}",
        '{"total": 12.5, "lines": ["a", "ü",],}',
        '{"total": 12.5, "lines": ["a", "ü"]',
    ],
)
def test_fences_and_small_breakage_are_mended(text: str) -> None:
    assert read(text, CLOSED) == (GOOD, None)


@pytest.mark.parametrize(
    "text",
    ["", "The total is 12.5.", "[]", '{"total": "12.5", "lines": []}', '{"total": NaN, "lines": []}', "null"],
)
def test_what_does_not_fit_is_told_and_not_taken(text: str) -> None:
    data, misfit = read(text, CLOSED)
    assert data is None
    assert misfit is not None
    assert misfit.told


@pytest.mark.parametrize(
    "before", ["", "```json\n", f"As in {DRAFT}:\n", f"```\n{DRAFT}\n```\n```json\n", "see [3: "]
)
@pytest.mark.parametrize(
    "text",
    [
        '{"lines": ["a"], "total": 12',
        '{"lines": ["a"], "total": 12.',
        '{"total": 12.5, "lines": ["a", "half of',
        '{"total": 12.5, "lines": ["a", "',
        '{"total": 12.5, "lines": ["a", ',
        '{"total": 12.5, "lines": ["a"], "',
        '{"total": 12.5, "lines": ["a \\"',
    ],
)
def test_an_answer_that_breaks_off_in_a_value_is_none(before: str, text: str) -> None:
    """Half a number is another number, and what stands in front of it is a draft."""
    data, misfit = read(before + text, CLOSED)
    assert data is None
    assert misfit is not None


def test_the_log_hears_the_rule_and_not_the_answer() -> None:
    _, misfit = read('{"total": "SECRET", "lines": []}', CLOSED)
    assert misfit is not None
    assert "SECRET" in misfit.told
    assert misfit.reason == "the answer does not fit the schema: properties/total/type"


def test_a_remote_reference_is_never_fetched() -> None:
    _, misfit = read("{}", {"$ref": "http://127.0.0.1:1/schema.json"})
    assert misfit is not None
    assert misfit.reason.startswith("the schema cannot be used")


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    data, misfit = read(text, CLOSED)
    assert (data is None) == (misfit is not None)


@given(JSON)
def test_json_that_fits_comes_back_as_it_is(value: Any) -> None:
    assert read(json.dumps(value), {}) == (value, None)


def test_deep_nesting_is_a_misfit_and_no_crash() -> None:
    assert read("[" * 100_000, CLOSED)[1] is not None


def test_what_no_file_can_hold_is_taken_out_of_strings() -> None:
    assert read('{"a\\u0000": ["\\ud800x"]}', {}) == ({"a": ["\ufffdx"]}, None)


@pytest.mark.parametrize(
    "text",
    [
        f"The format is:\n```json\n{DRAFT}\n```\nFilled in:\n```json\n{WHOLE}\n```",
        f"First {DRAFT}, and after a second look {WHOLE}.",
        f'Raw text:\n```json\n{{"rows": ["a", "b"]}}\n```\nAnswer:\n{WHOLE}',
        f"{WHOLE}\n\nNote [1]: the total is in EUR.",
        f"```json\n{WHOLE}\n```\n```\nnot JSON {{at all}}\n```",
        f"```json\n{DRAFT}\n```\n```json\n{WHOLE[:-1]},}}\n```",  # the last one is to be mended
        f"```json\n{DRAFT}\n```\n```json\n{WHOLE[:-1]}",  # its end is missing
        f"see [3, above: {WHOLE}",
        f'He said "hello {{name}} and: {WHOLE}',
        f"[{DRAFT}, {WHOLE}]",
        json.dumps(WHOLE),
        json.dumps([WHOLE]),
        json.dumps({"invoice": GOOD}),
        json.dumps([{"invoice": GOOD}]),
        json.dumps(json.dumps(WHOLE)),
        json.dumps({"result": WHOLE}),
        json.dumps({"text": json.dumps({"answer": GOOD})}),
        json.dumps({"name": "out", "arguments": GOOD}),
        json.dumps({"type": "function", "name": "out", "parameters": WHOLE}),
        f"<tool_call>\n{json.dumps({'name': 'out', 'arguments': GOOD})}\n</tool_call>",
        json.dumps({"type": "object", "properties": GOOD, "required": ["total"]}),
        html.escape(WHOLE),
        f"{{'total': 12.5, 'lines': ['a', 'ü']}} {json.dumps({'remark': 'none'})}",
    ],
)
def test_the_last_value_that_fits_counts_whatever_is_around_it(text: str) -> None:
    assert read(text, CLOSED) == (GOOD, None)


@settings(max_examples=50)
@given(
    st.lists(st.sampled_from([DRAFT, "```json\n", "\n```\n", "[", "{", '"', "prose ", "]", "}"]), max_size=30)
)
def test_whatever_stands_before_it_the_last_one_is_found(before: list[str]) -> None:
    value, misfit = read("".join(before) + "\nThe answer:\n" + WHOLE, CLOSED)
    assert misfit is None
    assert value["total"] in (0, 12.5)
    if not set(before) & {"[", "{", '"', "]", "}"}:
        assert value == GOOD


HOSTILE = [
    "```\n" + " " * 250_000,
    "```json\n" + "\n" * 250_000 + "```",
    "[" * 250_000,
    "{" * 250_000 + "}" * 250_000,
    '{"a":' * 60_000,
    "[1," * 100_000,
    '"' * 250_000,
    '\\"' * 150_000,
    "```" * 100_000,
    "```a\n" * 60_000,
    "{'a': [" * 7_000,
    "[]" * 100_000,
    "{} " * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:8]))
def test_hostile_answers_are_read_in_linear_time(text: str) -> None:
    started = time.process_time()
    assert read(text, CLOSED)[0] is None
    assert time.process_time() - started < 2.5  # of the three seconds that an answer has


# --- in a process of its own


def asked(*questions: tuple[str, Mapping[str, Any]]) -> list[tuple[Any, Misfit | None]]:
    """What a checker says to these, at once; while it works, the event loop goes on."""

    async def main() -> list[tuple[Any, Misfit | None]]:
        own = Checker()
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        heart = asyncio.create_task(beat())
        started = time.monotonic()
        found = await asyncio.gather(*(own.read(text, schema) for text, schema in questions))
        took = time.monotonic() - started
        heart.cancel()
        await own.aclose()
        assert beats > took / 0.1, "the event loop stood still"
        return found

    return asyncio.run(main())


def test_the_process_says_what_the_function_says() -> None:
    questions = [(WHOLE, CLOSED), ("none", CLOSED), ('{"total": "x"}', CLOSED), ('"\\ud800"', {})]
    assert asked(*questions) == [read(*question) for question in questions]


def _doubling(levels: int) -> dict[str, Any]:
    """Two ways at each level: a validator that follows both takes 2 to the power of `levels` steps."""
    steps = {f"s{n}": {"allOf": [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/s0", "$defs": {**steps, f"s{levels}": {"type": "object"}}}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What computes without end is ended after one second, the least that the kernel counts."""
    limits = replace(checker._PROGRAM.limits, seconds=0.0)
    monkeypatch.setattr(checker, "_PROGRAM", replace(checker._PROGRAM, limits=limits))


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (json.dumps({"a": "a" * 40 + "!"}), {"properties": {"a": {"pattern": "^(a+)+$"}}}),
        (json.dumps({"a" * 40 + "!": 1}), {"patternProperties": {"^(a|a)*$": {}}}),
        (json.dumps([{"n": n} for n in range(20_000)]), {"uniqueItems": True}),
        ("{}", _doubling(40)),
    ],
    ids=["pattern", "patternProperties", "uniqueItems", "allOf"],
)
@pytest.mark.usefixtures("impatient")
def test_what_takes_too_long_is_given_up_and_the_next_answer_is_read(
    text: str, schema: dict[str, Any]
) -> None:
    hopeless, good = asked((text, schema), (WHOLE, CLOSED))
    assert hopeless == (None, Misfit(checker.TOO_SLOW, checker.TOO_SLOW, final=True))
    assert good == (GOOD, None)


@pytest.mark.usefixtures("impatient")
def test_slow_schemas_hold_up_nobody_but_themselves() -> None:
    """Also when each has several answers that wait, and when there are more of them than processes."""
    slow = [{"title": str(n), "properties": {"a": {"pattern": "^(a+)+$"}}} for n in range(checker.MOST)]

    async def main() -> None:
        own = Checker()

        async def hopeless(schema: dict[str, Any]) -> None:
            misfit = await own.check({"a": "a" * 40 + "!"}, schema)
            assert misfit is not None
            assert misfit.reason == checker.TOO_SLOW

        async def beside(schemas: list[dict[str, Any]]) -> None:
            waiting = [asyncio.create_task(hopeless(schema)) for schema in schemas]
            await asyncio.sleep(0)
            assert await own.read(WHOLE, CLOSED) == (GOOD, None)
            assert not all(task.done() for task in waiting)
            await asyncio.gather(*waiting)

        await beside(slow[:1] * 4 + slow[1:-1])
        await hopeless(slow[-1])
        assert len(own._slow) == checker.MOST
        await beside(slow)
        assert own._turns == {}
        await own.aclose()

    asyncio.run(main())


def test_a_process_that_somebody_ends_costs_nobody_an_answer() -> None:
    async def main() -> None:
        own = Checker()
        assert await own.read(WHOLE, CLOSED) == (GOOD, None)
        os.kill(*own.processes(), signal.SIGKILL)
        assert await own.read(WHOLE, CLOSED) == (GOOD, None)
        await own.aclose()
        assert own.processes() == []

    asyncio.run(main())


def test_a_reply_that_nobody_waited_for_is_not_taken_for_the_next_one() -> None:
    async def main() -> None:
        own = Checker()
        await own.check({}, {})  # it has started
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await own.check({"a": "a" * 40 + "!"}, {"properties": {"a": {"pattern": "^(a+)+$"}}})
        assert await own.check({}, {}) is None
        await own.aclose()

    asyncio.run(main())


def test_an_idle_process_is_let_go() -> None:
    async def main() -> None:
        own = Checker(idle=0.0)
        await own.check({}, {})
        await asyncio.sleep(0.2)
        assert own.processes() == []
        assert await own.check(1, {"type": "string"}) is not None  # and another one comes when it is needed
        await own.aclose()

    asyncio.run(main())


@settings(max_examples=40, derandomize=True)
@given(
    text=st.one_of(TEXT, JSON.map(json.dumps), st.sampled_from(HOSTILE)),
    schema=st.one_of(
        st.sampled_from([CLOSED, {}, {"type": "array", "uniqueItems": True}]),
        st.dictionaries(
            st.sampled_from(["type", "pattern", "anyOf", "$ref", "enum", "items", "minLength", "format"]),
            JSON,
            max_size=3,
        ),
    ),
)
def test_any_answer_and_any_schema_come_to_an_end(text: str, schema: dict[str, Any]) -> None:
    started = time.process_time()
    value, misfit = _in_one_process(text, schema)
    assert misfit is None or (value is None and misfit.reason)
    assert time.process_time() - started < 2.0  # of ours: the rest is the process's


@pytest.fixture(autouse=True, scope="module")
def _one_process() -> Any:
    runner = asyncio.Runner()
    _ONE["runner"], _ONE["checker"] = runner, Checker()
    yield
    runner.run(_ONE["checker"].aclose())
    runner.close()


_ONE: dict[str, Any] = {}


def _in_one_process(text: str, schema: dict[str, Any]) -> tuple[Any, Misfit | None]:
    found: tuple[Any, Misfit | None] = _ONE["runner"].run(_ONE["checker"].read(text, schema))
    return found
