"""Reasoning in front and a fence around the whole are no part of an answer; whatever stands further inside is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.vision.meant import meant

PAGE = "# Invoice\n\n  Total\t9.80"
LINE = st.text(st.characters(exclude_characters="<>`~[]|◁▷\r\n", exclude_categories=["Cs"]), max_size=30)
PROSE = st.lists(LINE, max_size=6).map("\n".join)


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\nThe user wants the text. I read Total 9.80.\n</think>\n\n{PAGE}",
        f"The user wants the text.\n</think>\n\n{PAGE}",
        f"The user wants the text.</think>{PAGE}",
        f"</think>\n{PAGE}",
        f"<thought>\nReading.\n</thought>{PAGE}",
        f"\n<Thinking>hm</Thinking>\n{PAGE}",
        f"<think></think>{PAGE}",
        f"<think>one</think>\n<think>two</think>\n{PAGE}",
        f"<think>is it <think>nested</think>?</think>{PAGE}",
        f"<think>they write <think> here\n</think>\n{PAGE}",
        f"<reasoning>a</reasoning>{PAGE}",
        f"<seed:think>a</seed:think>{PAGE}",
        f"[THINK]a[/THINK]{PAGE}",
        f"◁think▷a◁/think▷{PAGE}",
        f"<|begin_of_thought|>a<|end_of_thought|>\n{PAGE}",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>"
        + PAGE
        + "<|return|>",
        f"<think>a</think><answer>{PAGE}</answer>",
        f"<think>a</think>\n<|begin_of_box|>{PAGE}<|end_of_box|>",
        f"```markdown\n{PAGE}\n```",
        f"```\n{PAGE}\n```",
        f"\n```text \n{PAGE}\n```\n",
        f"~~~\n{PAGE}\n~~~",
        f"````md\n{PAGE}\n````",
        f"```md\n{PAGE}",  # its end is missing
        f"<think>a</think>\n\n```markdown\n{PAGE}\n```",
        f"<|start_thinking|>a<|end_thinking|>{PAGE}",
        f"<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>{PAGE}<|END_RESPONSE|>",
        f"<|begin_of_thought|>a<|end_of_thought|>\n\n<|begin_of_solution|>\n{PAGE}\n<|end_of_solution|>",
        f"<scratch_pad>a</scratch_pad>\n{PAGE}",
        f"<unused94>thought\na<unused95>{PAGE}",
        f"<analysis>they write <b>x</b></analysis>\n\n<answer>\n{PAGE}\n</answer>",
        f"<cot>a</cot><final_answer>{PAGE}</final_answer>",
        f'<details type="reasoning" done="true">\n<summary>Thought for 3 s</summary>\na\n</details>\n{PAGE}',
        f"Here is my thought process:\n\na\n\nHere is my response:\n\n{PAGE}",
        f"<|begin_of_box|>{PAGE}<|end_of_box|>",
        f"{PAGE}<|im_end|>",
        f"{PAGE}\n</s>",
        f"{PAGE}<|eot_id|><|endoftext|>",
        f"<|im_start|>assistant\n{PAGE}<|im_end|>",
        f"<think>a</think>{PAGE}<end_of_turn>",
        f"```text\n{PAGE}```",
        f"<answer>\n{PAGE}\n</answer>",
        f"<final_answer>\n{PAGE}\n</final_answer>\n",
        f'"""\n{PAGE}\n"""',
        f"'''\n{PAGE}\n'''",
    ],
)
def test_what_is_no_part_of_the_answer_goes(text: str) -> None:
    assert meant(text) == PAGE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  indented\n",
        f"{PAGE}\n\n```\nIBAN XX00 0000\n```\n\nThank you",
        "```\na\n```\n\nand\n\n```\nb\n```",
        "```\na\n```\nThank you",
        "Here it is:\n```\na\n```",
        "The tag <think> begins and </think> ends it.",
        "The tag </think> ends reasoning.",
        "Use `</think>` to end.",
        '{"text": "a</think>b"}',
        '[{"a": "x</think>"}]',
        "A page.\n<think>quoted</think>\nmore",
        "<xml><think>a</think></xml>",
        "<b>bold</b>",
        "```",
        "```inline``` at the start",
        "<answer>42</answer>",  # on a form
        "<answer>\n<value>42</value>\n</answer>",  # of an interface
        "<result>\n42\n</result>",
        "'''one line'''",
        "~~~one line~~~",
        '"""Total\n9.80',
        "<title>a</title>\n<body>b</body>",
        "was <s>9.80</s>",
        "<|im_end|> ends a turn.",
        "Here is my thought process: none.",
        '<details class="x">a</details>\nb',
    ],
)
def test_what_is_part_of_the_answer_stays(text: str) -> None:
    assert meant(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("```md\nbefore\n```python\nx = 1\n```\nafter\n```", "before\n```python\nx = 1\n```\nafter"),
        ("````\n```\na\n```\n````", "```\na\n```"),
        ("<think>a</think>\nb\n```\nc\n```", "b\n```\nc\n```"),
        ("<think>a</think>b <think>c</think>", "b <think>c</think>"),
        ("```\n```", ""),
        ("```Total 9.80```", "Total 9.80"),
        ("```\n~~~\na\n~~~\n```", "~~~\na\n~~~"),
    ],
)
def test_only_the_outermost_goes(text: str, left: str) -> None:
    assert meant(text) == left


@pytest.mark.parametrize(
    "text", ["<think>never ends", "<think>a</think>", "<|channel|>analysis<|message|>hm", "a\n</think>\n"]
)
def test_reasoning_alone_is_an_empty_answer(text: str) -> None:
    assert meant(text) == ""


@given(PROSE, PROSE)
def test_any_reasoning_goes_and_any_page_stays(thoughts: str, page: str) -> None:
    assert meant(page) == page
    assert meant(f"<think>{thoughts}</think>\n\n{page}") == page.lstrip()
    assert meant(f"```\n{page}\n```") == page
    if thoughts.strip()[:1] not in ("{", "["):
        assert meant(f"{thoughts}\n</think>\n\n{page}") == page.lstrip()


PIECES = [
    "<think>",
    "</think>",
    "```",
    "```md",
    "~~~",
    "\n",
    " ",
    "a",
    "{",
    '"',
    "<|channel|>",
    "<",
    "◁think▷",
    "`",
    "<|im_end|>",
    "<a>",
    "</a>",
    "<final>",
    "</final>",
    "<a thinking b>",
    "Here is my thought process:",
]


@settings(max_examples=100, derandomize=True)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=12), st.lists(st.sampled_from(PIECES), max_size=8)
)
def test_any_nesting_is_read_in_linear_time(unit: list[str], end: list[str]) -> None:
    text = "".join(unit) * (200_000 // len("".join(unit))) + "".join(end)
    started = time.process_time()
    left = meant(text)
    assert time.process_time() - started < 2.0  # 0.3 s as it is
    assert left in text or left == text
