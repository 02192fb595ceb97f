"""The log events that the package writes, found in its source."""

import ast
from collections.abc import Iterator
from pathlib import Path

from meshregistry.store.holds import Verdict

PACKAGE = Path(__file__).resolve().parents[2] / "meshregistry"
_LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error", "log": ""}
_FAMILIES = {"guard.%s": [f"guard.{verdict}" for verdict in Verdict]}
"""Names that are put together."""


def written_events() -> Iterator[tuple[str, str]]:
    """Yield the name of every event and its level, "" where that is decided at run time."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in ("_proto", "sim"):
            for function in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from _events(function)


def _events(function: ast.AST) -> Iterator[tuple[str, str]]:
    texts = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and _is_log_call(node.func):
            level = _LEVELS[node.func.attr]  # type: ignore[attr-defined] # an attribute of `_log`
            text = node.args[0 if level else 1]
            text = texts.get(text.id, text) if isinstance(text, ast.Name) else text
            name = str(ast.literal_eval(text)).partition(" ")[0]
            for each in _FAMILIES.get(name, [name]):
                yield each, level


def _is_log_call(called: ast.expr) -> bool:
    """Tell whether something called is a method of the module's logger that writes."""
    if not isinstance(called, ast.Attribute) or called.attr not in _LEVELS:
        return False
    return isinstance(called.value, ast.Name) and called.value.id == "_log"
