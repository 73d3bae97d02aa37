"""A config that stands for more than it seems, never ends, or holds a key where none belongs: told, at once."""

from __future__ import annotations

import base64
import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.config import document
from glimpsed.config.document import PROBLEMS
from glimpsed.config.load import complete, load
from glimpsed.errors import ConfigError, Problem
from glimpsed.redact import REMOVED, reads_like_a_name, without_keys

MODELS = "models: {m: {base_url: 'https://api.example/v1'}}\n"


def problems(text: str | bytes, env: dict[str, str] | None = None, file: str = "g.yaml") -> list[Problem]:
    try:
        complete(document.parse(text, file, env or {}), env or {})
    except ConfigError as e:
        return list(e.problems)
    return []


def doubled(line: str, times: int = 60) -> str:
    """Each line names the one before twice, or more: 2 to the 60th values."""
    return "a0: &a0 {k0: v}\n" + "".join(f"a{n}: &a{n} {line.format(n - 1, n=n)}\n" for n in range(1, times))


def schema(text: str) -> str:
    return f"{MODELS}folders: {{f: {{path: x, schema: {text}}}}}"


REFERENCES = ", ".join(
    f'd{n}: {{allOf: [{{"$ref": "#/$defs/d{n - 1}"}}, {{"$ref": "#/$defs/d{n - 1}"}}]}}' for n in range(1, 60)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (doubled("[*a{0}, *a{0}, *a{0}]"), "stands for more than 200,000 values"),
        (doubled("{{x: *a{0}, y: *a{0}}}"), "stands for more than 200,000 values"),
        (doubled("{{<<: [*a{0}, *a{0}], k{n}: v}}"), "stands for more than 200,000 values"),
        (f"a: &a '{'x' * 500_000}'\nb: [{'*a,' * 20_000}]", "stands for more than 16,000,000 characters"),
        (f"a: ['{'${LONG}' * 100_000}']", "stands for more than 16,000,000 characters"),
        (f"a: [{'b,' * 450_000}]", "holds more than 200,000 values"),
        ("- " * 200_000 + "a", "is nested too deeply"),
        ("".join(" " * n + "k:\n" for n in range(1000)), "is nested too deeply"),
        ("[" * 500_000, "exceeded maximum nesting depth"),
        ("a: &a [*a]", "is an alias of something that holds it"),
        ("a: &a {<<: *a}", "is an alias of something that holds it"),
        (f"drain: {'1:' * 300_000}1", "is not a value that YAML knows"),  # to the base of 60
        (f"drain: 0x{'f' * 500_000}", "is not a value that YAML knows"),
        (f"drain: {'9' * 500_000}", "is not a value that YAML knows"),
        ("drain: !!int ''", "is not a value that YAML knows"),
        ("drain: !!float ''", "is not a value that YAML knows"),
        ("search: !!bool maybe", "is not a value that YAML knows"),
        ("drain: !!python/object/apply:os.system [true]", "has a YAML tag"),
        ("drain: !!binary aGk=", "has a YAML tag"),
        ("folders: !!set {a}", "has a YAML tag"),
        ("folders: !ours {f: {path: x}}", "has a YAML tag"),
        ('"\\UFFFFFFFF": 1', "is not YAML"),
        ('folders: {f: {path: x, user: "a\\0b"}}', "holds a character that no text has"),
        ("state: 'sqlite:////x%00y'", "holds a character that no text has"),
        (b"\0" * 1000, "is not YAML"),
        (os.urandom(4000) + b"\xff", "is not YAML"),
        ("drain: 5s".encode("utf-32"), "is not YAML"),
        (f"folders: {{f: {{path: x, include: [{','.join(f'a{n}' for n in range(1001))}]}}}}", "1000 entries"),
        (schema('{"$ref": "#"}'), "refers to itself without end"),
        (
            schema('{$defs: {a: {not: {"$ref": "#/$defs/b"}}, b: {anyOf: [{"$ref": "#/$defs/a"}]}}}'),
            "refers to itself without end",
        ),
        (schema(f'{{$defs: {{d0: {{}}, {REFERENCES}}}, "$ref": "#/$defs/d59"}}'), "is too intricate"),
        (schema('{"$ref": "http://127.0.0.1:9/schema"}'), "is not inside of it"),
        (schema('{"$ref": "file:///etc/hostname"}'), "is not inside of it"),
    ],
)  # fmt: skip
def test_what_has_no_end_is_told(text: str | bytes, message: str) -> None:
    found = problems(text, {"LONG": "x" * 100_000})
    assert [p for p in found if message in p.message]
    assert len(found) <= 3
    assert all(len(str(p)) < 1000 for p in found)


def test_a_schema_that_grows_with_its_value_is_fine() -> None:
    assert problems(schema('{type: object, properties: {below: {items: {"$ref": "#"}}}}')) == []


def test_utf_16_is_yaml_too() -> None:
    assert problems("drain: 5 parsecs".encode("utf-16"))[0].key == "drain"


@pytest.mark.parametrize(
    "text",
    [
        "drain: 1\n" * 10_000,
        "".join(f"folder{n}: 1\n" for n in range(10_000)),
        f"a: [{'!x 1,' * 10_000}]",
        f"{MODELS}folders: {{f: {{path: x, fallbacks: [{'m,' * 20_000}]}}}}",
        f"folders: {{f: {{path: x, outputs: [{'png,' * 10_000}]}}}}",
    ],
)
def test_a_hundred_mistakes_are_enough(text: str) -> None:
    found = problems(text)
    assert len(found) == PROBLEMS + 1
    assert any("more mistakes" in p.message for p in found)


@pytest.mark.parametrize("kind", ["fifo", "directory", "endless", "missing"])
@pytest.mark.parametrize("key", ["", "prompt_file", "schema", "api_key_file"])
def test_what_is_no_file_is_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, key: str
) -> None:
    monkeypatch.setattr(document, "_PATIENCE", 0.5)
    monkeypatch.setattr(document, "_PATIENCE_CONFIG", 0.5)
    place = tmp_path / "it"
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "endless":
        place = Path("/dev/zero")
    named = {"path": "x", **({key: str(place)} if key and key != "api_key_file" else {})}
    model = {"base_url": "https://x", **({key: str(place)} if key == "api_key_file" else {})}
    config = tmp_path / "g.yaml"
    config.write_text(json.dumps({"models": {"m": model}, "folders": {"f": named}}))
    with pytest.raises(ConfigError) as raised:
        load(config if key else place)
    (found,) = raised.value.problems
    assert (found.key or "").endswith(key)
    if kind == "fifo":  # let go of the thread that waits for it
        os.close(os.open(place, os.O_WRONLY | os.O_NONBLOCK))
        until = time.monotonic() + 20
        while any(thread.name == "within" for thread in threading.enumerate()) and time.monotonic() < until:
            time.sleep(0.01)


KEYS = [
    "sk-proj-Zm9vYmFyYmF6cXV4MTIzNDU2",
    "sk-ant-api03-abcdefghij",
    "8c7f0d1e2b3a4958677685a4b3c2d1e0",
    "9a3b1c7d-1f2e-4d5c-8b7a-0123456789ab",
    "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "AKIAIOSFODNN7EXAMPLE1",
    "xK9mQ2vL7pR4tW8z",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ123456",
    "glpat-xxxxyyyyzzzz1",
    "xoxb-1234567890-abcdefghijkl",
    "bot-1234567890-abcdefghijkl",
    "gho_abcdefghijklmnop",
]

PLACES: list[Callable[[str], str]] = [
    lambda key: (
        f"models: {{m: {{base_url: 'https://x', api_key_env: '{key}'}}}}\nfolders: {{f: {{path: x}}}}"
    ),
    lambda key: (
        f"models: {{m: {{base_url: 'https://x', api_key_file: '{key}'}}}}\nfolders: {{f: {{path: x}}}}"
    ),
    lambda key: (
        f"models: {{m: {{base_url: 'https://x', api_key_credential: '{key}'}}}}\nfolders: {{f: {{path: x}}}}"
    ),
    lambda key: f"models: {{m: {{base_url: 'https://user:{key}@host/v1'}}}}\nfolders: {{f: {{path: x}}}}",
    lambda key: f"models: {{m: {{base_url: 'https://host/v1?key={key}'}}}}\nfolders: {{f: {{path: x}}}}",
    lambda key: f"models: {{m: {{base_url: '{key}'}}}}\nfolders: {{f: {{path: x}}}}",
    lambda key: f"models: {{m: {{base_url: 'https://x', '{key}': 1}}}}\nfolders: {{f: {{path: x}}}}",
    lambda key: (
        f"models: {{m: {{base_url: 'https://x', headers: {{'Authorization {key}': x}}}}}}\nfolders: {{f: {{path: x}}}}"
    ),
    lambda key: (
        f"models: {{m: {{base_url: 'https://x', headers: {{a: 'Bearer {key}\u00e9'}}}}}}\nfolders: {{f: {{path: x}}}}"
    ),
    lambda key: f"models: {{m: {{api: '{key}', base_url: 'https://x'}}}}\nfolders: {{f: {{path: x}}}}",
    lambda key: f"{MODELS}folders: {{f: {{path: x, model: '{key}'}}}}",
    lambda key: f"{MODELS}folders: {{f: {{path: x, fallbacks: ['{key}']}}}}",
    lambda key: f"{MODELS}folders: {{f: {{path: x, prompt_file: '{key}'}}}}",
    lambda key: f"{MODELS}folders: {{f: {{path: x, schema: '{key}'}}}}",
    lambda key: schema(f"{{type: '{key}'}}"),
    lambda key: schema(f'{{"$ref": "https://u:{key}@x/"}}'),
    lambda key: f"{MODELS}folders: {{f: {{path: x, on_done: {{move_to: '{{{key}}}'}}}}}}",
    lambda key: f"state: 'mysql://u:{key}@host/x'",
    lambda key: f"state: '{key}'",
    lambda key: f"drain: '{key}'",
    lambda key: f"'{key}': 1",
    lambda key: f"drain: *{key.replace('.', '')}",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", PLACES)
def test_a_key_where_it_does_not_belong_is_not_shown(place: Callable[[str], str], key: str) -> None:
    found = problems(place(key))
    assert found
    assert key[4:] not in "".join(map(str, found))


@pytest.mark.parametrize("place", PLACES)
def test_what_comes_from_the_environment_is_shown_as_it_was_written(place: Callable[[str], str]) -> None:
    found = problems(place("${WORD}"), {"WORD": "hunter"})
    assert "hunter" not in "".join(map(str, found))


def test_a_password_as_the_name_of_a_variable_is_not_shown_either() -> None:
    for name in ("correct horse", "P4ssword!", "MySecret", "swordfish2024x"):
        (found,) = problems(PLACES[0](name))
        assert name not in str(found)
        assert "the key itself does not belong here" in found.message
    for name in ("GLIMPSED_API_KEY", "OPENAI_API_KEY_2", "openai_key"):
        (found,) = problems(PLACES[0](name))
        assert found.message == f"the environment variable {name} is not set"


@pytest.mark.parametrize(
    "text",
    [
        "there is no model 'gemini-2.0-flash-thinking-exp-1219'",
        "there is no model 'doubao-1.5-vision-pro-250328'",
        "there is no model 'ep-20250212101010-x7k2p'",
        "there is no model 'Qwen/Qwen2.5-VL-72B-Instruct'",
        "/srv/scans/2024-11-22/inbox_3/prompt.de.txt cannot be read: No such file or directory",
        "the environment variable GLIMPSED_API_KEY_2 is not set",
        "is not a valid JSON Schema: 'strnig' is not valid under any of the given schemas at /properties/a/type",
        "must be SQLite or PostgreSQL with psycopg",
        "in its name and password write @ as %40 and % as %25, or leave the password to ~/.pgpass",
        "like postgresql+psycopg://USER@HOST/NAME or sqlite:////var/lib/glimpsed/ledger.sqlite",
        "Rechnungen/Größe/請求書",
    ],
)
def test_names_are_shown(text: str) -> None:
    assert without_keys(text) == text


@pytest.mark.parametrize(
    "token",
    [
        "Otrf93caN1_j84ieTK8_AonWcc5jYJVZ",
        "_IhS-80o7y-9Uoeg-3HFico-js8uYWo",
        "u16Acdg5Q-CtZ52bN-dnFotmOXKowbmvh6Rg-MAp3P-V1VTl",
    ],
)
def test_marks_within_a_token_do_not_make_a_name_of_it(token: str) -> None:
    assert not reads_like_a_name(token)


@given(st.binary(min_size=16, max_size=48), st.sampled_from(["hex", "base64"]))
def test_random_bytes_do_not_read_like_a_name(data: bytes, how: str) -> None:
    text = data.hex() if how == "hex" else base64.urlsafe_b64encode(data).decode()
    changes = sum(a.isdigit() != b.isdigit() for a, b in itertools.pairwise(text))
    if changes > 12:  # not what Hypothesis likes best: the same byte again and again
        assert not reads_like_a_name(text)
        assert without_keys(f"x {text}").rstrip("=") == f"x {REMOVED}"


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.binary())
def test_anything_is_a_config_or_a_config_error(text: str | bytes) -> None:
    problems(text)
