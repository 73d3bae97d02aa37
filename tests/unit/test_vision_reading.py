"""What a finish reason means: half an answer is never a success, whatever the word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.vision.reading import Finish, finish

NAMES: dict[Finish, str] = {
    "end": "stop STOP end-turn FINISH_REASON_STOP eos_token stopped tool_calls natural",
    "filtered": "content_moderated nsfw risk_control audit_rejected safety_check guardrails unsafe responsible_ai denied",
    "broken": "upstream_closed killed preempted server_shutdown oom engine_dead connection_lost exception peer_reset",
    "cut": "max_len incomplete partial budget_exhausted output_cap too_long MAX overflow maximum_output length",
    "unknown": "长度超限 обрыв 违规 drelm 3",
}


@pytest.mark.parametrize(("name", "meaning"), [(n, m) for m, names in NAMES.items() for n in names.split()])
def test_a_name_is_known_by_its_parts(name: str, meaning: Finish) -> None:
    assert finish(name) == meaning


@given(st.text(st.characters(categories=["Lo"]), min_size=1, max_size=8))
def test_a_word_in_another_script_is_no_end_that_anybody_knows(name: str) -> None:
    assert finish(name) == "unknown"
