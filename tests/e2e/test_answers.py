"""What stands in the sidecars of a running daemon: the answer, not what models put around it, nor their apologies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daemon import Daemon, read_sidecar
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

CONFIG = """
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
  other: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
defaults: {{model: m, fallbacks: [other], settle: 20ms, outputs: [txt, json], prompt: "{{stem}}"}}
folders:
  texts: {{path: {home}/texts}}
  data:
    path: {home}/data
    schema:
      type: object
      properties: {{number: {{type: string}}, total: {{type: number}}}}
      required: [number, total]
      additionalProperties: false
log: {{target: json, level: debug}}
"""
PAGE = "# Invoice\n\nTotal 9.80"
LETTER = (
    "Dear Ms Miller,\n\nthank you for your letter of 3 May. I'm sorry, but I can't assist with that before the board "
    "has met. I enclose the invoice R-1 over 12.50.\n\nYours sincerely\nJ. Smith"
)
FENCED = f"{PAGE}\n\n```\nIBAN XX00 0000\n```\n\nThank you"
FALLBACK = "the other model's answer"
TEXTS = {  # what the model says: what stands in the text
    "think": (f"<think>\nThe user wants the text. I read Total 9.80.\n</think>\n\n{PAGE}", PAGE),
    "unopened": (f"The user wants the text. I read Total 9.80.\n</think>\n\n{PAGE}", PAGE),
    "thought": (f"<thought>\nReading.\n</thought>{PAGE}", PAGE),
    "fence": (f"```markdown\n{PAGE}\n```", PAGE),
    "inside": (FENCED, FENCED),
    "letter": (LETTER, LETTER),
    "identifying": ("I'm sorry, but I can't assist with identifying people in images.", FALLBACK),
    "real": (
        (
            "I'm sorry, but I'm not able to provide visual descriptions of images with real people. If you have any other "
            "questions, feel free to ask!"
        ),
        FALLBACK,
    ),
    "describe": ("I'm sorry, I can't identify or describe people in images.", FALLBACK),
}
GOOD = {"number": "R-1", "total": 12.5}
DRAFT = '```json\n{"number": "DRAFT", "total": 0}\n```'
DATA = {  # all of them mean the same
    "draft": f"<think>\nA first guess:\n{DRAFT}\nBut the total is 12.50.\n</think>\n\n{json.dumps(GOOD)}",
    "format": f"The format you asked for is:\n{DRAFT}\nFilled in:\n```json\n{json.dumps(GOOD)}\n```",
    "shape": f'Raw text:\n```json\n{{"lines": ["a", "b"]}}\n```\nAnswer:\n```json\n{json.dumps(GOOD)}\n```',
    "list": json.dumps([GOOD]),
    "string": json.dumps(json.dumps(GOOD)),
}


def reply(seen: Seen) -> Scripted:
    stem = seen.prompt.split()[0]
    if seen.body["model"] == "other":
        return Scripted(text=FALLBACK)
    return Scripted(text=TEXTS[stem][0] if stem in TEXTS else DATA[stem])


def test_sidecars_hold_the_answer_and_nothing_around_it(tmp_path: Path) -> None:
    for name, stems in (("texts", TEXTS), ("data", DATA)):
        (tmp_path / name).mkdir()
        for number, stem in enumerate(stems):
            drop(tmp_path / name, f"{stem}.png", picture(seed=number))
    with (
        Gateway(default=reply) as gateway,
        Daemon(CONFIG.format(url=gateway.base_url, home=tmp_path), tmp_path) as daemon,
    ):
        daemon.wait_event("file.done", count=len(TEXTS) + len(DATA))
        assert daemon.seen("file.failed") == []
        assert daemon.stop() == 0
        asked = [seen.prompt.split()[0] for seen in gateway.requests if seen.body["model"] == "m"]
    sidecars: dict[str, dict[str, Any]] = {
        stem: read_sidecar(tmp_path / name / f"{stem}.png.json")
        for name, stems in (("texts", TEXTS), ("data", DATA))
        for stem in stems
    }
    assert {stem: sidecars[stem]["text"] for stem in TEXTS} == {
        stem: text for stem, (_, text) in TEXTS.items()
    }
    assert (tmp_path / "texts" / "fence.png.txt").read_text() == PAGE + "\n"
    assert {stem: sidecars[stem]["data"] for stem in DATA} == dict.fromkeys(DATA, GOOD)
    answered = [stem for stem in asked if stem in DATA or TEXTS[stem][1] != FALLBACK]
    assert sorted(answered) == sorted(
        {*DATA, *TEXTS} - {s for s, (_, text) in TEXTS.items() if text == FALLBACK}
    )
