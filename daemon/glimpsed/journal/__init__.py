"""structlog, towards journald, a console or JSON lines."""

from __future__ import annotations

from typing import cast

import structlog


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger that every module uses: ``log.info(FILE_DONE, folder=…, file=…)``."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
