"""The config: YAML with line numbers, typed, every error at once (DESIGN 5)."""

from glimpsed.config.load import find, for_folder, load, state_url, usable
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
    "load",
    "state_url",
    "usable",
]
