"""Every key of the config, its type and its default (DESIGN 5). `load` reads YAML into these.

The descriptions are what `glimpsed schema` gives to editors. What is `exclude`d is no key of the file:
the loader sets it. Anything that may hold a secret stays out of a repr.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator

from glimpsed.config.units import (
    Address,
    BasePath,
    Duration,
    FileMode,
    HostName,
    Keeping,
    Network,
    Number,
    PageRanges,
    PathText,
    Size,
    Url,
    Whole,
)
from glimpsed.language import Language
from glimpsed.model import Api
from glimpsed.redact import LEAST_SECRET

OURS = "\0"  # before the alias of what the loader sets, and no key of a file can be


class Section(BaseModel):
    """A part of the config: frozen, no unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,  # built once, with what holds it, and not for each section alone
        populate_by_name=True,  # in the program; `validate` takes a file's keys by their aliases only
    )


def _headed(value: object) -> object:
    return {} if value is None else value


Part = TypeVar("Part")
Headed = Annotated[Part, BeforeValidator(_headed)]  # a heading whose keys are all commented out is no mistake


def _bands(value: object) -> object:
    text = str(value)
    if text in ("none", "auto"):
        return text
    if not isinstance(value, bool) and text.isascii() and text.isdigit() and 2 <= int(text) <= 20:
        return int(text)
    raise ValueError("must be none, auto or a whole number from 2 to 20")


_BANDS = {"anyOf": [{"enum": ["none", "auto"]}, {"type": "integer", "minimum": 2, "maximum": 20}]}
Bands = Annotated[Literal["none", "auto"] | int, BeforeValidator(_bands), WithJsonSchema(_BANDS)]
Output = Literal["txt", "json", "md", "xmp", "pdf", "hocr"]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["USD", "CNY", "EUR"])]


class Price(Section):
    """Money for a million tokens."""

    input: Number = Field(0.0, ge=0, description="Per million input tokens.")
    output: Number = Field(0.0, ge=0, description="Per million output tokens.")


class Limit(Section):
    """What may be spent, in the currency of the top level's `budget`; days and months are local time."""

    per_day: Number | None = Field(None, gt=0, description="Most money a day; reached: models pause.")
    per_month: Number | None = Field(None, gt=0, description="Most money a month; reached: models pause.")


class Budget(Limit):
    """The budget of everything together."""

    currency: Currency = Field("USD", description="Currency of every budget; priced models must share it.")


PUBLIC_HEADERS = frozenset({
    "accept", "accept-language", "content-type", "http-referer", "openai-beta", "referer", "user-agent", "x-title",
})  # fmt: skip
PUBLIC_QUERY = frozenset({"api-version", "api_version", "version"})
_SECRETIVE = re.compile(r"key|token|secret|passw|auth", re.IGNORECASE)  # names of what may be one
TRANSCRIBE = "Transcribe all text in this image, in reading order. Answer with the text only."
OCR_EDGE = 7500  # px; `max_edge` of a local model that says nothing else


class ModelEntry(Section):
    """How to reach a model."""

    name: str = Field("", exclude=True, validation_alias=OURS + "name")  # the entry's key
    api: Api = Field(
        "responses",
        description="responses and chat: an OpenAI-compatible API; local: OCR inside glimpsed, no network.",
    )
    base_url: Url | None = Field(
        None,
        repr=False,
        description="URL that /responses or /chat/completions follows; it mostly ends in /v1.",
    )
    model: str = Field(
        "",
        description="The name sent; default: this entry's key. With api: local, the engine: rapidocr, which reads Latin letters, Chinese and Japanese; or tesseract, with extra: {languages: [eng, rus]} or auto.",
    )
    api_key_env: str | None = Field(None, description="Environment variable that holds the API key.")
    api_key_file: PathText | None = Field(None, description="File that holds the API key.")
    api_key_credential: str | None = Field(
        None, description="systemd credential that holds the API key (LoadCredential=NAME:PATH)."
    )
    headers: dict[str, str] = Field({}, repr=False, description="Extra request headers.")
    user_agent: str = Field("glimpsed/1.0", description="User-Agent header.")
    extra: dict[str, Any] = Field(
        {}, repr=False, description="Merged into the request body, has the last word."
    )
    query: dict[str, str] = Field(
        {}, repr=False, description="Added to each URL: api-version for classic Azure deployments."
    )
    concurrency: Whole = Field(8, ge=1, le=1024, description="Requests in flight at most.")
    requests_per_minute: Whole | None = Field(
        None, ge=1, description="Requests in any 60 s at most; null: no limit."
    )
    tokens_per_minute: Whole | None = Field(
        None, ge=1, description="Tokens in any 60 s at most; null: no limit."
    )
    timeout: Duration = Field(
        120.0, gt=0, description="How long a request may take; with stream, how long a silence."
    )
    stream: bool = Field(
        default=False, description="Server-sent events, for gateways that cut long silent requests."
    )
    max_edge: Whole = Field(2048, ge=64, le=16384, description="Longest side of an image sent, px.")
    max_bytes: Size = Field(
        700_000,
        ge=10_000,
        description="Size of one encoded image at most, before base64; nginx takes 1 MB as it comes.",
    )
    price: Price | None = Field(None, description="Per million tokens, for estimates and budgets.")
    currency: Currency = Field("USD", description="Currency of the price.")
    allow_http: bool = Field(default=False, description="Allow plain http to anything but loopback.")
    budget: Limit | None = Field(None, description="What this model may spend.")
    key: SecretStr | None = Field(None, exclude=True, validation_alias=OURS + "key")  # resolved by the loader
    # As the key was found.
    quoted: bool = Field(default=False, exclude=True, validation_alias=OURS + "quoted")

    @model_validator(mode="before")
    @classmethod
    def _sized_for_ocr(cls, given: Any) -> Any:
        """OCR reads a page of 1600 px as well as a larger one, in half the time."""
        if isinstance(given, dict) and given.get("api") == "local":
            return {"max_edge": OCR_EDGE, **given}
        return given

    @property
    def local(self) -> bool:
        """Whether it runs in this program, and so costs nothing and sees no network."""
        return self.api == "local"

    @property
    def priced(self) -> bool:
        """Whether it is known that a request costs money."""
        return self.price is not None and not self.local

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown: the key, and what headers, `extra` and `query` may hold of the kind; longest first."""
        found = {self.key.get_secret_value()} if self.key else set()
        found |= {str(value) for name, value in self.extra.items() if _SECRETIVE.search(name)}
        for name, value in self.headers.items():
            if name.lower() not in PUBLIC_HEADERS:
                found |= {value, value.rpartition(" ")[2]}  # ``Bearer …``: the key alone as well
        found |= {value for name, value in self.query.items() if name.lower() not in PUBLIC_QUERY}
        return tuple(sorted(_in_any_form(found), key=len, reverse=True))


def _in_any_form(secrets: set[str]) -> set[str]:
    """Also as an address has them, which a server may send back."""
    forms = {form for s in secrets for form in (s, quote(s, safe=""), quote_plus(s))}
    return {form for form in forms if len(form) >= LEAST_SECRET}


class Webhook(Section):
    """Where the JSON of an answer is posted to; its URL alone stands for all of it."""

    url: str = Field(
        repr=False, description="http or https; the rest of it may be a secret, and is never shown."
    )
    secret_env: str | None = Field(
        None, description="Environment variable that holds the secret to sign with."
    )
    secret_file: PathText | None = Field(None, description="File that holds it.")
    secret_credential: str | None = Field(None, description="systemd credential that holds it.")
    # Resolved by the loader.
    secret: SecretStr | None = Field(None, exclude=True, validation_alias=OURS + "secret")

    @model_validator(mode="before")
    @classmethod
    def _url_alone(cls, given: Any) -> Any:
        return {"url": given} if isinstance(given, str) else given


ToldEvent: TypeAlias = Literal[
    "budget.reached",
    "model.paused",
    "model.resumed",
    "folder.lost",
    "folder.degraded",
    "folder.back",
    "file.failed",
    "sidecar.blocked",
    "backlog.waiting",
    "ledger.unavailable",
]


class Notify(Section):
    """Who hears of what, through Apprise."""

    urls: list[SecretStr] = Field(
        min_length=1, max_length=20, description="Apprise URLs: mailto://, ntfy://, …"
    )
    events: list[ToldEvent] = Field(list(get_args(ToldEvent)), description="Log events that are told.")
    digest: Duration = Field(
        900.0, ge=0, description="At most one message in this time; failed files are counted."
    )


class OnDone(Section):
    """What happens to an image once its sidecars are written: command, webhook, then its new name and place."""

    move_to: str | None = Field(
        None,
        description="Directory that image and sidecars are moved to, relative to the folder; {folder}, {date} and, with a schema, {data.KEY} are filled in.",
    )
    rename_to: str | None = Field(
        None,
        description="Name that the image gets, less its suffix; {stem}, {folder}, {date} and, with a schema, {data.KEY} are filled in.",
    )
    command: tuple[str, ...] | None = Field(
        None, min_length=1, description="[program, argument, ...] to start, without a shell."
    )
    webhook: Webhook | None = Field(
        None, description="URL, or {url} and what to sign with, that the JSON sidecar's content is posted to."
    )


class Folder(Section):
    """One watched folder; ``defaults`` has the same keys, less `path`."""

    name: str = Field("", exclude=True, validation_alias=OURS + "name")  # the folder's key
    language: Language = Field("en", exclude=True, validation_alias=OURS + "language")  # of the config
    path: PathText = Field(
        description="Directory to watch, relative to the config file; none may be in another."
    )
    prompt: str = Field(
        TRANSCRIBE,
        description="What to ask. {filename} {stem} {folder} {relpath} {date} {page} {pages} are filled in; other braces are literal.",
    )
    prompt_file: PathText | None = Field(None, description="File that holds the prompt.")
    system: str | None = Field(None, description="System text; the same names as in prompt are filled in.")
    model: str = Field("", description="Key of an entry in models; may be left out when there is just one.")
    fallbacks: tuple[str, ...] = Field(
        (), description="Models tried in order when the model refuses or has no access."
    )
    fallback_after: Duration | None = Field(
        None, description="Also use the fallbacks when the model has been paused for this long; null: never."
    )
    verify_with: str | None = Field(
        None,
        description="A second model that reads what the first has answered: where they differ, the answer is doubtful.",
    )
    schema_: dict[str, Any] | None = Field(
        None, alias="schema", description="JSON Schema of the answer: a path, or the schema itself."
    )
    outputs: tuple[Output, ...] = Field(
        ("txt", "json"),
        min_length=1,
        description="Which sidecars to write: txt, json, md, xmp, pdf (the pages, searchable), hocr (words with their boxes).",
    )
    sidecar: str = Field("{name}.{ext}", description="{name} scan.jpg, {stem} scan, {ext} txt.")
    recursive: bool = Field(default=True, description="Watch subfolders too.")
    include: tuple[str, ...] = Field(
        ("*",), min_length=1, max_length=1000, description="gitignore-style patterns of files to take."
    )
    exclude: tuple[str, ...] = Field(
        (),
        max_length=1000,
        description="Patterns to leave out, added to the built-in ones (dotfiles, *.part, @eaDir/, ...).",
    )
    settle: Duration = Field(2.0, ge=0, description="Quiet time before a file counts as complete.")
    settle_limit: Duration = Field(600.0, gt=0, description="Quiet, but not whole after this: failed.")
    watch: Literal["auto", "inotify", "poll"] = Field(
        "auto", description="auto: inotify on local disks, else poll."
    )
    poll: Duration = Field(15.0, gt=0, description="How often a polled folder (a network share) is listed.")
    rescan: Duration = Field(
        300.0,
        gt=0,
        description="How often everything is listed: the safety net behind events; rarer beyond 300,000 images.",
    )
    existing: Literal["process", "ignore"] = Field(
        "process", description="Files that were there at first sight."
    )
    pages: Literal["together", "each"] = Field(
        "together", description="One request for all pages, or one a page."
    )
    bands: Bands = Field(
        "none", description="Cut dense pages into overlapping bands: none, auto or how many, 2 to 20."
    )
    max_pages: Whole = Field(
        50, ge=1, description="More pages are an error for that file, never a silent cut."
    )
    send_pages: PageRanges = Field(
        "all", description="Only these pages: 1-3, or 1-2,-1 (-1 is the last one)."
    )
    blank_pages: Literal["send", "skip"] = Field(
        "send", description="Pages of a document with nothing on them: send, or skip."
    )
    pdf_text: Literal["auto", "attach", "instead", "ignore"] = Field(
        "auto",
        description="A PDF page's own text, where it is usable: auto sends it with the picture, instead without.",
    )
    temperature: Number | None = Field(0.1, ge=0, le=2, description="null: not sent.")
    max_output_tokens: Whole | None = Field(None, ge=16, description="null: the model's own limit.")
    detail: Literal["low", "high", "auto", "original"] = Field(
        "high", description="How closely the model looks."
    )
    user: str | None = Field(None, description="End-user identifier sent with each request.")
    reuse: bool = Field(
        default=True, description="Same content, prompt and model: copy the answer, don't pay."
    )
    error_sidecar: bool = Field(default=True, description="Write scan.jpg.error.txt next to a failed file.")
    upright: bool = Field(
        default=False,
        description="A page that lies on its side or its head is turned for remote models too; needs the embedded OCR.",
    )
    lines: bool = Field(
        default=False,
        description="A local model's lines, with page, box (left, top, right, bottom, px of the file's page) and confidence, in the JSON.",
    )
    sidecar_mode: FileMode = Field(
        "auto",
        description="auto: the image's mode, and its owner's rights for its group where the owner cannot be set; or like 0660. Who may not read the image never reads its text.",
    )
    local_only: bool = Field(default=False, description="No remote model, not even as a fallback.")
    image_url_base: Url | None = Field(
        None,
        repr=False,
        description="Send URLs below this, like https://files.example/scans, instead of image data.",
    )
    keep_metadata: bool = Field(
        default=False, description="false: EXIF and XMP (GPS!) never leave the machine."
    )
    priority: Whole = Field(0, ge=-1000, le=1000, description="Folders with a higher one are served first.")
    on_done: Headed[OnDone] = Field(
        OnDone(),
        description="What to do when the sidecars are written, tried again until it succeeds: command, webhook, rename_to, move_to; default: nothing.",
    )
    budget: Limit | None = Field(None, description="What this folder may spend.")

    @property
    def readers(self) -> tuple[str, ...]:
        """Every model that may be asked for this folder, by entry: to answer, to stand in, to read a second time."""
        second = () if self.verify_with is None else (self.verify_with,)
        return tuple(dict.fromkeys((self.model, *self.fallbacks, *second)))


class Log(Section):
    """Where the log goes, and how much of it."""

    target: Literal["auto", "journald", "json", "console"] = Field(
        "auto", description="auto: the journal under systemd, a console on a terminal, else JSON lines."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )


class Web(Section):
    """The live page; its address alone stands for all of it."""

    listen: Address = Field(
        "127.0.0.1:9465", description="HOST:PORT; beyond loopback the page needs a password."
    )
    password_env: str | None = Field(None, description="Environment variable that holds the page's password.")
    password_file: PathText | None = Field(None, description="File that holds it.")
    password_credential: str | None = Field(None, description="systemd credential that holds it.")
    base_path: BasePath = Field("", description="Path that a reverse proxy has the page under: /glimpsed.")
    hosts: tuple[HostName, ...] = Field(
        (), max_length=100, description="Further names that the page is reached by, as behind a proxy."
    )
    trusted_proxies: tuple[Network, ...] = Field(
        (),
        max_length=100,
        description="Addresses or networks of reverse proxies, which say whom they serve.",
    )
    user_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,100}$",
        description="Header in which such a proxy names the user that it let in, like X-Remote-User.",
    )
    # Resolved by the loader.
    password: SecretStr | None = Field(None, exclude=True, validation_alias=OURS + "password")

    @model_validator(mode="before")
    @classmethod
    def _address_alone(cls, given: Any) -> Any:
        return {"listen": given} if isinstance(given, str) else given

    @property
    def has_password(self) -> bool:
        """Whether the config names one."""
        return any((self.password_env, self.password_file, self.password_credential))


class Config(Section):
    """The whole config, with defaults merged into the folders and files read in."""

    models: Headed[dict[str, ModelEntry]] = Field(
        {}, description="How to reach models; omitted: one model, local."
    )
    folders: Headed[dict[str, Folder]] = Field(
        {}, description="Folders to watch, by the name they have in logs and ledger."
    )
    state: str | None = Field(
        None,
        repr=False,
        description="SQLAlchemy URL of the ledger, like sqlite:////var/lib/glimpsed/ledger.sqlite or "
        "postgresql+psycopg://USER@HOST/NAME; default: SQLite in $STATE_DIRECTORY or the user's state directory.",
    )
    budget: Headed[Budget] = Field(
        Budget(),
        description="What may be spent by everything together; reached: priced models pause until the next day or month.",
    )
    backlog_confirm: Whole = Field(
        1000,
        ge=0,
        description="More waiting files than this, of those that cost something, wait for 'glimpsed approve'.",
    )
    burst_confirm: Whole | None = Field(
        None,
        ge=0,
        description="More files than this that arrive within a minute wait for it, too; null: none do.",
    )
    drain: Duration = Field(30.0, ge=0, description="How long a stop waits for requests in flight.")
    search: bool = Field(default=True, description="Full-text index over the answers.")
    keep_answers: Keeping = Field(
        None,
        description="How long the ledger keeps what was answered, to use it again: forever, 90d, or never.",
    )
    log: Headed[Log] = Field(Log(), description="Where the log goes.")
    metrics: Address | None = Field(
        None, description="HOST:PORT, like 127.0.0.1:9464, that serves /metrics, /healthz and /readyz."
    )
    web: Web | None = Field(
        None, description="HOST:PORT, like 127.0.0.1:9465, that serves the live page; or listen and more."
    )
    notify: Notify | None = Field(None, description="Tells people, by mail, chat or push, what the log says.")
    language: Literal["auto", "en", "zh"] = Field(
        "auto", description="Of error sidecars, report and page; auto: what LANG says."
    )
    workers: Whole | None = Field(None, ge=1, le=256, description="Image processes; default: CPU count.")
    file: Path | None = Field(None, exclude=True, validation_alias=OURS + "file")  # where it was read from

    @property
    def used_models(self) -> tuple[str, ...]:
        """The models that some folder may ask."""
        return tuple(dict.fromkeys(name for folder in self.folders.values() for name in folder.readers))

    @property
    def limits(self) -> list[tuple[dict[str, str], Limit]]:
        """Every budget that limits anything, and what it is of: of everything ({}), of folders, of models."""
        found: list[tuple[dict[str, str], Limit | None]] = [({}, self.budget)]
        found += [({"folder": name}, folder.budget) for name, folder in self.folders.items()]
        found += [({"model": name}, entry.budget) for name, entry in self.models.items()]
        return [(of, limit) for of, limit in found if limit and (limit.per_day or limit.per_month)]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown, of all models and of the ledger's URL."""
        found = {secret for model in self.models.values() for secret in model.secrets}
        hooks = [f.on_done.webhook for f in self.folders.values() if f.on_done.webhook is not None]
        found |= {hook.url for hook in hooks}
        found |= {hook.secret.get_secret_value() for hook in hooks if hook.secret is not None}
        if self.state is not None:
            url = urlsplit(self.state)
            values = [value for name, value in parse_qsl(url.query) if _SECRETIVE.search(name)]
            found |= {url.password or "", unquote(url.password or ""), *values}
        if self.web is not None and self.web.password is not None:
            found.add(self.web.password.get_secret_value())
        if self.notify is not None:
            found |= {url.get_secret_value() for url in self.notify.urls}
        return tuple(_in_any_form(found))
