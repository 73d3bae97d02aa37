"""Brings the message catalogs in step with the program: `make messages`. What is new in them is left to be translated.

Two kinds of messages are found. Some are marked: ``_("…")`` in Python and in templates. And what the program says of
files and models, for the log, the ledger and the error sidecars alike, is English prose at the place where it goes
wrong, mostly an f-string: it is found by where it stands (a `FileError`'s arguments, a `Verdict`'s reason, what
``reason`` is set to), and noted with a number for each value: ``Page {1} has no size.``
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polib

from glimpsed import language

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "daemon" / "glimpsed"
CATALOGS = PACKAGE / "language"
HEADER = {
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=1; plural=0;",
}

# Who is given what people read, and in which arguments.
TAKES: dict[str, tuple[int, ...]] = {
    "FileError": (0, 1), "TooMuch": (0, 1), "ForeignSidecar": (0, 1), "Verdict": (1,), "ShareTrouble": (0,), "NotYet": (0,),
    "SidecarBlocked": (0,), "NotHandedOver": (0,), "Misfit": (0, 1), "_finding": (1,), "_as": (2,), "_broken": (0,),
    "GivenUp": (0, 1), "_unanswered": (4,), "_lose": (0,), "lost": (0,), "degraded": (1,), "still_degraded": (0,), "watching": (2,),
    "_begin": (3,), "_pause": (0, 1), "__init__": (0,), "Broken": (0,), "Unavailable": (0,), "MissingExtra": (0,),
}  # fmt: skip
NAMES = frozenset(
    {
        "reason",
        "advice",
        "happened",
        "why",
        "not_whole",
        "not_yet",
        "problem",
        "reasons",
        "through",
        "failure",
        "unusual",
        "wrong",
        "what",
        "_advice",
    }
)
# Whose results are such texts: what a file lacks, why a model pauses, how a folder is watched.
RETURNS = (
    "formats/",
    "vision/breaker.py:failed",
    "discover/mounts.py:",
    "discover/walk.py:",
    "images/pdf.py:_reason",
    "sidecar/command.py:run",
    "sidecar/command.py:_run",
    "vision/jury.py",
    "vision/lacking.py",
    "service/backlog.py:_in_words",
    "schemas/sound.py:",
)
PASSED = frozenset({"clean", "shown", "str"})  # calls that leave a text as it is
# Places that only the log, the terminal or a test hears of.
ELSEWHERE = (
    "cli/",
    "config/",
    "web/",
    "looks/",
    "language/",
    "metrics/",
    "journal/",
    "evaluate/",
    "export/",
    "estimate/",
    "report/",
)
# What the system and the decoders say, that ends up in our sentences most.
OTHERS = (
    "No such file or directory", "Permission denied", "No space left on device", "Read-only file system", "Disk quota exceeded",
    "Input/output error", "Operation not permitted", "File name too long", "Not a directory", "Is a directory", "Stale file handle",
    "Directory not empty", "Connection refused", "Connection reset by peer", "Device or resource busy", "Too many open files",
    "image file is truncated ({1} bytes not processed)", "image file is truncated", "broken data stream when reading image file",
    "Data format error", "broken PNG file (chunk {1})", "cannot identify image file {1}", "decoder error {1} when reading image file",
    "Failed to load document ({1})", "it is damaged",
    # Durations, as `words.lasting` has them.
    "{1} s", "{1} minute", "{1} minutes", "{1} hour", "{1} hours", "{1} hour {2} minute", "{1} hour {2} minutes",
    "{1} hours {2} minute", "{1} hours {2} minutes", "more than a day",
)  # fmt: skip


@dataclass(slots=True)
class Module:
    """One module: its constants, functions and what it imports from where."""

    name: str  # relative to the package: images/pdf.py
    tree: ast.Module
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


@functools.cache
def modules() -> dict[str, Module]:
    """All of the package, by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        dotted = ".".join(["glimpsed", *relative.with_suffix("").parts]).removesuffix(".__init__")
        module = Module(relative.as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for node in module.tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                module.constants[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
                module.constants[node.target.id] = node.value
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    module.imports[alias.asname or alias.name] = (node.module, alias.name)
        found[dotted] = module
    return found


def said() -> dict[str, str]:
    """Every message of the second kind -> the module it was first found in, if any."""
    found: dict[str, str] = {}
    for module in modules().values():
        if module.name.startswith(ELSEWHERE):
            continue
        for scope in _scopes(module.tree):
            for expression in _spoken(scope, module):
                for text in _texts(expression, scope, module):
                    if _is_one(text):
                        found.setdefault(text, module.name)
    return found | dict.fromkeys(OTHERS, "")


def _is_one(text: str) -> bool:
    """Whether it says enough to be known again in between other words."""
    literal = re.sub(r"\{\d+\}", "", text)
    letters = len(re.findall("[A-Za-z]", literal))
    return " " in text.strip() and letters >= (6 if text.startswith("{") else 3)


def _scopes(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    yield from (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


@functools.cache
def _own(scope: ast.AST) -> tuple[ast.AST, ...]:
    """The nodes of a scope, less those of functions within."""
    found, left = [], list(ast.iter_child_nodes(scope))
    while left:
        node = left.pop()
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(node)
            left += ast.iter_child_nodes(node)
    return tuple(found)


def _spoken(scope: ast.AST, module: Module) -> Iterator[ast.expr]:
    for node in _own(scope):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            yield from (node.args[at] for at in TAKES.get(name, ()) if at < len(node.args))
            if name not in ("info", "debug", "warning", "error"):  # the log speaks English
                yield from (k.value for k in node.keywords if k.arg in NAMES)
        elif isinstance(node, ast.Assign | ast.NamedExpr):
            yield from (value for name, value in _pairs(node) if name in NAMES)
        elif isinstance(node, ast.Return) and node.value is not None:
            called = f"{module.name}:{getattr(scope, 'name', '')}"
            if called.startswith(RETURNS) or getattr(scope, "name", "").strip("_") in NAMES:
                yield node.value
    arguments = getattr(scope, "args", None)
    if arguments is not None and getattr(scope, "name", "") == "__init__":
        names = [a.arg for a in arguments.args][-len(arguments.defaults) or len(arguments.args) :]
        yield from (d for n, d in zip(names, arguments.defaults, strict=False) if n in NAMES)


def _pairs(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """What is given to which name."""
    if isinstance(node, ast.NamedExpr | ast.Assign):
        target, value = node.target if isinstance(node, ast.NamedExpr) else node.targets[0], node.value
    else:
        return
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=False)  # what follows a starred one is no text of its own
    else:
        pairs = iter([(target, value)])
    yield from ((t.id, v) for t, v in pairs if isinstance(t, ast.Name))


def _texts(node: ast.expr, scope: ast.AST, module: Module, depth: int = 0) -> Iterator[str]:  # noqa: C901, PLR0912 - a line for each kind of expression
    """The texts that an expression may be, values numbered; and those that may stand within."""
    inner = functools.partial(_texts, scope=scope, module=module, depth=depth + 1)
    if depth > 6:
        return
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            parts, at = [], 0
            for value in values:
                if isinstance(value, ast.Constant):
                    parts.append(str(value.value))
                else:
                    at += 1
                    parts.append(f"{{{at}}}")
                    yield from inner(value.value)
            yield "".join(parts)
        case ast.Subscript(value=ast.JoinedStr() as sliced):
            yield from inner(sliced)
        case ast.NamedExpr(value=value):
            yield from inner(value)
        case ast.IfExp(body=body, orelse=orelse):
            yield from inner(body)
            yield from inner(orelse)
        case ast.BoolOp(values=values):
            for value in values:
                yield from inner(value)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from inner(left)
            yield from inner(right)
        case ast.Name(id=name):
            assigned = [value for n in _own(scope) for key, value in _pairs(n) if key == name]
            if assigned and not isinstance(scope, ast.Module):
                for value in assigned:
                    yield from inner(value)
            else:
                yield from _constant(name, module, depth)
        case ast.Subscript(value=ast.Name(id=name)):
            yield from _constant(name, module, depth)
        case ast.Dict(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
            for value in values:
                yield from inner(value)
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in PASSED:
            yield from inner(first)
        case ast.Call(func=ast.Name(id=name)):
            for other in _scopes(module.tree):
                if getattr(other, "name", None) == name:
                    for child in _own(other):
                        if isinstance(child, ast.Return) and child.value is not None:
                            yield from _texts(child.value, other, module, depth + 1)


def _constant(name: str, module: Module, depth: int) -> Iterator[str]:
    if name in module.constants:
        yield from _texts(module.constants[name], module.tree, module, depth + 1)
    elif name in module.imports:
        source, original = module.imports[name]
        other = modules().get(source)
        if other is not None and original in other.constants:
            yield from _texts(other.constants[original], other.tree, other, depth + 1)


def marked() -> dict[str, dict[tuple[str, str | None], None]]:
    """Every message of the first kind, with its plural: catalog -> messages. The page's are a catalog of their own."""
    found: dict[str, dict[tuple[str, str | None], None]] = {}
    for module in modules().values():
        catalog = "web.po" if module.name.startswith(("web/", "looks/")) else "program.po"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and (messages := _messages(node)):
                found.setdefault(catalog, {})[messages] = None
    templates = sorted(PACKAGE.rglob("*.html"))
    if templates:
        import jinja2  # noqa: PLC0415

        environment: Any = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
        environment.policies["ext.i18n.trimmed"] = True
        for template in templates:
            for _, _, message in environment.extract_translations(template.read_text(encoding="utf-8")):
                single, *plural = [message] if isinstance(message, str) else message
                found.setdefault("web.po", {})[single, next(iter(plural), None)] = None
    return found


def _messages(call: ast.Call) -> tuple[str, str | None] | None:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name not in ("_", "gettext", "N_", "ngettext") or not texts:
        return None
    return texts[0], texts[1] if name == "ngettext" else None


def catalogs() -> dict[str, list[tuple[str, str | None]]]:
    """What each catalog has to hold, in order."""
    return {language.SAID: [(text, None) for text in said()], **{n: list(m) for n, m in marked().items()}}


def in_step(old: polib.POFile, messages: list[tuple[str, str | None]]) -> polib.POFile:
    """The catalog with these messages, translated as they were."""
    new = polib.POFile(wrapwidth=110)
    new.metadata = old.metadata or HEADER
    known = {(entry.msgid, entry.msgid_plural or None): entry for entry in old if not entry.obsolete}
    for single, plural in messages:
        empty = {"msgstr_plural": {0: ""}} if plural else {}
        new.append(
            known.get((single, plural)) or polib.POEntry(msgid=single, msgid_plural=plural or "", **empty)
        )
    return new


def main() -> int:
    """Write the catalogs; 1 where something is left to be translated."""
    left = 0
    for name in language.LANGUAGES:
        directory = CATALOGS / name
        for catalog, messages in catalogs().items() if directory.is_dir() else ():
            path = directory / catalog
            new = in_step(polib.pofile(str(path)) if path.exists() else polib.POFile(), messages)
            path.write_text(f"{new}".rstrip() + "\n", encoding="utf-8")
            left += (missing := len(new.untranslated_entries()))
            print(f"{path.relative_to(ROOT)}: {len(new)} messages, {missing} to be translated")  # noqa: T201
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
