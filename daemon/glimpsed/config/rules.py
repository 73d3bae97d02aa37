"""Rules that look at more than one key, or at more than its type (DESIGN 5).

Each is a function that yields what it finds as (key, message, hint); `check` lists them. A finding about
a key that is wrong already is a consequence, and is left out. No message repeats a value but names.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

from glimpsed.config.document import PROBLEMS, ConfigFile
from glimpsed.config.folder_rules import Finding, about, folder_findings, overlapping
from glimpsed.config.schema import Config, ModelEntry
from glimpsed.config.units import host_port, loopback, loopback_host
from glimpsed.config.validate import meant
from glimpsed.redact import password_runs_on, reads_like_a_name

ENGINES = ("rapidocr", "tesseract")  # what `model` may say with ``api: local``
_ENDPOINT = re.compile(r"/(chat/completions|completions|responses|messages)/*$")
KEY_SOURCES = ("api_key_env", "api_key_file", "api_key_credential")
PASSWORD_SOURCES = ("password_env", "password_file", "password_credential")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110's token
# What says where a request ends and how it is packed (RFC 9110, 9112): a second one breaks it.
_OF_CONNECTION = frozenset(
    (
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_STATES = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")


def check(config: Config, document: ConfigFile) -> None:
    """Note everything that contradicts something else."""
    # All of them before the first is noted, which would make the others its consequences.
    findings = (found for found in _findings(config, document) if not document.is_wrong(found[0]))
    for key, message, hint in list(itertools.islice(findings, PROBLEMS)):
        document.problem(key, message, hint)


def _findings(config: Config, document: ConfigFile) -> Iterator[Finding]:
    for name, entry in config.models.items():
        yield from about(("models", name), _model(entry))
    for name, folder in config.folders.items():
        yield from about(("folders", name), folder_findings(folder, config, document))
    yield from overlapping(config)
    yield from _money(config)
    yield from _state(config)
    yield from _page(config)


def _model(entry: ModelEntry) -> Iterator[Finding]:
    name = entry.name
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= 100 or name.startswith("-"):
        yield (), "is no name for a model: up to 100 printable characters, no '-' first", None
    sources = [source for source in KEY_SOURCES if getattr(entry, source) is not None]
    if entry.local:
        yield from _embedded(entry, sources)
        return
    for extra in sources[1:]:
        yield (extra,), f"is a second source of the key, beside {sources[0]}", None
    yield from _address(entry)
    yield from _sent(entry)


def _sent(entry: ModelEntry) -> Iterator[Finding]:
    """What goes with each request."""
    for header, value in entry.headers.items():
        if not _HEADER.fullmatch(header):
            yield ("headers", header), "is no name for a header", None
        elif header.lower() in _OF_CONNECTION:
            yield ("headers", header), "is what the connection says of itself, and none to be set", None
        elif not reads_like_a_name(header):
            yield ("headers", header), "looks like a key, where the name of a header belongs", _NAME_FIRST
        if not (value.isascii() and value.isprintable()):
            yield ("headers", header), "holds characters that a header cannot have", None
    for key, value in entry.extra.items():
        if not _sendable(value):
            yield ("extra", key), "holds .inf or .nan, which no JSON can hold", None
    if not (entry.user_agent.isascii() and entry.user_agent.isprintable()):
        yield ("user_agent",), "holds characters that a header cannot have", None


def _sendable(value: object) -> bool:
    """Whether a request's body, which is JSON, can hold it: YAML knows numbers that JSON does not."""
    if isinstance(value, dict):
        return all(map(_sendable, value.values()))
    if isinstance(value, list):
        return all(map(_sendable, value))
    return not isinstance(value, float) or math.isfinite(value)


def _address(entry: ModelEntry) -> Iterator[Finding]:
    if entry.base_url is None:
        yield ("base_url",), f"is required with api: {entry.api}", None
    elif (endpoint := _ENDPOINT.search(entry.base_url)) is not None:
        message = f"ends with the endpoint {endpoint[0]}, which is added to it for each request"
        yield ("base_url",), message, f"say {entry.base_url[: endpoint.start()]}"
    elif entry.base_url.startswith("http://") and not entry.allow_http and not loopback(entry.base_url):
        yield (
            ("base_url",),
            "is plain http to another machine: keys and images could be read on the way",
            _HTTP,
        )


_NAME_FIRST = "say 'NAME: key', or put the key into api_key_env, api_key_file or api_key_credential"
_HTTP = "use https, or 'allow_http: true' if that is meant"


def _embedded(entry: ModelEntry, sources: list[str]) -> Iterator[Finding]:
    if entry.model not in ENGINES:
        yield ("model",), f"must be one of {', '.join(ENGINES)} with api: local", meant(entry.model, ENGINES)
    hint = "for a server on this machine say 'api: chat' or 'api: responses'"
    for key in (["base_url"] if entry.base_url is not None else []) + sources:
        yield (key,), "has no meaning with api: local, which is the OCR inside glimpsed", hint


def _money(config: Config) -> Iterator[Finding]:
    """One currency wherever amounts are added up and compared."""
    used = config.used_models
    if not config.limits:
        return
    for name, entry in config.models.items():
        if name in used and entry.price is not None and entry.currency != config.budget.currency:
            message = f"must be {config.budget.currency}, the currency of the budget"
            yield ("models", name, "currency"), message, "or set 'budget: {currency: …}'"


def _page(config: Config) -> Iterator[Finding]:
    if (page := config.web) is None:
        return
    sources = [name for name in PASSWORD_SOURCES if getattr(page, name) is not None]
    for extra in sources[1:]:
        yield ("web", extra), f"is a second source of the password, beside {sources[0]}", None
    if page.user_header and not page.trusted_proxies:
        message = "needs trusted_proxies: anybody else could name themselves as they like"
        yield ("web", "user_header"), message, None
    by_proxy = bool(page.user_header and page.trusted_proxies)
    if not (sources or by_proxy or loopback_host(host_port(page.listen)[0])):
        message = "is reached from other machines, and has no password"
        hint = "say password_env, password_file or password_credential, or listen on 127.0.0.1"
        yield ("web", "listen"), message, hint


def _state(config: Config) -> Iterator[Finding]:
    if config.state is None:
        return
    from sqlalchemy import exc, make_url  # noqa: PLC0415 - slow to import, and mostly not needed

    hint = "like postgresql+psycopg://USER@HOST/NAME or sqlite:////var/lib/glimpsed/ledger.sqlite"
    if password_runs_on(config.state):
        escape = "in its name and password write @ as %40 and % as %25, or leave the password to ~/.pgpass"
        yield ("state",), "has more than one @", escape
        return
    try:
        url = make_url(config.state)
    except (exc.ArgumentError, ValueError):
        yield ("state",), "is not a SQLAlchemy URL", hint
        return
    if url.drivername not in _STATES:
        yield ("state",), "must be SQLite or PostgreSQL with psycopg", hint
    elif "\0" in (url.database or ""):
        yield ("state",), "holds a character that no text has", None
    elif url.drivername.startswith("sqlite") and (url.database or ":memory:") == ":memory:":
        yield ("state",), "must name a file: a ledger in memory pays for every answer again", hint
