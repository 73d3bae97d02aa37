"""The config: YAML with line numbers, typed, every error at once (DESIGN 5)."""

from glimpsed.config.alone import for_folder, ledgers
from glimpsed.config.load import find, load, state_url, usable
from glimpsed.config.schema import Budget, Config, Folder, Limit, Log, ModelEntry, OnDone, Price
from glimpsed.config.units import host_port

__all__ = [
    "Budget",
    "Config",
    "Folder",
    "Limit",
    "Log",
    "ModelEntry",
    "OnDone",
    "Price",
    "find",
    "for_folder",
    "host_port",
    "ledgers",
    "load",
    "state_url",
    "usable",
]
