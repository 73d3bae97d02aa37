"""What nobody's words explain is found out by asking differently, within bounds, once for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config.schema import ModelEntry
from glimpsed.errors import Verdict
from glimpsed.model import Api, Image, Request
from glimpsed.vision import experiment, reaction
from glimpsed.vision.memory import Facts
from glimpsed.vision.reaction import APIS, State
from glimpsed.vision.verdict import Finding, judge
from glimpsed.vision.wire import MARK

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}}
RUNGS = (1568, 1024, 768)
LETTERS = st.text("bdfgjkmnpqvwxz", min_size=3, max_size=9)  # words that say nothing, and name nothing
CAUSES = ("temperature", "user", "detail", "stream", "limit", "schema", "system", "image")


@dataclass
class Played:
    """What came of a question: the state that was answered, or the verdict, and how many requests it took."""

    end: State | Verdict
    requests: list[State] = field(default_factory=list)


def picture(edge: int) -> Image:
    return Image(1, "image/jpeg", edge, edge // 2, b"x" * edge)


def play(entry: ModelEntry, request: Request, facts: dict[Api, Facts], refuse: Callable[[State], Finding | None]) -> Played:  # fmt: skip
    """The loop of `RemoteModel.ask` without a network; pictures become smaller as the pipeline makes them."""
    played = Played(reaction.begin(entry, request, entry.api, facts))
    while isinstance(played.end, State):
        state = played.end
        played.requests.append(state)
        assert len(played.requests) <= 12
        if (finding := refuse(state)) is None:
            return played
        after = reaction.react(state, reaction.weighed(state, finding))
        while isinstance(after, State) and after.smaller:
            edges = [rung for rung in RUNGS if rung < after.images[0].width]
            images = (picture(edges[-1] if after.smaller == "last" else edges[0]),) if edges else None
            after = reaction.resized(after, images, finding)
        played.end = after
    return played


def refuses(cause: str, words: str, status: int, edge: int = 1000) -> Callable[[State], Finding | None]:
    """A gateway that has only this API, and refuses one thing in these words."""

    def reply(state: State) -> Finding | None:
        if state.api != "chat":
            return judge(404, {}, b'{"detail":"Not Found"}', state.api, 0)
        body: dict[str, Any] = APIS[state.api].body(state.ask, MARK)
        there = {
            "temperature": "temperature" in body,
            "user": "user" in body or "safety_identifier" in body,
            "detail": "detail" in str(body["messages"][-1]["content"][0]),
            "stream": "stream" in body,
            "limit": "max_tokens" in body or "max_completion_tokens" in body,
            "schema": "response_format" in body,
            "system": body["messages"][0]["role"] == "system",
            "image": state.images[0].width > edge,
        }[cause]
        return (
            judge(status, {}, f'{{"error": {{"message": "{words}"}}}}'.encode(), "chat", 0) if there else None
        )

    return reply


def learnt(facts: Facts, state: State) -> Facts:
    """What the model remembers of the state that was answered."""
    new = dict(state.learnt)
    return replace(
        facts, refused=facts.refused | new.get("refused", frozenset()), mode=new.get("mode", facts.mode)
    )


@pytest.mark.parametrize(
    "words", ["La longueur du contexte dépasse", "picture", "temperature and image", "Drelm"]
)
@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_image_that_has_to_be_much_smaller_is_found_whatever_the_words_name(
    words: str, schema: dict[str, Any] | None, api: Api
) -> None:
    entry = ModelEntry(name="m", api=api, base_url="https://x/v1", model="m")
    request = Request(
        prompt="Read.", images=(picture(2048),), temperature=0.1, system="Be exact.", user="u", schema=schema
    )
    known: dict[Api, Facts] = {"chat": Facts(), "responses": Facts()}
    found = play(entry, request, known, refuses("image", words, 400))
    assert isinstance(found.end, State), found.end
    assert found.end.images[0].width < 1000
    assert len(found.requests) <= 5


@given(
    st.sampled_from(CAUSES),
    st.lists(LETTERS, min_size=1, max_size=6).map(" ".join),
    st.sampled_from([400, 406, 418, 422, 451]),
    st.sets(st.sampled_from(["user", "system", "schema", "limit"])),
    st.booleans(),
)
def test_any_hidden_cause_is_found_within_four_more_requests_and_the_next_file_takes_one(
    cause: str, words: str, status: int, given_: set[str], stream: bool
) -> None:
    given_ = given_ | {cause}
    entry = ModelEntry(
        name="m", api="chat", base_url="https://x/v1", model="m", stream=stream or cause == "stream"
    )
    request = Request(
        prompt="Read.",
        images=(picture(2048),),
        temperature=0.1,
        user="u" if "user" in given_ else None,
        system="Be exact." if "system" in given_ else None,
        schema=SCHEMA if "schema" in given_ else None,
        max_output_tokens=900 if "limit" in given_ else None,
    )
    known: dict[Api, Facts] = {"chat": Facts(), "responses": Facts()}
    refuse = refuses(cause, words, status)
    first = play(entry, request, known, refuse)
    assert isinstance(first.end, State), first.end
    assert len(first.requests) <= 5
    if cause == "image":
        assert first.end.images[0].width < 2048
        request = replace(request, images=first.end.images)  # the pipeline remembers the edge
    else:
        assert first.end.images[0].width == 2048
    known["chat"] = learnt(Facts(), first.end)
    second = play(entry, replace(request, prompt="Read the next."), known, refuse)
    assert len(second.requests) == 1
    body = APIS["chat"].body(second.requests[0].ask, MARK)
    text = str(body["messages"])
    assert ("Be exact." in text) == (request.system is not None)
    assert request.schema is None or "response_format" in body or "'total'" in text or '"total"' in text


@pytest.mark.parametrize("one", ["temperature", "user", "stream", "limit"])
@pytest.mark.parametrize("other", ["schema", "system", "detail"])
def test_two_causes_at_once_are_found_too(one: str, other: str) -> None:
    entry = ModelEntry(name="m", api="chat", base_url="https://x/v1", model="m", stream=True)
    request = Request(
        prompt="R.",
        images=(picture(2048),),
        system="S",
        schema=SCHEMA,
        temperature=0.1,
        max_output_tokens=99,
        user="u",
    )
    known: dict[Api, Facts] = {"chat": Facts(), "responses": Facts()}
    both = [refuses(cause, "drelm", 400) for cause in (one, other)]
    played = play(entry, request, known, lambda state: both[0](state) or both[1](state))
    assert isinstance(played.end, State)
    assert len(played.requests) <= 5
    known["chat"] = learnt(Facts(), played.end)
    assert len(play(entry, request, known, lambda state: both[0](state) or both[1](state)).requests) == 1


@given(
    st.integers(400, 499),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=30) | st.sampled_from(["invalid_request_error", "temperature", "model", "quota"]),
        lambda inner: st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "param", "detail", "metadata", "raw"]), inner, max_size=4),
        max_leaves=12,
    ),
    st.booleans(),
)  # fmt: skip
def test_whatever_a_4xx_says_a_question_ends_soon_and_its_end_can_be_told_from_others(
    status: int, body: object, schema: bool
) -> None:
    """A refusal for good has something in common with the same one to another file: three are not three bad files."""
    import json

    raw = json.dumps(body).encode()
    entry = ModelEntry(name="m", api="chat", base_url="https://x/v1", model="m")
    request = Request(
        "Read.", (picture(2048),), system="S", schema=SCHEMA if schema else None, temperature=0.1
    )
    known: dict[Api, Facts] = {"chat": Facts(), "responses": Facts()}
    played = play(entry, request, known, lambda state: judge(status, {}, raw, state.api, 0))
    assert isinstance(played.end, Verdict)
    assert len(played.requests) <= 12
    assert played.end.kind in ("pause", "switch", "retry")
    assert played.end.kind == "pause" or played.end.alike


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("temperature is frozen", {"temperature"}),
        ("no 'user' here", {"user"}),
        ("streams are off", {"stream"}),
        ("we dislike your grammar", {"structure"}),
        ("system prompts, no", {"system"}),
        ("drelm", {"temperature", "user", "stream", "limit"}),
    ],
)
def test_words_choose_what_is_tried_first(words: str, first: set[str]) -> None:
    entry = ModelEntry(name="m", api="chat", base_url="https://x/v1", model="m", stream=True)
    request = Request(
        prompt="R.",
        images=(picture(900),),
        system="S",
        schema=SCHEMA,
        temperature=0.1,
        max_output_tokens=99,
        user="u",
    )
    ask = reaction.begin(entry, request, "chat", {"chat": Facts(), "responses": Facts()}).ask
    trials = experiment.trials(ask, words)
    assert trials[0].without == first
    assert len(trials) <= experiment.MOST


def test_words_about_the_image_try_a_smaller_one_first() -> None:
    entry = ModelEntry(name="m", api="chat", base_url="https://x/v1", model="m")
    ask = reaction.begin(
        entry, Request("R.", (picture(900),)), "chat", {"chat": Facts(), "responses": Facts()}
    ).ask
    assert experiment.trials(ask, "that picture, no")[0].image == "next"
