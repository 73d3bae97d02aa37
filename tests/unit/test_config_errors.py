"""What is wrong with a config is told all at once: file, line, key path, and the key that was meant."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import threading
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from glimpsed import extras
from glimpsed.config import Config, document, validate
from glimpsed.config.document import dotted
from glimpsed.config.editor import json_schema
from glimpsed.config.load import complete, load
from glimpsed.config.schema import Duration
from glimpsed.errors import ConfigError, Problem

REMOTE = "base_url: 'https://api.example/v1'"


def problems(text: str, env: dict[str, str] | None = None, file: str = "g.yaml") -> list[Problem]:
    try:
        complete(document.parse(dedent(text), file, env or {}), env or {})
    except ConfigError as e:
        return list(e.problems)
    return []


def folder(keys: str, models: str = f"m: {{{REMOTE}}}") -> str:
    return f"models: {{{models}}}\nfolders:\n  f: {{path: x, {keys}}}\n"


def model(keys: str) -> str:
    return f"models:\n  m: {{{keys}}}\nfolders: {{f: {{path: x}}}}\n"


def test_everything_is_told_at_once_with_line_and_key() -> None:
    found = problems(
        """
        models:
          gpt: {base_url: "https://a/v1", concurency: 3, timeout: soon}
        folders:
          invoices:
            path: in
            setle: 2s
            outputs: [txt, jsn]
            model: gpt-4
            prompt: "{file_name}"
          invoices:
            path: out
          archive:
            path: in/archive
            sidecar: ../{name}.{ext}
        drain: 5 parsecs
        """
    )
    assert [str(p) for p in found] == [
        "g.yaml:3: models.gpt.concurency: unknown key (did you mean 'concurrency'?)",
        "g.yaml:3: models.gpt.timeout: must look like 500ms, 2s, 5m, 1h or a number of seconds",
        "g.yaml:7: folders.invoices.setle: unknown key (did you mean 'settle'?)",
        "g.yaml:8: folders.invoices.outputs[1]: must be 'txt', 'json', 'md', 'xmp', 'pdf' or 'hocr' (did you mean 'json'?)",
        "g.yaml:9: folders.invoices.model: there is no model 'gpt-4' (did you mean 'gpt'?)",
        "g.yaml:10: folders.invoices.prompt: {file_name} would not be filled in (did you mean {filename}?; for the text itself put spaces inside the braces)",
        "g.yaml:11: folders.invoices: duplicate key, first on line 5",
        "g.yaml:14: folders.archive.path: is inside of that of 'invoices'",
        "g.yaml:15: folders.archive.sidecar: must be a plain file name: sidecars stand beside their image",
        "g.yaml:16: drain: must look like 500ms, 2s, 5m, 1h or a number of seconds",
    ]


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        # keys
        ("folder: {}", "folder", "did you mean 'folders'?"),
        ("log: {lvl: info}", "log.lvl", "did you mean 'level'?"),
        ("budget: {perday: 1}", "budget.perday", "did you mean 'per_day'?"),
        ("defaults: {path: x}", "defaults.path", "for each folder"),
        ("defaults: {settel: 1s}", "defaults.settel", "did you mean 'settle'?"),
        (model(f"{REMOTE}, price: {{inptu: 1}}"), "models.m.price.inptu", "did you mean 'input'?"),
        (model(f"{REMOTE}, key: sk-1"), "models.m.key", "unknown key"),
        (model(f"{REMOTE}, name: x"), "models.m.name", "unknown key"),
        (folder("name: x"), "folders.f.name", "unknown key"),
        (folder("language: zh"), "folders.f.language", "'language' belongs to the top level of the file"),
        (folder("burst_confirm: 3"), "folders.f.burst_confirm", "'burst_confirm' belongs to the top level"),
        (folder("concurrency: 3"), "folders.f.concurrency", "'concurrency' is a key of a model"),
        (model(f"{REMOTE}, prompt: x"), "models.m.prompt", "'prompt' is a key of a folder"),
        ("settle: 1s", "settle", "'settle' is a key of a folder"),
        ("model: {}", "model", "did you mean 'models'?"),
        (folder("schema_: {}"), "folders.f.schema_", "did you mean 'schema'?"),
        ("file: x", "file", "unknown key"),
        ("drain: 1\nfolders: {}\ndrain: 2", "drain", "duplicate key, first on line 1"),
        (folder("on_done: {move_to: a, move_to: b}"), "folders.f.on_done.move_to", "duplicate key, first on line 3"),
        (folder("schema: {properties: {a: {}, a: {}}}"), "folders.f.schema.properties.a", "duplicate key"),
        ("{}: x", None, "not plain text"),
        ("folders: {? [a] : x}", "folders", "not plain text"),
        # values
        ("[a]", None, "keys and values"),
        ("a: [", None, "not YAML"),
        ("a: b\n\tc: d", None, "not YAML"),
        ("a: 1\n---\nb: 2", None, "not YAML"),
        ("a: \x01", None, "not YAML"),
        ("folders: [a]", "folders", "keys and values"),
        ("defaults: [a]", "defaults", "keys and values"),
        ("folders: {f: /srv}", "folders.f", "keys and values"),
        ("folders: {f: }", "folders.f", "keys and values"),
        ("folders: {f: {}}", "folders.f.path", "is required"),
        ("folders: {f: {path: }}", "folders.f.path", "must be a path"),
        ("folders: {f: {path: ''}}", "folders.f.path", "must be a path"),
        ("drain: !!python/name:os.system x", "drain", "YAML tag"),
        ("drain: !secret x", "drain", "YAML tag"),
        ("log: &a {level: *a}", "log.level", "alias of something that holds it"),
        ("search: maybe", "search", "true or false"),
        ("workers: true", "workers", "must be a number"),
        ("workers: 0", "workers", "at least 1"),
        ("workers: 1.5", "workers", "whole number"),
        ("metrics: 9464", "metrics", "127.0.0.1:9464"),
        ("log: {level: warn}", "log.level", "did you mean 'warning'?"),
        ("budget: {currency: dollars}", "budget.currency", "three capital letters"),
        ("budget: {per_day: .inf}", "budget.per_day", "number"),
        ("budget: {per_day: -1}", "budget.per_day", "more than 0"),
        ("folders: {path: 5}", "folders.path", "keys and values"),
        ("folders: {f: {path: x}, g: {path: 6}}", "folders.g.path", "must be a path"),
        (folder("prompt: a, prompt_file: /dev/null"), "folders.f.prompt_file", "empty"),
        ("models: {path: 5}", "models.path", "keys and values"),
        (folder("prompt: 5"), "folders.f.prompt", "in quotes"),
        (folder("prompt: no"), "folders.f.prompt", "in quotes"),
        (folder("prompt: ' '"), "folders.f.prompt", "is empty"),
        (folder("bands: 1"), "folders.f.bands", "none, auto or a whole number from 2 to 20"),
        (folder("bands: yes"), "folders.f.bands", "none, auto or a whole number from 2 to 20"),
        (folder("outputs: []"), "folders.f.outputs", "must not be empty"),
        (folder("outputs: txt"), "folders.f.outputs", "must be a list"),
        (folder("outputs: [md, md]"), "folders.f.outputs", "twice"),
        (folder("include: ['#x']"), "folders.f.include[0]", "matches nothing"),
        (folder("exclude: [a, '!']"), "folders.f.exclude[1]", "not a gitignore-style pattern"),
        (folder("on_done: {command: []}"), "folders.f.on_done.command", "must not be empty"),
        (folder("image_url_base: ftp://a/"), "folders.f.image_url_base", "http:// or https://"),
        (folder("settle: 20m"), "folders.f.settle", "must not be longer than settle_limit, 10 minutes"),
        # environment
        (folder("prompt: 'a ${NOPE}'"), "folders.f.prompt", "NOPE is not set"),
        # sidecars
        (folder("sidecar: 'a/{name}.{ext}'"), "folders.f.sidecar", "plain file name"),
        (folder("sidecar: '..\\{name}.{ext}'"), "folders.f.sidecar", "plain file name"),
        (folder('sidecar: "{name}\\n.{ext}"'), "folders.f.sidecar", "plain file name"),
        (folder("sidecar: '{name}.{kind}'"), "folders.f.sidecar", "may only hold {name}, {stem} and {ext}"),
        (folder("sidecar: '{name}.{ext'"), "folders.f.sidecar", "may only hold"),
        (folder("sidecar: '{name}.txt'"), "folders.f.sidecar", "must hold {ext}, or txt and json"),
        (folder("sidecar: 'x.{ext}'"), "folders.f.sidecar", "share one sidecar"),
        (folder("sidecar: '{name}', outputs: [txt]"), "folders.f.sidecar", "name of the image itself"),
        (folder("sidecar: '{stem}.jpg', outputs: [txt]"), "folders.f.sidecar", "name of the image itself"),
        (folder("sidecar: '{name}.png', outputs: [txt]"), "folders.f.sidecar", "look like an image"),
        (folder("sidecar: '{name}.error.{ext}'"), "folders.f.sidecar", "reserved"),
        (folder("sidecar: '{name}.{ext}~'"), "folders.f.sidecar", "reserved"),
        # what comes after
        (folder("on_done: {move_to: .}"), "folders.f.on_done.move_to", "not the folder itself"),
        (folder("on_done: {move_to: 'done/{year}'}"), "folders.f.on_done.move_to", "may only hold {folder}, {date} and {data.KEY}"),
        # files
        (folder("prompt_file: nowhere.txt"), "folders.f.prompt_file", "nowhere.txt cannot be read: No such file"),
        (folder("prompt: a, prompt_file: nowhere.txt"), "folders.f.prompt_file", "No such file"),
        (folder("schema: nowhere.json"), "folders.f.schema", "nowhere.json cannot be read: No such file"),
        (folder("schema: {type: objekt}"), "folders.f.schema", "not a valid JSON Schema"),
        (folder("schema: {properties: {a: {pattern: '(a'}}}"), "folders.f.schema", "'(a' is not a 'regex'"),
        (folder("schema: {patternProperties: {'[': {}}}"), "folders.f.schema", "'[' is not a 'regex'"),
        (folder("schema: {$ref: '#/$defs/a'}"), "folders.f.schema", "not inside of it"),
        (folder("schema: {$schema: []}"), "folders.f.schema", "is not a valid JSON Schema"),
        (folder("schema: {maximum: .nan}"), "folders.f.schema", "a value that JSON has not"),
        (folder("schema: {$ref: 'https://json-schema.org/draft/2020-12/schema'}"), "folders.f.schema", "not inside of it"),
        (folder("schema: 3"), "folders.f.schema", "keys and values"),
        # models
        (folder("model: mm"), "folders.f.model", "there is no model 'mm' (did you mean 'm'?)"),
        (folder("priority: 1", f"a: {{{REMOTE}}}, b: {{api: local}}"), "folders.f.model", "is required: one of a, b"),
        (folder("fallbacks: [nn]"), "folders.f.fallbacks[0]", "there is no model 'nn'"),
        (folder("fallbacks: [m]"), "folders.f.fallbacks[0]", "has been asked by then"),
        (folder("local_only: true"), "folders.f.local_only", "'m' is a remote model"),
        (folder("local_only: true, model: m"), "folders.f.model", "'m' is a remote model"),
        (
            folder("local_only: true, model: l, fallbacks: [m]", f"l: {{api: local}}, m: {{{REMOTE}}}"),
            "folders.f.fallbacks[0]",
            "'m' is a remote model",
        ),
        (folder("schema: {type: object}", "l: {api: local}"), "folders.f.schema", "plain OCR"),
        (model("api: chat"), "models.m.base_url", "is required"),
        (model("base_url: api.example/v1"), "models.m.base_url", "http:// or https://"),
        (model("base_url: http://api.example/v1"), "models.m.base_url", "allow_http: true"),
        (model("base_url: https://a/v1/chat/completions"), "models.m.base_url", "the endpoint /chat/completions, which is added"),
        (model("base_url: https://a/v1/responses/"), "models.m.base_url", "say https://a/v1"),
        (model("api: local, base_url: http://localhost:1/v1"), "models.m.base_url", "no meaning with api: local"),
        (model("api: local, model: rapidcor"), "models.m.model", "did you mean 'rapidocr'?"),
        (model(f"{REMOTE}, api_key_env: NOPE"), "models.m.api_key_env", "NOPE is not set"),
        (model(f"{REMOTE}, api_key_file: nope"), "models.m.api_key_file", "nope cannot be read: No such file"),
        (model(f"{REMOTE}, api_key_credential: c"), "models.m.api_key_credential", "/etc/credstore/c cannot be read"),
        (model(f"{REMOTE}, api_key_credential: ../c"), "models.m.api_key_credential", "not a path"),
        (model(f"{REMOTE}, api_key_file: /dev/null"), "models.m.api_key_file", "is empty"),
        (model(f"{REMOTE}, api_key_file: a, api_key_env: B"), "models.m.api_key_file", "second source of the key"),
        (model(f"{REMOTE}, headers: {{'a b': c}}"), "models.m.headers.a b", "no name for a header"),
        (model(f"{REMOTE}, headers: {{sk-aB3dE5fG7hJ9kL1mN3: x}}"), "models.m.headers.[removed]", "looks like a key"),
        (model(f"{REMOTE}, headers: {{Transfer-Encoding: chunked}}"), "models.m.headers.Transfer-Encoding", "none to be set"),
        (model(f'{REMOTE}, headers: {{a: "b\\nc: d"}}'), "models.m.headers.a", "a header cannot have"),
        (model(f"{REMOTE}, user_agent: é"), "models.m.user_agent", "a header cannot have"),
        (model(f"{REMOTE}, price: {{input: 1}}, currency: CNY") + "budget: {per_day: 1}", "models.m.currency", "must be USD"),
        # names, places
        ("folders: {a/b: {path: x}}", "folders.a/b", "no name for a folder"),
        ("folders: {-a: {path: x}}", "folders.-a", "no name for a folder"),
        ("folders: {'': {path: x}}", "folders.", "no name for a folder"),
        ("models: {' m': {api: local}}", "models. m", "no name for a model"),
        ("folders: {a: {path: x}, b: {path: ./y/../x/}}", "folders.b.path", "same directory as that of 'a'"),
        ("folders: {a: {path: x/y}, b: {path: x}}", "folders.b.path", "holds that of 'a'"),
        # state
        ("state: nonsense", "state", "not a SQLAlchemy URL"),
        ("state: mysql://u:p@h/d", "state", "SQLite or PostgreSQL"),
        ("state: postgresql://u:p@h/d", "state", "PostgreSQL with psycopg"),
        ("state: 'sqlite://'", "state", "must name a file"),
        ("state: postgresql+psycopg://u:p@ss@h/d", "state", "write @ as %40"),
    ],
)  # fmt: skip
def test_mistakes(text: str, key: str | None, message: str) -> None:
    found = problems(text)
    assert [p.key for p in found if message in str(p)] == [key]
    assert all(p.file == "g.yaml" for p in found)


def test_a_folder_that_is_mounted_elsewhere_is_the_same_directory(tmp_path: Path) -> None:
    for name in ("a/sub", "b"):
        (tmp_path / name).mkdir(parents=True)
    if subprocess.run(["mount", "--bind", tmp_path / "a", tmp_path / "b"], check=False).returncode:
        pytest.skip("mounts are not allowed here")
    try:
        for path, message in (("b", "same directory as"), ("b/sub", "inside of that"), (".", "holds that")):
            text = f"folders: {{one: {{path: {tmp_path}/a}}, two: {{path: {tmp_path}/{path}}}}}"
            (found,) = problems(text)
            assert message in str(found)
    finally:
        subprocess.run(["umount", tmp_path / "b"], check=True)


def test_a_mistake_has_no_consequences_that_are_told_too() -> None:
    """One wrong value, one error: not also 'base_url is required' or 'there is no such model'."""
    for text in (
        model("base_url: 5"),
        folder("model: 5", "a: {api: local}, b: {api: local}"),
        folder("sidecar: 5"),
    ):
        assert len(problems(text)) == 1


@pytest.mark.parametrize(
    ("key", "value"), [("outputs", "[TXT]"), ("include", "[5]"), ("on_done", "{command: [5]}")]
)
def test_a_list_of_nothing_but_mistakes_is_not_called_empty(key: str, value: str) -> None:
    (found,) = problems(folder(f"{key}: {value}"))
    assert (found.key or "").endswith("[0]")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("keep_answers: -1", "keep_answers"),
        ("keep_answers: -0.5", "keep_answers"),
        ("defaults: []", "defaults"),
        ("defaults: ''", "defaults"),
        ("defaults: false", "defaults"),
        (folder("on_done: {command: ['']}"), "folders.f.on_done.command[0]"),
        (folder("on_done: {command: [' ', x]}"), "folders.f.on_done.command[0]"),
        (model(f"{REMOTE}, extra: {{top_p: .inf}}"), "models.m.extra.top_p"),
        (model(f"{REMOTE}, extra: {{a: [1, {{b: .nan}}]}}"), "models.m.extra.a"),
    ],
)
def test_a_value_that_can_come_to_nothing_is_a_mistake(text: str, key: str) -> None:
    (found,) = problems(text)
    assert (found.key, found.line is not None) == (key, True)


def test_a_prompt_beside_a_prompt_file(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("Read it.")
    for text in (
        folder("prompt: a, prompt_file: p.txt"),
        "defaults: {prompt: a, prompt_file: p.txt}\n" + folder("priority: 1"),
    ):
        (found,) = problems(text, file=str(tmp_path / "g.yaml"))
        assert found.message == "stands beside prompt: only one of them can count"


def test_a_wrong_default_is_told_once_where_it_stands() -> None:
    (found,) = problems("defaults:\n  poll: never\nfolders: {a: {path: a}, b: {path: b}}")
    assert (found.key, found.line) == ("defaults.poll", 2)
    (found,) = problems("defaults:\n  prompt: '{dat}'\nfolders: {a: {path: a}, b: {path: b}}")
    assert (found.key, found.line) == ("defaults.prompt", 2)


def test_a_default_of_the_program_s_own_that_is_wrong_is_told_and_comes_to_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Mistaken(Config):
        drain: Duration = "never"  # type: ignore[assignment]

    monkeypatch.setattr(validate, "Config", Mistaken)
    (problem,) = problems(folder("settle: 3s"))
    assert problem.key == "drain"


def test_defaults_are_checked_without_any_folder() -> None:
    assert [p.key for p in problems("defaults: {poll: never}")] == ["defaults.poll"]


def test_links_do_not_hide_that_folders_are_nested(tmp_path: Path) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    text = f"folders: {{a: {{path: {tmp_path}/real/sub}}, b: {{path: {tmp_path}/link}}}}"
    assert [p.message for p in problems(text)] == ["holds that of 'a'"]


def test_a_neighbour_with_a_longer_name_is_not_nested() -> None:
    assert problems("folders: {a: {path: /x/scan}, b: {path: /x/scans}}") == []


def test_plain_http_is_fine_on_loopback_or_when_it_is_meant() -> None:
    assert problems(model("base_url: http://127.0.0.1:1/v1")) == []
    assert problems(model("base_url: http://api.example/v1, allow_http: true")) == []


def test_a_currency_matters_only_beside_a_budget() -> None:
    assert problems(model(f"{REMOTE}, price: {{input: 1}}, currency: CNY")) == []


def test_broken_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"\xe9")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text('{\n"a": }')
    names = ("prompt_file: latin.txt", "prompt_file: empty.txt", "schema: list.json", "schema: broken.json")
    told = [problems(folder(name), file=str(tmp_path / "g.yaml"))[0].message for name in names]
    assert told == [
        "latin.txt is not UTF-8",
        "empty.txt is empty",
        "list.json does not hold a JSON object",
        "broken.json is not JSON: Expecting value on line 2",
    ]


def test_no_secret_is_repeated() -> None:
    env = {"S": "hunter2", "K": "hunter2 with spaces"}
    text = """
        models:
          m: {base_url: "https://u:${S}@h/v1", api_key_env: K, timeout: "${S}", currency: "${S}", api: "${S}"}
          n: {base_url: "${S}", headers: {"${S}": "a\\n${S}"}, price: "${S}", concurrency: "${S}", stream: "${S}"}
        folders: {f: {path: x, bands: "${S}", watch: "${S}", outputs: ["${S}"], model: m}}
        state: "mysql://u:${S}@h/d"
        metrics: "${S}"
        """
    found = problems(text, env)
    assert len(found) >= 12
    assert not [p for p in found if "hunter2" in str(p) or "hunter2" in repr(p)]


def test_a_huge_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"# " + b"x" * 5_000_000)
    (tmp_path / "binary").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    for name in ("big", "binary"):
        with pytest.raises(ConfigError):
            load(tmp_path / name, env={})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, env={})


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_config_or_a_config_error(text: str | bytes) -> None:
    try:
        complete(document.parse(text, "g.yaml", {}), {})
    except ConfigError as e:
        _ = e.problems[0]


SECTIONS = json_schema()["$defs"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["2s", "chat", "m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def section(name: str) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(sorted(SECTIONS[name]["properties"])), VALUES, max_size=6)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "models": st.dictionaries(
                st.sampled_from(["m", "n", ""]), section("ModelEntry") | VALUES, max_size=2
            ),
            "folders": st.dictionaries(st.sampled_from(["f", "g"]), section("Folder") | VALUES, max_size=2),
            "defaults": section("Defaults") | VALUES,
            "budget": section("Budget") | VALUES,
            "log": section("Log") | VALUES,
            "state": VALUES,
            "metrics": VALUES,
        },
    )
)
def test_any_values_are_a_config_or_a_config_error(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    try:
        assert isinstance(complete(document.parse(text, "g.yaml", {}), {}), Config)
    except ConfigError as e:
        _ = e.problems[0]


def test_what_cannot_be_printed_is_escaped() -> None:
    found = problems(
        'folders: {f: {path: x, "a\\eb": 1, model: "\\e[2J"}}\nmodels: {"\\e": {api: local}, b: {api: local}}'
    )
    assert len(found) == 3
    assert all(str(problem).isprintable() for problem in found)


@pytest.mark.parametrize("text", ["[" * 1000, "a: " * 1000, "{a: " * 1000 + "}" * 1000])
def test_a_file_of_bottomless_depth_is_no_crash(text: str) -> None:
    assert "is not YAML" in problems(text)[0].message or "too deeply" in problems(text)[0].message


@pytest.mark.parametrize("depth", [10, 60, 120, 180])
def test_a_schema_of_any_depth_is_fine_or_too_deep(depth: int) -> None:
    text = "folders: {f: {path: x, model: m, schema: " + "{not: " * depth + "{}" + "}" * depth + "}}"
    found = [p.message for p in problems(f"models: {{m: {{{REMOTE}}}}}\n{text}")]
    assert found in ([], ["is nested too deeply"])


def test_keys_are_written_as_people_would_write_them() -> None:
    assert dotted(("folders", "a", "fallbacks", 1)) == "folders.a.fallbacks[1]"
    assert dotted(()) is None


def test_a_config_may_come_through_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # as of `-c <(sops -d config.yaml)`
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("drain: 5s\n",))
    writer.start()
    assert load(tmp_path / "pipe").drain == 5
    writer.join()


def test_turning_pages_for_remote_models_needs_the_embedded_ocr(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(folder("upright: true")) == []
    by_url = problems(folder("upright: true, image_url_base: 'https://a/'"))
    assert [p.key for p in by_url] == ["folders.f.upright"]
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rapidocr" else find(name))
    [missing] = problems(folder("upright: true"))
    assert missing.key == "folders.f.upright"
    assert extras.command("ocr") in missing.message
    assert problems(folder("upright: false")) == []
    assert problems(folder("upright: true", "m: {api: local, model: tesseract}")) == []
