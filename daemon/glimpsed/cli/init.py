"""``glimpsed init``: a commented config to start with."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from glimpsed.cli.common import OutputFile, common_options, unwritable
from glimpsed.errors import UsageError
from glimpsed.model import shown

SYSTEM = Path("/etc/glimpsed/config.yaml")

STARTER = """\
# glimpsed's config. `glimpsed check` tells what is wrong here, `glimpsed schema` has every key for an editor.

models:
  local: {api: local}             # the OCR inside glimpsed: no key, no network, no cost
  # A vision model behind an OpenAI-compatible API:
  #gpt-4o:
  #  base_url: https://openai-ss.cn/v1
  #  api_key_env: GLIMPSED_API_KEY
  #  price: {input: 2.50, output: 10.00}   # per million tokens, for estimates and budgets

defaults:
  model: local                    # gpt-4o, once it is set up

folders:
  inbox:
    path: ./inbox                 # relative to this file
    prompt: |                     # what to ask a vision model; the OCR just reads
      Transcribe all text in this image, in reading order. Answer with the text only.
    outputs: [txt, json]          # scan.jpg.txt and scan.jpg.json beside scan.jpg

#budget: {per_day: 5, currency: USD}   # models pause when it is spent
"""

SYSTEM_STARTER = """\
# /etc/glimpsed/config.yaml. `glimpsed check` tells what is wrong here, `glimpsed schema` has every key for an
# editor, `systemctl reload glimpsed` takes a change over.

state: sqlite:////var/lib/glimpsed/ledger.sqlite

models:
  local: {api: local}             # the OCR inside glimpsed: no key, no network, no cost
  # For an API: the key goes into /etc/credstore/glimpsed.api-key (root, mode 0600).
  #gpt-4o: {base_url: "https://openai-ss.cn/v1", api_key_credential: glimpsed.api-key}

defaults:
  model: local

folders:
  scans:
    path: /srv/scans              # also in a drop-in of the unit, which may write nowhere else
"""

NEXT = """\
Next:
  glimpsed check{option}     does everything fit?
  glimpsed run{option}       watch {inbox}: copy an image into it, its text appears beside it"""

SYSTEM_NEXT = """\
Next steps, as root:
  1. Name your folders in {file}.
  2. Let the service write there, and only there:
       systemctl edit glimpsed
         [Unit]
         RequiresMountsFor=/srv/scans
         [Service]
         ReadWritePaths=/srv/scans
         SupplementaryGroups=scanner      # a group that may read and write in the folders
  3. For a model behind an API, put its key where only root and systemd can read it, and name it in the
     config as api_key_credential: glimpsed.api-key
       install -m 0600 /dev/stdin /etc/credstore/glimpsed.api-key
  4. glimpsed check -c {file}
  5. systemctl enable --now glimpsed
  6. journalctl -u glimpsed -f"""


@click.command("init")
@click.option(
    "-o",
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Where to write it; default: ./glimpsed.yaml.",
)
@click.option("--system", is_flag=True, help=f"Set up the service: {SYSTEM}, and what to do next.")
@common_options
def command(output: Path | None, *, system: bool) -> None:
    """Write a commented starter config, and create the inbox that it names. Nothing is ever overwritten.

    \b
    Examples:
      glimpsed init                   ./glimpsed.yaml and ./inbox
      glimpsed init -o scans.yaml
      sudo glimpsed init --system     /etc/glimpsed/config.yaml, and the steps to a running service
    """
    if system:
        _system(output or SYSTEM)
        return
    file = output or Path("glimpsed.yaml")
    _write(file, STARTER)
    inbox = file.parent / "inbox"
    try:
        inbox.mkdir(exist_ok=True)
    except OSError as e:
        raise unwritable(inbox, e, "created") from e
    click.echo(f"Wrote {shown(str(file))}.")
    found = file == Path("glimpsed.yaml") and not os.environ.get("GLIMPSED_CONFIG")  # without being told
    option = "" if found else f" -c {shlex.quote(shown(str(file)))}"
    click.echo(NEXT.format(option=option, inbox=shown(str(inbox))))


def _system(file: Path) -> None:
    """The service's config is part of its installation: one that is there is the usual case."""
    if file.exists():
        click.echo(f"{shown(str(file))} is there already, and stays as it is.")
    else:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise unwritable(file.parent, e, "created") from e
        _write(file, SYSTEM_STARTER)
        click.echo(f"Wrote {shown(str(file))}.")
    click.echo(SYSTEM_NEXT.format(file=shown(str(file))))


def _write(file: Path, text: str) -> None:
    """A new file; O_EXCL also refuses a link that dangles."""
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError as e:
        raise UsageError(
            f"{shown(str(file))} exists, and is not overwritten; -o FILE writes another one"
        ) from e
    except OSError as e:
        raise unwritable(file, e) from e
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        stream.write(text)
