"""With `language: zh`, whoever looks at the share reads Chinese; the log and `--json` stay English."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from daemon import Daemon, glimpsed, wait_until
from gateway import Gateway, Scripted, Seen
from pictures import drop, picture

CONFIG = """
{language}
models:
  m: {{api: chat, base_url: "{url}", api_key_env: GLIMPSED_API_KEY}}
folders:
  inbox: {{path: inbox, model: m, settle: 20ms, settle_limit: 300ms, prompt: "{{stem}}", max_pages: 1}}
log: {{target: json}}
"""
CHINESE = re.compile("[\u4e00-\u9fff]")
REFUSALS = {
    "policy": Scripted(status=400, body={"error": {"message": "Blocked.", "code": "content_filter"}}),
    "sorry": Scripted(text="I'm sorry, but I can't assist with that."),
}


def reply(seen: Seen) -> Scripted:
    return REFUSALS.get(seen.prompt.split()[0], Scripted(text="good"))


@pytest.mark.parametrize(
    ("setting", "env"),
    [("language: zh", {}), ("", {"LANG": "zh_CN.UTF-8", "LC_ALL": ""})],
    ids=["set", "auto"],
)
def test_what_failed_is_told_in_chinese(tmp_path: Path, setting: str, env: dict[str, str]) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    drop(inbox, "good.png", picture(seed=1))
    for number, stem in enumerate(REFUSALS, 2):
        drop(inbox, f"{stem}.png", picture(seed=number))
    drop(inbox, "cut.png", picture(seed=9)[:-30])
    drop(inbox, "nothing.png", b"no picture at all")
    failed = [*REFUSALS, "cut", "nothing"]
    with Gateway(default=reply) as gateway:
        config = CONFIG.format(url=gateway.base_url, language=setting)
        with Daemon(config, tmp_path, env=env) as daemon:
            daemon.wait_event("file.failed", count=len(failed))
            told = [inbox / f"{stem}.png.error.txt" for stem in failed]
            wait_until(lambda: all(path.exists() for path in told), "an error sidecar is missing")
            assert not any(CHINESE.search(json.dumps(event, ensure_ascii=False)) for event in daemon.events)
        for path in told:
            happened, advice, empty, *facts = path.read_text(encoding="utf-8").splitlines()
            assert CHINESE.search(happened), path
            assert CHINESE.search(advice), path
            assert empty == ""
            assert f"文件: {path.name.removesuffix('.error.txt')}" in facts
        config_file = tmp_path / "glimpsed.yaml"
        page = glimpsed("report", "inbox", "-c", config_file, home=tmp_path, env=env).stdout
        assert '<html lang="zh-CN">' in page
        assert "<b>4</b> 失败" in page
        assert "模型拒绝回答" in page
        rows = json.loads(glimpsed("failures", "--json", "-c", config_file, home=tmp_path, env=env).stdout)
        assert len(rows) == len(failed)
        assert not any(CHINESE.search(row["reason"]) for row in rows)
