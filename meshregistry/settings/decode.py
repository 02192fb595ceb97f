"""Decodes a YAML tree along the schema, as Go decodes JSON, and notes where each value was written.

Field names match ignoring case, `_` and `-`; keys of maps are data. A missing or null field keeps its default, any
other value overrides it, lists replace. Types of single values are left to the schema; everything the schema cannot
see (shapes, unknown and repeated keys, references to secrets) is found here, all of it in one pass.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path as FilePath
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import SecretStr
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from meshregistry.errors import SettingsError
from meshregistry.settings.document import Entry, entries, is_null, origin_of
from meshregistry.settings.fields import Section
from meshregistry.settings.findings import Finding, Origin, Path, join_path
from meshregistry.settings.references import resolve_reference
from meshregistry.settings.root import Settings

Plain = None | bool | int | float | str | tuple["Plain", ...] | dict[str, "Plain"]
"""Decoded data before the schema has seen it."""


class Absent(Enum):
    """Stands for a value that is not there, so that the default stays."""

    ABSENT = 0


MAX_VALUES = 500_000
"""Most values of one settings text, aliases (`*name`) written out: a short text can stand for millions."""

_LONGEST_NUMBER = 64
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_BOOL = "tag:yaml.org,2002:bool"


@dataclass(slots=True)
class Draft:
    """What one loading has gathered so far; owned by the loader, filled step by step."""

    environ: Mapping[str, str]
    base_dir: FilePath | None
    wrapped: bool
    data: dict[str, Plain] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    faults: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    values: int = 0

    def count_value(self) -> None:
        """Count one more value; raises SettingsError when they are more than settings have."""
        self.values += 1
        if self.values > MAX_VALUES:
            raise SettingsError([f"settings: more than {MAX_VALUES} values, aliases written out"])

    def fault(self, path: Path, message: str) -> None:
        """Note a fault at the place where the path, or what holds it, was written."""
        self.faults.append(Finding(path, self.origin(path), message))

    def conflict(self, path: Path, involved: tuple[Path, ...], message: str) -> None:
        """Note fields that do not fit together, at the first of them that was written."""
        written = next((here for here in involved if here in self.origins), path)
        self.faults.append(Finding(path, self.origin(written), message))

    def origin(self, path: Path) -> Origin | None:
        """Return where a value, or the nearest thing around it, was written."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return None


def loosen(name: str) -> str:
    """Return a field name as it is compared: without case, `_` and `-`."""
    return name.replace("_", "").replace("-", "").lower()


def value_type(annotation: object) -> object:
    """Return an annotation without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return value_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return value_type(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def decode_section(node: Node, section: type[Section], path: Path, draft: Draft) -> dict[str, Plain]:
    """Return the fields that a mapping sets, by canonical name; faults and origins go to the draft."""
    draft.origins.setdefault(path, origin_of(node))
    if is_null(node):
        return {}
    if not isinstance(node, MappingNode):
        draft.fault(path, f"expected settings as key: value, found {_shape(node)}")
        return {}
    names = {loosen(name): name for name in section.model_fields}
    found: dict[str, Plain] = {}
    seen: dict[str, str] = {}
    for entry in entries(node):
        loose = loosen(entry.key)
        if loose in seen:
            message = f"repeats `{seen[loose]}`; names match ignoring case, _ and -"
            draft.faults.append(Finding((*path, entry.key), entry.origin, message))
        elif loose in names:
            value = _decode_field(entry, section, (*path, names[loose]), draft)
            if not isinstance(value, Absent):
                found[names[loose]] = value
        else:
            _note_unused(entry, section, path, draft)
        seen.setdefault(loose, entry.key)
    return found


def _decode_field(entry: Entry, section: type[Section], path: Path, draft: Draft) -> Plain | Absent:
    draft.origins[path] = entry.origin
    name = str(path[-1])
    optional = type(None) in get_args(section.model_fields[name].annotation)
    value = _decode(entry.value, section.model_fields[name].annotation, path, draft)
    if optional and is_null(entry.value):
        return None
    if value is Absent.ABSENT and is_null(entry.value):
        del draft.origins[path]
    return value


def _decode(node: Node, annotation: object, path: Path, draft: Draft) -> Plain | Absent:
    draft.count_value()
    target = value_type(annotation)
    draft.origins.setdefault(path, origin_of(node))
    if isinstance(target, type) and issubclass(target, Section):
        return decode_section(node, target, path, draft)
    if get_origin(target) is tuple:
        return _decode_list(node, get_args(target)[0], path, draft)
    if get_origin(target) is Mapping:
        return _decode_map(node, get_args(target)[1], path, draft)
    return _decode_scalar(node, target, path, draft)


def _decode_list(node: Node, item: object, path: Path, draft: Draft) -> Plain | Absent:
    if is_null(node):
        return ()
    if not isinstance(node, SequenceNode):
        draft.fault(path, f"expected a list, found {_shape(node)}")
        return Absent.ABSENT
    values = [_decode(child, item, (*path, index), draft) for index, child in enumerate(node.value)]
    return tuple(None if isinstance(value, Absent) else value for value in values)


def _decode_map(node: Node, item: object, path: Path, draft: Draft) -> Plain | Absent:
    if is_null(node):
        return {}
    if not isinstance(node, MappingNode):
        draft.fault(path, f"expected a map, found {_shape(node)}")
        return Absent.ABSENT
    found: dict[str, Plain] = {}
    for entry in entries(node):
        here = (*path, entry.key)
        if entry.key in found:
            draft.faults.append(Finding(here, entry.origin, "stands here twice"))
            continue
        draft.origins[here] = entry.origin
        value = _decode(entry.value, item, here, draft)
        found[entry.key] = "" if isinstance(value, Absent) else value
    return found


def _decode_scalar(node: Node, target: object, path: Path, draft: Draft) -> Plain | Absent:
    if is_null(node):
        return Absent.ABSENT
    if not isinstance(node, ScalarNode):
        draft.fault(path, f"expected a single value, found {_shape(node)}")
        return Absent.ABSENT
    if "\0" in node.value:
        draft.fault(path, "holds a NUL character, which no path, address or name can")
        return Absent.ABSENT
    if target is SecretStr:
        return _resolve(node, path, draft)
    if target not in (bool, int, float):
        return str(node.value)
    if node.tag == _BOOL:
        return bool(SafeConstructor().construct_yaml_bool(node))
    return _number(node) if node.tag in _NUMBERS else str(node.value)


def _resolve(node: ScalarNode, path: Path, draft: Draft) -> str | Absent:
    try:
        return resolve_reference(node.value, draft.environ, draft.base_dir)
    except ValueError as error:
        draft.fault(path, str(error))
        return Absent.ABSENT


def _number(node: ScalarNode) -> int | float | str:
    constructor = SafeConstructor()
    if len(node.value) > _LONGEST_NUMBER:  # YAML counts in sixties, too: what it makes may have no decimal form
        return str(node.value)
    try:
        if node.tag == _NUMBERS[0]:
            return int(constructor.construct_yaml_int(node))
        return float(constructor.construct_yaml_float(node))
    except (ValueError, ConstructorError):
        return str(node.value)


def _shape(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "key: value pairs"
    return "a list" if isinstance(node, SequenceNode) else "a single value"


def _note_unused(entry: Entry, section: type[Section], path: Path, draft: Draft) -> None:
    ignored = {loosen(name): why for name, why in section.ignored.items()}
    hint = f"nearest known key `{_nearest(entry.key, section)}`"
    here = (*path, entry.key)
    if loosen(entry.key) in ignored:
        message = f"accepted, but without effect: {ignored[loosen(entry.key)]}"
        draft.warnings.append(Finding(here, entry.origin, message))
    elif draft.wrapped:
        draft.unknown.add(join_path(here))
        draft.warnings.append(Finding(here, entry.origin, f"unknown key, ignored as Slime does; {hint}"))
    else:
        draft.faults.append(Finding(here, entry.origin, f"unknown key; {hint}"))


def _nearest(key: str, section: type[Section]) -> str:
    """Return the likeliest field: the same name elsewhere, one like it here or elsewhere, else the least unlike."""
    loose = loosen(key)
    here = {loosen(name): name for name in section.model_fields}
    elsewhere = {loosen(path.rpartition(".")[2]): path for path in reversed(_all_paths(Settings, ""))}
    for names, cutoff in ((elsewhere, 1.0), (here, 0.7), (elsewhere, 0.85)):
        close = difflib.get_close_matches(loose, names, n=1, cutoff=cutoff)
        if close:
            return names[close[0]]
    return here[max(here, key=lambda name: difflib.SequenceMatcher(None, loose, name).ratio())]


def _all_paths(section: type[Section], prefix: str) -> list[str]:
    paths = []
    for name, info in section.model_fields.items():
        paths.append(prefix + name)
        target = value_type(info.annotation)
        if isinstance(target, type) and issubclass(target, Section):
            paths.extend(_all_paths(target, f"{prefix}{name}."))
    return paths
