"""From answers to rows: nested fields as ``a.b``, lists as JSON text, or as rows of their own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

from glimpsed.model import Answer, FileKey, Gist, PageAnswer, shown

Value: TypeAlias = str | int | float | bool | None
Row: TypeAlias = dict[str, Value]

FACTS = ("folder", "file", "model", "time", "cost", "doubt")
IN_MEMORY = 8 << 20  # bytes of rows that are not spooled to a disk
_DEEPEST = 20  # objects in one another; what lies deeper is JSON text


class ExportTable:
    """Rows, with all columns that any of them has. A context manager: the spool goes with it."""

    def __init__(self, fields: Iterable[str] = ()) -> None:
        self._columns = dict.fromkeys((*FACTS, *fields))
        self._spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, mode="w+", encoding="utf-8")  # noqa: SIM115
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    @property
    def columns(self) -> list[str]:
        """Of all rows so far: the facts, the fields of the schema, then others as they came."""
        return list(self._columns)

    def add(self, row: Row) -> None:
        """One more row."""
        self._columns.update(dict.fromkeys(row))
        self._spool.write(json.dumps(row) + "\n")
        self.rows += 1

    def __iter__(self) -> Iterator[list[Value]]:
        """Each row's values in the order of `columns`."""
        self._spool.seek(0)
        names = self.columns
        for line in self._spool:
            row = json.loads(line)
            yield [row.get(name) for name in names]


def fields(schema: Mapping[str, Any] | None, *, explode: str | None = None) -> list[str]:
    """The columns that a schema's properties make, in its order; `text` without one."""
    if schema is None:
        return ["text"]
    return list(_named(schema, "", explode, 0))


def rows(
    answer: Answer | Gist, key: FileKey, *, with_data: bool, explode: str | None = None
) -> Iterator[Row]:
    """The rows of one answer: one; with `pages: each` one a page; with `explode` one for each entry of that list.

    `with_data`: the folder has a schema.
    """
    facts: Row = {
        "folder": key.folder,
        "file": shown(key.path),
        "model": answer.model.entry,
        "time": answer.finished,
        "cost": answer.usage.cost,
        "doubt": None if answer.doubt is None else answer.doubt.agreement,
    }
    for page in answer.pages or (answer,):
        number: Row = {"page": page.page} if isinstance(page, PageAnswer) else {}
        if not with_data:
            yield facts | number | {"text": page.text}
            continue
        for flat in _exploded(page.data, explode):
            yield facts | number | flat


def _exploded(data: Any, explode: str | None) -> Iterator[Row]:
    """The fields of an answer's data; a row for each entry of the list at `explode`, with its place as `KEY.#`."""
    entries = _at(data, explode) if explode else None
    if explode is None or not isinstance(entries, list) or not entries:
        yield _flat(data)
        return
    others = {name: value for name, value in _flat(data).items() if name != explode}
    for number, entry in enumerate(entries, 1):
        below = _flat(entry, explode) if isinstance(entry, Mapping) else {explode: _single(entry)}
        yield others | {f"{explode}.#": number} | below


def _flat(data: Any, path: str = "", depth: int = 0) -> Row:
    if not isinstance(data, Mapping):
        return {path or "data": _single(data)}
    row: Row = {}
    for key, value in data.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, Mapping) and value and depth < _DEEPEST:
            row |= _flat(value, name, depth + 1)
        else:
            row[_free(name) if not path else name] = _single(value)
    return row


def _free(name: str) -> str:
    """A field that is called like a fact does not hide it."""
    return f"{name}_" if name in FACTS else name


def _single(value: Any) -> Value:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | Mapping) else value


def _at(data: Any, path: str) -> Any:
    for key in path.split("."):
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _named(schema: Mapping[str, Any], path: str, explode: str | None, depth: int) -> Iterator[str]:
    properties = schema.get("properties")
    if not isinstance(properties, Mapping) or depth > _DEEPEST:
        if path:
            yield path
        return
    for key, below in properties.items():
        name = f"{path}.{key}" if path else str(key)
        items = below.get("items") if isinstance(below, Mapping) else None
        if name == explode and isinstance(items, Mapping):
            yield f"{name}.#"
            yield from _named(items, name, None, depth + 1)
        elif (
            isinstance(below, Mapping)
            and isinstance(below.get("properties"), Mapping)
            and below["properties"]
        ):
            yield from _named(below, name, explode, depth + 1)
        else:
            yield _free(name) if not path else name
