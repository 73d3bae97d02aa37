"""What a good config becomes: looked up, merged, completed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from glimpsed import config
from glimpsed.config import Config
from glimpsed.errors import ConfigError, UsageError

KEY = {"GLIMPSED_API_KEY": "sk-1"}
REMOTE = "{api: chat, base_url: 'https://api.example/v1', api_key_env: GLIMPSED_API_KEY}"

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(text: str, env: dict[str, str] | None = None, **options: object) -> Config:
        file = tmp_path / "glimpsed.yaml"
        file.write_text(text)
        return config.load(file, env=KEY if env is None else env, **options)  # type: ignore[arg-type]

    return loaded


def test_a_folder_is_all_that_a_config_needs(load: Load, tmp_path: Path) -> None:
    found = load("folders: {invoices: {path: scans}}")
    folder = found.folders["invoices"]
    assert (folder.name, folder.path, folder.model, folder.outputs) == (
        "invoices",
        tmp_path / "scans",
        "local",
        ("txt", "json"),
    )
    local = found.models["local"]
    assert (local.name, local.api, local.model, local.key) == ("local", "local", "rapidocr", None)
    assert found.file == tmp_path / "glimpsed.yaml"


@pytest.mark.parametrize(
    "text", ["", "# nothing", "folders:", "models:\nfolders:\ndefaults:\nlog:\nbudget:", "{}"]
)
def test_headings_without_keys_are_as_good_as_left_out(load: Load, text: str) -> None:
    found = load(text)
    assert found.folders == {}
    assert list(found.models) == ["local"]
    assert found.log.level == "info"


def test_the_defaults_are_those_of_the_documentation(load: Load) -> None:
    found = load(f"models: {{m: {REMOTE}}}\nfolders: {{f: {{path: x}}}}")
    model, folder = found.models["m"], found.folders["f"]
    assert (model.model, model.user_agent, model.concurrency, model.timeout) == ("m", "glimpsed/1.0", 8, 120)
    assert (model.max_edge, model.max_bytes, model.currency) == (2048, 700_000, "USD")
    assert (folder.settle, folder.settle_limit, folder.poll, folder.rescan) == (2, 600, 15, 300)
    assert (folder.temperature, folder.detail, folder.max_pages, folder.reuse) == (0.1, "high", 50, True)
    assert (found.backlog_confirm, found.drain, found.search, found.metrics) == (1000, 30, True, None)


def test_a_folders_own_value_wins_over_the_defaults(load: Load) -> None:
    found = load(
        """
        defaults: {settle: 9s, poll: 1m, prompt: shared, on_done: {move_to: done}}
        folders:
          a: {path: a}
          b: {path: b, settle: 500ms, prompt: own, on_done: {command: [lp]}}
        """
    )
    a, b = found.folders["a"], found.folders["b"]
    assert (a.settle, a.poll, a.prompt, a.on_done.move_to) == (9, 60, "shared", "done")
    assert (b.settle, b.poll, b.prompt, b.on_done.move_to, b.on_done.command) == (
        0.5,
        60,
        "own",
        None,
        ("lp",),
    )


def test_a_prompt_of_either_kind_wins_over_either_kind_of_the_defaults(load: Load, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("from a file\n")
    found = load("defaults: {prompt_file: p.txt}\nfolders: {a: {path: a}, b: {path: b, prompt: own}}")
    assert [f.prompt for f in found.folders.values()] == ["from a file", "own"]
    found = load("defaults: {prompt: shared}\nfolders: {a: {path: a}, b: {path: b, prompt_file: p.txt}}")
    assert [f.prompt for f in found.folders.values()] == ["shared", "from a file"]


def test_a_prompt_file_that_is_null_takes_nothing_back(load: Load) -> None:
    found = load(
        "defaults: {prompt: shared}\nfolders: {a: {path: a, prompt_file: null}, b: {path: b, prompt: x, prompt_file: null}}"
    )
    assert [f.prompt for f in found.folders.values()] == ["shared", "x"]


def test_null_takes_back_a_default(load: Load) -> None:
    found = load(
        "defaults: {system: s, temperature: 0.5}\nfolders: {a: {path: a, system: null, temperature: null}}"
    )
    assert (found.folders["a"].system, found.folders["a"].temperature) == (None, None)


def test_the_environment_fills_strings_in_once(load: Load) -> None:
    env = {"WHERE": "in ${NOT_AGAIN}", "N": "3", "YES": "true"}
    found = load(
        """
        models: {local: {api: local, concurrency: "${N}"}}
        folders:
          a: {path: "/x/${WHERE}", prompt: 'cost: $${N} $N ${}', recursive: "${YES}", outputs: ["${T}"]}
        """,
        env | {"T": "md"},
    )
    folder = found.folders["a"]
    assert str(folder.path) == "/x/in ${NOT_AGAIN}"
    assert folder.prompt == "cost: ${N} $N ${}"
    assert (found.models["local"].concurrency, folder.recursive, folder.outputs) == (3, True, ("md",))


def test_yaml_surprises_are_no_surprises(load: Load) -> None:
    found = load(
        """
        folders:
          2024: {path: a, schema: {properties: {no: {const: 2024-01-01}}}, model: r}
          no: {path: b}
        defaults: {model: l}
        models: {l: {api: local}, r: REMOTE}
        """.replace("REMOTE", REMOTE)
    )
    assert list(found.folders) == ["2024", "no"]
    assert found.folders["2024"].schema_ == {"properties": {"no": {"const": "2024-01-01"}}}


def test_yaml_anchors_and_merge_keys(load: Load) -> None:
    found = load(
        """
        models:
          l: &base {api: local, concurrency: 2, timeout: 5s}
          m: {<<: *base, timeout: 9s}
        folders: {f: {path: x, model: m}}
        """
    )
    model = found.models["m"]
    assert (model.concurrency, model.timeout) == (2, 9)


def test_schemas_and_prompts_are_read_from_beside_the_config(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"type": "number"}},
    }
    (tmp_path / "s.json").write_text(json.dumps(schema))
    (tmp_path / "p.txt").write_text("\ufeffLies {filename}, Größe egal.\n", encoding="utf-8")
    text = "{f: {path: x, schema: s.json, prompt_file: p.txt}, g: {path: y, schema: {type: array}}}"
    found = load(f"models: {{m: {REMOTE}}}\nfolders: {text}")
    assert found.folders["f"].schema_ == schema
    assert found.folders["f"].prompt == "Lies {filename}, Größe egal."
    assert found.folders["g"].schema_ == {"type": "array"}


def test_a_key_comes_from_environment_file_or_credential(load: Load, tmp_path: Path) -> None:
    (tmp_path / "k").write_text("sk-file\n")
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds" / "c").write_text("sk-cred")
    found = load(
        """
        models:
          env: {base_url: https://a/v1, api_key_env: K}
          file: {base_url: https://a/v1, api_key_file: k}
          cred: {base_url: https://a/v1, api_key_credential: c}
          none: {base_url: http://localhost:11434/v1}
        folders: {f: {path: x, model: env, fallbacks: [file, cred, none]}}
        """,
        {"K": "sk-env", "CREDENTIALS_DIRECTORY": str(tmp_path / "creds")},
    )
    keys = {name: entry.key and entry.key.get_secret_value() for name, entry in found.models.items()}
    assert keys == {"env": "sk-env", "file": "sk-file", "cred": "sk-cred", "none": None}


def test_outside_of_a_service_a_credential_is_read_where_systemd_gets_it(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c").write_text("sk-store")
    monkeypatch.setattr("glimpsed.config.files.CREDENTIAL_STORES", (tmp_path / "none", tmp_path))
    text = "models: {m: {base_url: https://a/v1, api_key_credential: c}}\nfolders: {f: {path: x}}"
    key = load(text, {}).models["m"].key
    assert key is not None
    assert key.get_secret_value() == "sk-store"


def test_a_missing_key_matters_only_for_models_that_are_used(load: Load) -> None:
    text = f"models: {{m: {REMOTE}, local: {{api: local}}}}\nfolders: {{f: {{path: x, model: local}}}}"
    assert load(text, {}).models["m"].key is None
    with pytest.raises(ConfigError, match="GLIMPSED_API_KEY is not set"):
        load(text, {}, asked=("m",))


def test_a_config_never_shows_its_secrets(load: Load) -> None:
    found = load(
        """
        models: {m: {base_url: https://a/SECRET, api_key_env: K, headers: {X-Key: "${H}"}, extra: {token: "${H}"}}}
        folders: {f: {path: x}}
        state: postgresql+psycopg://u:SECRET@h/db
        """,
        {"K": "sk-SECRET", "H": "SECRET"},
    )
    assert "SECRET" not in repr(found)
    assert "SECRET" not in str(found)
    assert found.models["m"].headers == {"X-Key": "SECRET"}


def test_local_engines(load: Load) -> None:
    found = load("models: {tesseract: {api: local}, ocr: {api: local, model: tesseract}, x: {api: local}}")
    assert {name: entry.model for name, entry in found.models.items()} == {
        "tesseract": "tesseract",
        "ocr": "tesseract",
        "x": "rapidocr",
    }


def test_a_folder_that_is_away_is_no_config_error(load: Load) -> None:
    assert str(load("folders: {f: {path: /mnt/away/scans}}").folders["f"].path) == "/mnt/away/scans"


# -- where it is looked up -------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    here, xdg = tmp_path / "here", tmp_path / "xdg"
    for directory in (here, xdg / "glimpsed"):
        directory.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(xdg))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return {
        "here": here / "glimpsed.yaml",
        "xdg": xdg / "glimpsed" / "config.yaml",
        "env": tmp_path / "env.yaml",
    }


def test_lookup_order(places: dict[str, Path]) -> None:
    for place in places.values():
        place.write_text("folders: {f: {path: x}}")
    env = {"GLIMPSED_CONFIG": str(places["env"])}
    assert config.find(env) == places["env"]
    assert config.find({}) == Path("glimpsed.yaml")
    places["here"].unlink()
    assert config.find({}) == places["xdg"]
    places["xdg"].unlink()
    assert config.find({}) in (None, Path("/etc/glimpsed/config.yaml"))


def test_a_place_that_cannot_be_looked_at_is_passed_over(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(places["xdg"].parent / ("x" * 300)))  # also where root may look
    assert config.find({}) in (None, Path("/etc/glimpsed/config.yaml"))
    with pytest.raises(UsageError, match="is not a directory"):
        config.for_folder("x" * 300)


def test_a_file_that_is_named_must_be_there(places: dict[str, Path]) -> None:
    places["here"].write_text("")
    with pytest.raises(ConfigError, match="No such file"):
        config.load(Path("nowhere.yaml"), env={})
    with pytest.raises(ConfigError, match="No such file"):
        config.load(None, env={"GLIMPSED_CONFIG": "nowhere.yaml"})


@pytest.mark.usefixtures("places")
def test_without_any_config_the_error_says_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match="glimpsed init"):
        config.load(None, env={"GLIMPSED_CONFIG": ""})


def test_relative_paths_are_relative_to_the_file_that_was_found(places: dict[str, Path]) -> None:
    places["here"].write_text("folders: {f: {path: ../x}}\nstate: sqlite:///led.db")
    found = config.load(None, env={})
    assert found.folders["f"].path == places["here"].parent.parent / "x"
    assert config.state_url(found, {}) == f"sqlite:///{places['here'].parent}/led.db"


def test_the_ledger_is_in_the_state_directory(places: dict[str, Path], tmp_path: Path) -> None:
    places["here"].write_text("")
    found = config.load(None, env={})
    assert (
        config.state_url(found, {"STATE_DIRECTORY": "/var/lib/g:/var/lib/h"})
        == "sqlite:////var/lib/g/ledger.sqlite"
    )
    assert config.state_url(found, {}) == f"sqlite:///{tmp_path}/state/glimpsed/ledger.sqlite"


def test_the_commands_find_the_ledger_of_the_service_with_that_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    etc = tmp_path / "etc" / "glimpsed"
    states = tmp_path / "var"
    etc.mkdir(parents=True)
    for name, place in (("config", "glimpsed"), ("second", "glimpsed/second")):
        (etc / f"{name}.yaml").write_text("folders: {}")
        found = config.load(etc / f"{name}.yaml", env={})
        own = f"sqlite:///{tmp_path}/state/glimpsed/ledger.sqlite"
        assert config.state_url(found, {}, states) == own  # no service has been there
        (states / place).mkdir(parents=True)
        (states / place / "ledger.sqlite").touch()
        assert config.state_url(found, {}, states) == f"sqlite:///{states}/{place}/ledger.sqlite"
        assert config.state_url(found, {"STATE_DIRECTORY": "/s"}, states) == "sqlite:////s/ledger.sqlite"
    (tmp_path / "link.yaml").symlink_to(etc / "second.yaml")
    (etc / "other").mkdir()
    for way in (tmp_path / "link.yaml", etc / "other" / ".." / "second.yaml"):
        told = config.state_url(config.load(way, env={}), {}, states)
        assert told == f"sqlite:///{states}/glimpsed/second/ledger.sqlite"
    elsewhere = tmp_path / "second.yaml"
    elsewhere.write_text("folders: {}")
    assert config.state_url(config.load(elsewhere, env={}), {}, states) == own


def test_a_state_url_is_kept_with_its_password(load: Load) -> None:
    url = "postgresql+psycopg://u:p@h/db"
    assert config.state_url(load(f"state: {url}"), {}) == url
    assert config.state_url(load("state: sqlite:////abs/l.db"), {}) == "sqlite:////abs/l.db"


# -- a folder without a config ---------------------------------------------------------------------------


def test_a_folder_without_a_config_gets_the_embedded_model(tmp_path: Path) -> None:
    found = config.for_folder(tmp_path)
    (folder,) = found.folders.values()
    assert (folder.path, folder.model, folder.outputs) == (tmp_path.resolve(), "local", ("txt", "json"))
    assert found.models["local"].local
    assert found.file is None


def test_two_inboxes_are_two_folders_in_the_ledger(tmp_path: Path) -> None:
    names = set()
    for parent in ("a", "b"):
        (tmp_path / parent / "inbox").mkdir(parents=True)
        names |= set(config.for_folder(tmp_path / parent / "inbox").folders)
    assert len(names) == 2


def test_the_same_folder_has_one_name_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "link").symlink_to("inbox")
    monkeypatch.chdir(tmp_path)
    assert {n for p in ("inbox", "./inbox/", "link") for n in config.for_folder(p).folders} == {
        os.path.realpath(tmp_path / "inbox")
    }


def test_a_folder_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a directory"):
        config.for_folder(tmp_path / "nowhere")


def test_a_credential_that_came_after_the_start_says_so(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(
        "models: {m: {base_url: 'https://x', api_key_credential: new}}\nfolders: {f: {path: x}}"
    )
    with pytest.raises(ConfigError, match=r"new is not among the service's credentials.*restart it"):
        config.load(tmp_path / "g.yaml", env={"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_two_folders_without_a_config_know_nothing_of_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = {}
    for at, parent in enumerate(("a", "b")):
        inbox = tmp_path / parent / "inbox"
        (inbox / "sub").mkdir(parents=True)
        url = config.state_url(config.for_folder(inbox))
        ledger = Path(url.removeprefix("sqlite:///"))
        ledger.parent.mkdir(parents=True, exist_ok=True)
        ledger.touch()
        os.utime(ledger, (at, at))
        found[parent] = url
    assert found["a"] != found["b"]
    for where, expected in (
        ("a", ["a"]),  # in the current directory
        ("b/inbox/sub", ["b"]),  # around it
        (".", ["b", "a"]),  # none here: all, the one that was used last first
    ):
        monkeypatch.chdir(tmp_path / where)
        assert config.ledgers() == [found[name] for name in expected]
    assert config.ledgers([str(tmp_path / "a/inbox/x.png")]) == [found["a"]]
    os.utime(Path(found["a"].removeprefix("sqlite:///")), (9, 9))
    assert config.ledgers() == [found["a"], found["b"]]
