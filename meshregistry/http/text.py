"""Values as text: indented JSON and YAML, whole or in slices that join to one valid document."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import orjson
import yaml

_YAML_WIDTH = 1 << 20
"""Characters per line: never fold a scalar."""


class _Dumper(yaml.CSafeDumper):
    """Plain YAML: a value that occurs twice is written twice instead of as an alias."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def json_text(value: object) -> bytes:
    """Return a value as JSON, indented by two spaces.

    Lone surrogates, which orjson refuses, become `?`, as they do on the wire: one bad name must not hide the rest.
    """
    try:
        return orjson.dumps(value, msgspec.to_builtins, orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        readable = json.dumps(value, indent=2, ensure_ascii=False, default=msgspec.to_builtins)
        return readable.encode("utf-8", "replace")


def yaml_text(value: object) -> bytes:
    """Return a value as YAML with sorted keys, ended by a newline; lone surrogates become `?`."""
    try:
        return _dump_yaml(value)
    except UnicodeEncodeError:
        return _dump_yaml(orjson.loads(json_text(value)))


def json_list(slices: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield the parts of one JSON list, a slice at a time."""
    opening = b"["
    for items in slices:
        yield opening + _json_items(items, depth=1)
        opening = b","
    yield b"[]" if opening == b"[" else b"\n]"


def json_lists(groups: Iterable[tuple[str, Iterable[Sequence[object]]]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object of lists; a group without items is left out."""
    opening = b"{"
    for key, slices in groups:
        separator = opening + b"\n  " + orjson.dumps(key) + b": ["
        for items in slices:
            yield separator + _json_items(items, depth=2)
            separator, opening = b",", b","
        if separator == b",":
            yield b"\n  ]"
    yield b"{}" if opening == b"{" else b"\n}"


def json_members(slices: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object whose members come in slices; no slice may be empty."""
    opening = b"{"
    for members in slices:
        yield opening + json_text(members)[1:-2]
        opening = b","
    yield b"{}" if opening == b"{" else b"\n}"


def yaml_list(slices: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield the parts of one YAML list."""
    part = b"[]\n"
    for items in slices:
        yield (part := yaml_text(items))
    if part == b"[]\n":
        yield part


def yaml_lists(groups: Iterable[tuple[str, Iterable[Sequence[object]]]]) -> Iterator[bytes]:
    """Yield the parts of one YAML mapping of lists; a group without items is left out."""
    empty = True
    for key, slices in groups:
        heading = key.encode() + b":\n"
        for items in slices:
            yield heading + yaml_text(items)
            heading, empty = b"", False
    if empty:
        yield b"{}\n"


def documents(slices: Iterable[Sequence[object]], text: Callable[[object], bytes]) -> Iterator[bytes]:
    """Yield each item as a document of its own, followed by a line `---`."""
    for items in slices:
        yield b"".join(text(item) + b"\n---\n" for item in items)


def _json_items(items: Sequence[object], *, depth: int) -> bytes:
    """Return the inside of a list at a depth of one or two, indented as in the whole document."""
    if depth == 1:
        return json_text(items)[1:-2]
    return json_text([items])[len("[\n  [") : -len("\n  ]\n]")]


def _dump_yaml(value: object) -> bytes:
    text: bytes = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=_YAML_WIDTH, encoding="utf-8"
    )
    return text
