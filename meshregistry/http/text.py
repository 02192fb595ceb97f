"""Values as text: indented JSON and YAML, whole or in slices that join to one valid document."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from secrets import token_hex
from typing import Any, Final

import msgspec
import orjson
import yaml

SLICE_BYTES = 65_536
"""How long the parts of a bounded document are: that much is a millisecond of work, plus one member."""

PAUSE: Final = None
"""Among the members of a bounded document: a step of work that has nothing to tell. It is an empty part."""

_MOST_AT_ONCE = 50
"""Elements of one list that are written at once: YAML takes 0.2 ms for an endpoint."""

_MARK: Final = f"mark-{token_hex(16)}"
"""Stands for the elements of a long list while the text around them is made; nobody can guess it."""

_END = b"\n---\n"
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
        yield from _after(opening, _json_parts(items, depth=1))
        opening = b","
    yield b"[]" if opening == b"[" else b"\n]"


def json_lists(groups: Iterable[tuple[str, Iterable[Sequence[object]]]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object of lists; a group without items is left out."""
    opening = b"{"
    for key, slices in groups:
        separator = opening + b"\n  " + orjson.dumps(key) + b": ["
        for items in slices:
            yield from _after(separator, _json_parts(items, depth=2))
            separator, opening = b",", b","
        if separator == b",":
            yield b"\n  ]"
    yield b"{}" if opening == b"{" else b"\n}"


def json_members(slices: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object whose members come in slices; no slice may be empty."""
    opening = b"{"
    for members in slices:
        together = [{key: value} for key, value in members.items()] if _find_long(members) else [members]
        for each in together:
            yield from _after(opening, _cut_json(each, _json_member))
            opening = b","
    yield b"{}" if opening == b"{" else b"\n}"


def json_object(members: Iterable[tuple[str, object] | None]) -> Iterator[bytes]:
    """Yield the parts of one JSON object; its members may be `PAUSE`."""
    return _enclose(b"{", (each and _cut_json(dict([each]), _json_member) for each in members), b"\n}")


def json_array(items: Iterable[object]) -> Iterator[bytes]:
    """Yield the parts of one JSON list; its items may be `PAUSE`."""
    texts = (PAUSE if each is PAUSE else _cut_json([each], _json_items) for each in items)
    return _enclose(b"[", texts, b"\n]")


def json_report(head: Mapping[str, object], name: str, items: Iterable[object]) -> Iterator[bytes]:
    """Yield the parts of one JSON object whose last member is a list."""
    yield json_text({**head, name: []})[: -len("[]\n}")]
    yield from _enclose(b"[", (_cut_json([each], _inner_items) for each in items), b"\n  ]")
    yield b"\n}"


def json_objects(groups: Iterable[tuple[str, Iterable[tuple[str, object]]]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object of objects."""
    return _nest(
        (key, _enclose(b"{", (_cut_json(dict([each]), _inner_member) for each in members), b"\n  }"))
        for key, members in groups
    )


def json_arrays(groups: Iterable[tuple[str, Iterable[object]]]) -> Iterator[bytes]:
    """Yield the parts of one JSON object of lists."""
    return _nest(
        (key, _enclose(b"[", (_cut_json([each], _inner_items) for each in items), b"\n  ]")) for key, items in groups
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


def _enclose(opening: bytes, members: Iterable[Iterable[bytes] | None], closing: bytes) -> Iterator[bytes]:
    """Yield the parts of a document of some members, each not much longer than `SLICE_BYTES`."""
    run, size, separator = list[bytes](), 0, opening
    for parts in members:
        if parts is None:
            yield b""
            continue
        run.append(separator)
        separator = b","
        for part in parts:
            run.append(part)
            size += len(part)
            if size >= SLICE_BYTES:
                yield b"".join(run)
                run, size = [], 0
    yield opening + closing.strip() if separator is opening else b"".join((*run, closing))


def yaml_list(slices: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield the parts of one YAML list."""
    is_empty = True
    for items in slices:
        yield from _yaml_parts(items)
        is_empty = False
    if is_empty:
        yield b"[]\n"


def yaml_lists(groups: Iterable[tuple[str, Iterable[Sequence[object]]]]) -> Iterator[bytes]:
    """Yield the parts of one YAML mapping of lists; a group without items is left out."""
    empty = True
    for key, slices in groups:
        heading = key.encode() + b":\n"
        for items in slices:
            yield from _after(heading, _yaml_parts(items))
            heading, empty = b"", False
    if empty:
        yield b"{}\n"


def json_documents(slices: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield each item as a document of its own, followed by a line `---`."""
    for items in slices:
        yield b"".join(json_text(item) + _END for item in items)


def yaml_documents(slices: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Do the same in YAML."""
    for items in slices:
        if not any(map(_find_long, items)):
            yield b"".join(yaml_text(item) + _END for item in items)
            continue
        for item in items:
            yield from cut_yaml(item)
            yield _END


def cut_yaml(value: object) -> Iterator[bytes]:
    """Yield the YAML of a value in parts: its first long list some elements at a time."""
    place = _find_long(value)
    if not place:
        yield yaml_text(value)
        return
    head, _, tail = yaml_text(_put(value, place, [_MARK])).partition(f"- {_MARK}\n".encode())
    start = head.rfind(b"\n") + 1
    yield head[:start]
    for run in _runs(_get(value, place)):
        yield b"".join(head[start:] + line for line in yaml_text(run).splitlines(keepends=True))
    yield tail


def _after(text: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield parts, the first of them behind a text."""
    yield text + next(parts, b"")
    yield from parts


def _yaml_parts(items: Sequence[object]) -> Iterator[bytes]:
    if not any(map(_find_long, items)):
        yield yaml_text(items)
        return
    for item in items:
        yield from cut_yaml([item])


def _json_parts(items: Sequence[object], *, depth: int) -> Iterator[bytes]:
    """Yield the inside of a list as a whole; that with a long list in an item in parts."""
    write = _json_items if depth == 1 else _inner_items
    if not any(map(_find_long, items)):
        yield write(items)
        return
    separator = b""
    for item in items:
        yield from _after(separator, _cut_json([item], write))
        separator = b","


def _cut_json(value: object, write: Callable[[Any], bytes]) -> Iterator[bytes]:
    """Yield what `write` makes of a value in parts: its first long list some elements at a time."""
    place = _find_long(value)
    if not place:
        yield write(value)
        return
    head, _, tail = write(_put(value, place, [_MARK])).partition(json_text(_MARK))
    indent = head[head.rfind(b"\n") :]
    yield head
    separator = b""
    for run in _runs(_get(value, place)):
        inside = json_text(run)[len("[\n  ") : -len("\n]")]
        yield separator + inside.replace(b"\n", indent[: -len("  ")])
        separator = b"," + indent
    yield tail


_Place = tuple[str | int, ...]
"""Keys and numbers on the way to a value; nothing for no place."""


def _find_long(value: object, depth: int = 5) -> _Place:
    """Return where the first list is that is too long to be written at once."""
    if not depth or not isinstance(value, Mapping | list):
        return ()
    for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
        if isinstance(inner, list | tuple) and len(inner) > _MOST_AT_ONCE:
            return (key,)
        if found := _find_long(inner, depth - 1):
            return (key, *found)
    return ()


def _get(value: Any, place: _Place) -> Sequence[object]:
    for key in place:
        value = value[key]
    found: Sequence[object] = value
    return found


def _put(value: Any, place: _Place, inner: object) -> object:
    """Return a value with another one at a place in it."""
    if not place:
        return inner
    changed = _put(value[place[0]], place[1:], inner)
    if isinstance(value, Mapping):
        return {**value, place[0]: changed}
    return [changed if number == place[0] else each for number, each in enumerate(value)]


def _runs(items: Sequence[object]) -> Iterator[Sequence[object]]:
    for start in range(0, len(items), _MOST_AT_ONCE):
        yield items[start : start + _MOST_AT_ONCE]


def _json_items(items: Sequence[object]) -> bytes:
    """Return the inside of a list, indented as in the whole document."""
    return json_text(items)[1:-2]


def _inner_items(items: Sequence[object]) -> bytes:
    """Return the same of a list that is a member of the document."""
    return json_text([items])[len("[\n  [") : -len("\n  ]\n]")]


def _json_member(member: Mapping[str, object]) -> bytes:
    """Return the inside of an object, indented as in the whole document."""
    return json_text(member)[1:-2]


def _inner_member(member: Mapping[str, object]) -> bytes:
    """Return the same of an object that is a member of the document."""
    return json_text([member])[len("[\n  {") : -len("\n  }\n]")]


def _dump_yaml(value: object) -> bytes:
    text: bytes = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=_YAML_WIDTH, encoding="utf-8"
    )
    return text
