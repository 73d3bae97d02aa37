"""How the commands beside a daemon get at its config and its ledger."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from glimpsed.cli.common import config_file, importing, say
from glimpsed.errors import ConfigError
from glimpsed.model import counted

if TYPE_CHECKING:
    from glimpsed.config import Config, Folder
    from glimpsed.desk import Desk
    from glimpsed.disk.files import Root
    from glimpsed.ledger import Ledger


@contextlib.contextmanager
def opened(*near: str | None, only_look: bool = False, page: bool = False) -> Iterator[Desk]:
    """The config, without its API keys, and its ledger.

    With no config: that of the folder that was watched without one, which these paths or the current directory lead to.

    To `only_look`, a config with mistakes will do: they are told, and what is right of it counts. Where no daemon has
    made a ledger yet, that is told, and an empty one stands in: looking must not leave a file behind that belongs to
    root, and that the daemon could then not write to. For the live `page`, with that one's password.
    """
    with importing():
        from glimpsed import config as configs
        from glimpsed.desk import Desk
        from glimpsed.ledger import open_ledger
    file = config_file()
    broken = False
    try:
        config = configs.load(file, keys=False, page=page) if file else configs.Config()
    except ConfigError as e:
        if file is None or not only_look or not os.path.exists(file):
            raise
        broken = True
        config = configs.usable(file)
        _warn(e)
    with contextlib.ExitStack() as stack:
        alone = [] if file else configs.ledgers([path for path in near if path])
        url = alone[0] if alone else configs.state_url(config)
        if not _exists(url):
            _say_missing(url, file)
            url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/empty.sqlite"
        ledger = stack.enter_context(contextlib.closing(open_ledger(url, search=config.search)))
        if broken or not file:
            config = _with_folders_of(ledger, config, broken=broken)
        if len(alone) > 1:
            about = ", ".join(config.folders) or "none"
            say(f"of {len(alone)} folders that were watched without a config, the last: {about}", error=True)
        yield Desk(config, ledger)


def _warn(error: ConfigError) -> None:
    first, *others = error.problems
    more = f" (and {counted(len(others), 'more mistake')})" if others else ""
    say(f"warning: the config is not usable as it is: {first}{more}", error=True)


def _say_missing(url: str, file: Path | None) -> None:
    """Zeros of a ledger that is not there look like those of one where nothing failed."""
    what = f"{file} has not run yet" if file else "no folder has run without a config here"
    say(f"no ledger at {url.partition(':///')[2]}: {what}", error=True)


def root_of(folder: Folder) -> Root | None:
    """The folder's root; None where it cannot be looked at now, which is told: what the ledger knows is there."""
    from glimpsed.disk.files import find_root
    from glimpsed.errors import ShareTrouble, Vanished

    # Of a config that cannot be read: a directory of that name here is another one.
    if not folder.path.is_absolute():
        say(f"{folder.name} cannot be looked at now: the config does not say where it is", error=True)
        return None
    try:
        return find_root(folder.path)
    except (ShareTrouble, Vanished) as e:
        say(f"{folder.name} cannot be looked at now: {e}", error=True)
        return None


def _with_folders_of(ledger: Ledger, config: Config, *, broken: bool) -> Config:
    """What ``run FOLDER`` without a config worked on: such a folder's name is its path.

    Of a `broken` config, all that the ledger has: where they are may be among what is lost.
    """
    from glimpsed import config as configs

    alone = configs.for_folder("/")  # what any folder is like without a config
    like = alone.folders["/"]
    folders = {
        name: like.model_copy(update={"name": name, "path": Path(name)})
        for name in ledger.folders()
        if broken or name.startswith("/")
    }
    return config.model_copy(
        update={"folders": folders | config.folders, "models": alone.models | config.models}
    )


def _exists(url: str) -> bool:
    """Whether there is a ledger at this URL, as far as a file can tell."""
    scheme, _, path = url.partition(":///")
    if not scheme.startswith("sqlite"):
        return True
    try:
        os.stat(path.partition("?")[0])
    except FileNotFoundError:
        return False
    except OSError:
        return True  # opening it says why it cannot be used
    return True
