"""The config: YAML with line numbers, typed, every error at once (DESIGN 5)."""

from glimpsed.config.alone import for_folder, ledgers
from glimpsed.config.load import find, load, state_url, usable
from glimpsed.config.schema import Config, Folder, Log, ModelEntry, Price

__all__ = [
    "Config",
    "Folder",
    "Log",
    "ModelEntry",
    "Price",
    "find",
    "for_folder",
    "ledgers",
    "load",
    "state_url",
    "usable",
]
