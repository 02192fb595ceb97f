"""Values as text: indented JSON and YAML, whole or in slices that join to one valid document."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import orjson
import yaml

SLICE_BYTES = 65_536
"""How long the parts of a bounded document are: that much is a millisecond of work, plus one member."""

PAUSE: Final = None
"""Among the members of a bounded document: a step of work that has nothing to tell. It is an empty part."""

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


def json_object(members: Iterable[tuple[str, object] | None]) -> Iterator[bytes]:
    """Yield the parts of one JSON object; its members may be `PAUSE`."""
    texts = (PAUSE if each is PAUSE else _json_member(*each, depth=1) for each in members)
    return _enclose(b"{", texts, b"\n}")


def json_array(items: Iterable[object]) -> Iterator[bytes]:
    """Yield the parts of one JSON list; its items may be `PAUSE`."""
    texts = (PAUSE if each is PAUSE else _json_items([each], depth=1) for each in items)
    return _enclose(b"[", texts, b"\n]")


def json_report(head: Mapping[str, object], name: str, items: Iterable[object]) -> Iterator[bytes]:
    """Yield the parts of one JSON object whose last member is a list."""
    yield json_text({**head, name: []})[: -len("[]\n}")]
    yield from _enclose(b"[", (_json_items([each], depth=2) for each in items), b"\n  ]")
    yield b"\n}"


def json_objects(groups: Iterable[tuple[str, Iterable[tuple[str, object]]]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object of objects."""
    return _nest(
        (key, _enclose(b"{", (_json_member(*each, depth=2) for each in members), b"\n  }")) for key, members in groups
    )


def json_arrays(groups: Iterable[tuple[str, Iterable[object]]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object of lists."""
    return _nest(
        (key, _enclose(b"[", (_json_items([each], depth=2) for each in items), b"\n  ]")) for key, items in groups
    )


def json_member(name: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the parts of one JSON object whose only member is the document of other parts."""
    yield b"{\n  " + json_text(name) + b": "
    for part in parts:
        yield part.replace(b"\n", b"\n  ")
    yield b"\n}"


def _nest(groups: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    opening = b"{"
    for key, parts in groups:
        yield opening + b"\n  " + json_text(key) + b": "
        yield from parts
        opening = b","
    yield b"{}" if opening == b"{" else b"\n}"


def _enclose(opening: bytes, texts: Iterable[bytes | None], closing: bytes) -> Iterator[bytes]:
    """Yield the parts of a document of some members, each not much longer than `SLICE_BYTES`."""
    run, size, separator = list[bytes](), 0, opening
    for text in texts:
        if text is None:
            yield b""
            continue
        run += (separator, text)
        size += len(text)
        separator = b","
        if size >= SLICE_BYTES:
            yield b"".join(run)
            run, size = [], 0
    yield opening + closing.strip() if separator is opening else b"".join((*run, closing))


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


def _json_member(key: str, value: object, *, depth: int) -> bytes:
    """Return a member of an object at a depth of one or two, indented as in the whole document."""
    if depth == 1:
        return json_text({key: value})[1:-2]
    return json_text([{key: value}])[len("[\n  {") : -len("\n  }\n]")]


def _dump_yaml(value: object) -> bytes:
    text: bytes = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=_YAML_WIDTH, encoding="utf-8"
    )
    return text
