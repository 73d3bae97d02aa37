"""What is learnt holds for a week, survives a restart as JSON, and can be forgotten."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config.schema import ModelEntry
from glimpsed.vision.memory import WEEK, Facts, Memory, key

T0 = 1_800_000_000.0


def test_facts_are_kept_for_each_address_model_and_api() -> None:
    entry = ModelEntry(base_url="https://one.example/v1", model="gpt-4o", api="chat")
    assert key(entry) == "https://one.example/v1 gpt-4o chat"
    assert key(entry, "responses") == "https://one.example/v1 gpt-4o responses"
    memory = Memory()
    memory.learn(key(entry), T0, mode="json")
    assert memory.facts(key(entry), T0).mode == "json"
    assert memory.facts(key(entry, "responses"), T0) == Facts()


def test_each_fact_expires_a_week_after_it_was_learnt() -> None:
    memory = Memory()
    memory.learn("k", T0, edge=1568)
    memory.learn("k", T0 + WEEK / 2, api="chat")
    assert memory.facts("k", T0 + WEEK - 1) == Facts(api="chat", edge=1568)
    assert memory.facts("k", T0 + WEEK) == Facts(api="chat")
    assert memory.facts("k", T0 + WEEK * 3 / 2) == Facts()


def test_refused_parameters_add_up() -> None:
    memory = Memory()
    memory.learn("k", T0, refused={"temperature"})
    memory.learn("k", T0, refused={"user"})
    assert memory.facts("k", T0).refused == {"temperature", "user"}


def test_every_change_is_told_once_and_can_be_loaded_again() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    memory = Memory(lambda where, facts: told.append((where, facts)))
    memory.learn("k", T0, api="chat", bytes=700_000)
    memory.learn("k", T0 + 5, api="chat", bytes=700_000)
    memory.learn("k", T0 + 6, refused={"store"})
    assert len(told) == 2
    other = Memory()
    other.load(json.loads(json.dumps(dict(told))))
    assert other.facts("k", T0 + 7) == memory.facts("k", T0 + 7)
    whole = Memory()
    whole.load(json.loads(json.dumps(memory.dump())))
    assert whole.facts("k", T0 + 7) == Facts(api="chat", bytes=700_000, refused=frozenset({"store"}))


def test_forget_one_or_all() -> None:
    memory = Memory()
    for where in "ab":
        memory.learn(where, T0, edge=768)
    memory.forget("a")
    assert (memory.facts("a", T0), memory.facts("b", T0).edge) == (Facts(), 768)
    memory.forget()
    assert memory.facts("b", T0) == Facts()


def test_what_is_loaded_takes_the_place_of_what_was_known() -> None:
    memory = Memory()
    memory.learn("a", T0, edge=768)
    memory.load({"b": {"edge": [1024, T0]}})
    assert (memory.facts("a", T0), memory.facts("b", T0).edge) == (Facts(), 1024)


@pytest.mark.parametrize(
    "fact", [["soap", T0], ["chat"], "chat", [["chat"], T0], ["chat", "yesterday"], None, {"api": "chat"}]
)
def test_what_another_version_wrote_is_left_out(fact: object) -> None:
    memory = Memory()
    memory.load({"k": {"api": fact, "edge": [1024, T0], "news": [1, T0]}})  # type: ignore[dict-item]
    assert memory.facts("k", T0) == Facts(edge=1024)


@given(
    st.dictionaries(
        st.sampled_from(["api", "mode", "refused", "bytes", "edge", "schemas", "x"]),
        st.lists(st.none() | st.text() | st.integers() | st.floats() | st.lists(st.text())),
    )
)
def test_anything_can_be_loaded(facts: dict[str, Any]) -> None:
    memory = Memory()
    memory.load({"k": facts})
    found = memory.facts("k", T0)
    assert found.edge is None or found.edge > 0
