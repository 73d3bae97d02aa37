"""Failures: what failed, by what was said of it, and what to do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from glimpsed.ledger import FileRow, Ledger, Reason
from glimpsed.web.pages import query, render, site_of

FRESH = 5.0  # seconds that the groups are shown again as they were
EXAMPLES = 5
PER_PAGE = 50
# Names, paths and numbers tell files apart.
_PARTICULAR = re.compile(r"'[^']*'|\"[^\"]*\"|\S*/\S+|\d[\d.,:]*")


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Files of a folder that failed for what is the same but for names and numbers."""

    key: str
    folder: str
    reason: str  # of one of them
    advice: str
    files: int
    last: float
    examples: Sequence[FileRow] = ()


async def view(request: Request) -> Response:
    """The groups, the largest first, so many on a page."""
    site = site_of(request)
    names = list(site.config.folders)

    async def look() -> list[FailureGroup]:
        return await site.ask(_groups, names)

    groups = await site.kept("failures", FRESH, look)
    after = request.query_params.get("after", "")
    begin = next((at for at, group in enumerate(groups, 1) if group.key == after), 0)
    page = groups[begin : begin + PER_PAGE]
    return render(
        request,
        "failures.html",
        groups=await site.ask(_with_examples, page),
        many=len(groups),
        total=sum(group.files for group in groups),
        next="/failures" + query(after=page[-1].key) if begin + PER_PAGE < len(groups) else None,
    )


def _groups(ledger: Ledger, folders: Sequence[str]) -> list[FailureGroup]:
    return grouped(ledger.reasons(folders))


def _with_examples(ledger: Ledger, groups: Sequence[FailureGroup]) -> list[FailureGroup]:
    latest = {
        name: ledger.browse([name], ["failed"], limit=200) for name in {group.folder for group in groups}
    }
    return [
        replace(
            group,
            examples=[r for r in latest[group.folder] if key_of(r.key.folder, r.reason or "") == group.key][
                :EXAMPLES
            ],
        )
        for group in groups
    ]


def grouped(reasons: Iterable[Reason]) -> list[FailureGroup]:
    """Reasons that differ in names and numbers only are one group. Pure."""
    found: dict[str, FailureGroup] = {}
    for reason in reasons:
        key = key_of(reason.folder, reason.reason)
        one = found.get(key) or FailureGroup(key, reason.folder, reason.reason, reason.advice, 0, 0.0)
        found[key] = replace(one, files=one.files + reason.files, last=max(one.last, reason.last))
    return sorted(found.values(), key=lambda group: -group.files)


def key_of(folder: str, reason: str) -> str:
    """The same for reasons that differ in names and numbers only."""
    about = f"{folder}\0{_PARTICULAR.sub('…', reason)}"
    return hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()[:16]
