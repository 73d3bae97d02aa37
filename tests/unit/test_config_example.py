"""The example config, the starter config and the editor's schema agree with what `load` takes."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from glimpsed import config
from glimpsed.cli.init import STARTER, SYSTEM_STARTER
from glimpsed.config.editor import json_schema
from glimpsed.config.schema import Budget, Config, Folder, Limit, Log, ModelEntry, OnDone, Price
from glimpsed.config.validate import key_names

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
ENV = {"GLIMPSED_API_KEY": "sk-1"}


@pytest.fixture(scope="module")
def example() -> Config:
    return config.load(EXAMPLE, env=ENV)


def test_example_and_documentation_are_what_the_schema_says() -> None:
    """`make options` writes them anew."""
    options = runpy.run_path(str(EXAMPLE.parent / ".ci" / "options.py"))
    assert EXAMPLE.read_text() == options["example"]()
    assert (EXAMPLE.parent / "docs" / "options.md").read_text() == options["options"]()


def test_the_example_loads(example: Config) -> None:
    assert example.folders["inbox"].path == EXAMPLE.parent / "inbox"


def test_the_example_names_every_option() -> None:
    lines = [line.strip().removeprefix("#") for line in EXAMPLE.read_text().splitlines()]
    for section in (Config, ModelEntry, Folder, Log):
        missing = [key for key in key_names(section) if not any(line.startswith(f"{key}:") for line in lines)]
        assert missing == [], section
    assert any(line.startswith("defaults:") for line in lines)
    for section in (Price, Budget, Limit, OnDone):
        missing = [key for key in key_names(section) if not any(f"{key}:" in line for line in lines)]
        assert missing == [], section


def test_every_option_of_the_example_has_a_comment() -> None:
    """At the place where it is explained: the full model, the folder, the top level."""
    text = EXAMPLE.read_text()
    full_model = text[text.index("  gpt-4o:") : text.index("  # Gemini")]
    rest = text[text.index("  inbox:") :]
    uncommented = [
        line
        for line in (full_model + rest).splitlines()
        if line.startswith(("    ", "  ", "search", "drain", "metrics", "workers", "state", "backlog"))
        and line.strip().split(":")[0] in {**key_names(ModelEntry), **key_names(Folder), **key_names(Config)}
        and "#" not in line
    ]
    assert uncommented == []


def test_what_the_example_calls_a_default_is_one(example: Config) -> None:
    text = EXAMPLE.read_text().splitlines()
    default_model, default_folder = ModelEntry(), Folder(path=Path("x"))
    told = {
        line.split(":")[0].strip()
        for line in text
        if ": " in line and "# default" in line and "default: " not in line
    }
    assert {"settle", "timeout", "max_bytes", "bands", "drain", "user_agent"} <= told
    for key in told & set(key_names(ModelEntry)) - {"budget", "model"}:
        assert getattr(example.models["gpt-4o"], key) == getattr(default_model, key), key
    for key in told & set(key_names(Folder)) - {"budget", "model", "schema"}:
        assert getattr(example.folders["inbox"], key) == getattr(default_folder, key), key
    for key in told & set(key_names(Config)) - {"budget"}:
        assert getattr(example, key) == getattr(Config(), key), key


@pytest.mark.parametrize(
    ("name", "api"),
    [
        ("gpt-4o", "responses"),
        ("gemini-2.5-flash", "chat"),
        ("claude-sonnet-4-20250514", "chat"),
        ("doubao-1.5-vision-pro-250328", "chat"),
        ("gemini-2.0-flash-thinking-exp-1219", "chat"),
    ],
)
def test_the_example_has_the_models_of_the_gateway(example: Config, name: str, api: str) -> None:
    entry = example.models[name]
    assert (entry.model, entry.api, entry.base_url) == (name, api, "https://openai-ss.cn/v1")
    assert entry.price is not None
    assert entry.key is not None
    assert entry.max_bytes <= 700_000  # what every gateway takes


def test_the_example_has_the_embedded_model(example: Config) -> None:
    assert example.models["local"].local


@pytest.mark.parametrize("text", [STARTER, SYSTEM_STARTER])
def test_a_starter_loads_and_fits_the_editors_schema(text: str, tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(text)
    assert config.load(tmp_path / "g.yaml", env={}).folders
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(text))


def test_a_starter_still_loads_with_its_commented_model(tmp_path: Path) -> None:
    text = (
        STARTER.replace("  #gpt-4o", "  gpt-4o")
        .replace("  #  ", "    ")
        .replace("model: local ", "model: gpt-4o ")
    )
    (tmp_path / "g.yaml").write_text(text.replace("#budget", "budget"))
    found = config.load(tmp_path / "g.yaml", env=ENV)
    assert found.models["gpt-4o"].price is not None
    assert found.budget.per_day == 5


# -- the schema for editors ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def editor() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def folder(**keys: Any) -> dict[str, Any]:
    return {"folders": {"f": {"path": "x", **keys}}}


def test_the_schema_takes_the_example(editor: jsonschema.Draft202012Validator) -> None:
    editor.validate(yaml.safe_load(EXAMPLE.read_text()))


@pytest.mark.parametrize(
    "data",
    [
        folder(settle="500ms", poll=3, rescan="${RESCAN}"),
        folder(schema="a.json", bands=3),
        folder(schema={"type": "object"}, bands="auto", recursive="${YES}", outputs=["${KIND}"]),
        {"models": {"m": {"max_bytes": "5MB", "concurrency": "${N}", "price": None, "currency": "${C}"}}},
        {"defaults": {"settle": "1h"}},
    ],
)
def test_the_schema_takes_what_load_takes(
    editor: jsonschema.Draft202012Validator, data: dict[str, Any]
) -> None:
    editor.validate(data)


@pytest.mark.parametrize(
    "data",
    [
        folder(setle="2s"),
        folder(settle="soon"),
        folder(settle=-1),
        folder(bands=1),
        folder(outputs=["docx"]),
        folder(name="x"),
        {"folders": {"f": {}}},
        {"defaults": {"path": "x"}},
        {"models": {"m": {"key": "sk-1"}}},
        {"models": {"m": {"concurrency": 0}}},
        {"log": {"level": "loud"}},
        {"file": "x"},
    ],
)
def test_the_schema_refuses_what_load_refuses(
    editor: jsonschema.Draft202012Validator, data: dict[str, Any]
) -> None:
    assert not editor.is_valid(data)


def test_every_key_in_the_schema_is_described() -> None:
    schema = json_schema()
    for name, section in {"Config": schema, **schema["$defs"]}.items():
        bare = [key for key, value in section["properties"].items() if not value.get("description")]
        assert bare == [], name
    assert json.loads(json.dumps(schema)) == schema
