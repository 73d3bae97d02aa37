"""Every key of the config, its type and its default (DESIGN 5). `load` reads YAML into these."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from glimpsed.config.units import Duration, Size
from glimpsed.model import Api


class Section(BaseModel):
    """A part of the config: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Price(Section):
    """Money for a million tokens."""

    input: float = Field(0.0, ge=0, description="per million input tokens")
    output: float = Field(0.0, ge=0, description="per million output tokens")


class Limit(Section):
    """What may be spent, of the top level's currency; days and months are local time."""

    per_day: float | None = Field(None, gt=0)
    per_month: float | None = Field(None, gt=0)


class Budget(Limit):
    """The budget of everything together."""

    currency: str = "USD"


class ModelEntry(Section):
    """How to reach a model."""

    name: str = Field("", exclude=True)  # the entry's key, set by the loader; not a key of the file
    api: Api = "responses"
    base_url: str | None = None  # required unless ``api: local``
    model: str = ""  # the name sent; the loader fills in the entry's key
    api_key_env: str | None = None
    api_key_file: Path | None = None
    api_key_credential: str | None = None  # systemd credential: a file in $CREDENTIALS_DIRECTORY
    headers: dict[str, str] = {}
    user_agent: str = "glimpsed/1.0"
    extra: dict[str, Any] = {}
    concurrency: int = Field(8, ge=1, le=1024)
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)
    timeout: Duration = Field(120.0, gt=0)
    stream: bool = False
    max_edge: int = Field(2048, ge=64, le=16384)
    max_bytes: Size = Field(700_000, ge=10_000)
    price: Price | None = None
    currency: str = "USD"
    allow_http: bool = False
    budget: Limit | None = None
    key: SecretStr | None = Field(None, exclude=True)  # resolved by the loader; not a key of the file

    @property
    def local(self) -> bool:
        """Whether it runs in this program, and so costs nothing and sees no network."""
        return self.api == "local"


class OnDone(Section):
    """What happens to an image once its sidecars are written."""

    move_to: str | None = None
    command: tuple[str, ...] | None = None


class Folder(Section):
    """One watched folder; ``defaults`` has the same keys, less `path`."""

    name: str = Field("", exclude=True)  # the folder's key, set by the loader
    path: Path
    prompt: str = "Transcribe all text in this image, in reading order. Answer with the text only."
    prompt_file: Path | None = None  # the loader puts its text into `prompt`
    system: str | None = None
    model: str = ""  # the loader fills in the only model, when there is just one
    fallbacks: tuple[str, ...] = ()
    fallback_after: Duration | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")  # a path is read by the loader
    outputs: tuple[Literal["txt", "json", "md", "xmp"], ...] = Field(("txt", "json"), min_length=1)
    sidecar: str = "{name}.{ext}"
    recursive: bool = True
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    settle: Duration = Field(2.0, ge=0)
    settle_limit: Duration = Field(600.0, gt=0)
    watch: Literal["auto", "inotify", "poll"] = "auto"
    poll: Duration = Field(15.0, gt=0)
    rescan: Duration = Field(300.0, gt=0)
    existing: Literal["process", "ignore"] = "process"
    pages: Literal["together", "each"] = "together"
    bands: Literal["none", "auto"] | Annotated[int, Field(ge=2, le=20)] = "none"
    max_pages: int = Field(50, ge=1)
    temperature: float | None = Field(0.1, ge=0, le=2)
    max_output_tokens: int | None = Field(None, ge=16)
    detail: Literal["low", "high", "auto", "original"] = "high"
    user: str | None = None
    reuse: bool = True
    error_sidecar: bool = True
    local_only: bool = False
    image_url_base: str | None = None
    keep_metadata: bool = False
    priority: int = Field(0, ge=-1000, le=1000)
    on_done: OnDone = OnDone()
    budget: Limit | None = None


class Log(Section):
    """Where the log goes, and how much of it."""

    target: Literal["auto", "journald", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Section):
    """The whole config, with defaults merged into the folders and files read in."""

    models: dict[str, ModelEntry] = {}
    folders: dict[str, Folder] = {}
    state: str | None = None  # SQLAlchemy URL; `load.state_url` has the default
    budget: Budget = Budget()
    backlog_confirm: int = Field(1000, ge=0)
    drain: Duration = Field(30.0, ge=0)
    search: bool = True
    log: Log = Log()
    metrics: str | None = None  # HOST:PORT
    workers: int | None = Field(None, ge=1, le=256)
    file: Path | None = Field(None, exclude=True)  # where it was read from; not a key of the file
