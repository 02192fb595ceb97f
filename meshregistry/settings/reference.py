"""Generates `docs/settings.md` from the schema: `python -m meshregistry.settings.reference`."""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from meshregistry.settings.decode import value_type
from meshregistry.settings.environment import OBJECTS, VARIABLES, WITHOUT_EFFECT
from meshregistry.settings.fields import DURATION, Kind, Section, spec_of
from meshregistry.settings.render import printable_value
from meshregistry.settings.root import Settings

_PLAIN_NAMES = {bool: "true/false", int: "whole number", float: "number", str: "text", SecretStr: "secret"}

_INTRODUCTION = """\
# Settings

Generated from the schema by `python -m meshregistry.settings.reference`; change the schema, not this page.

A settings file is YAML or JSON: the keys below, or one of Slime's wrappers (a SlimeBoot resource, a module
configuration), whose `general.LEGACY` holds the same keys. `meshregistry check-config FILE` prints what is in effect,
or every fault with its line.

- Names match ignoring case, `_` and `-`: `nacos_source.refresh_period` and `NacosSource.RefreshPeriod` are one field.
  Keys of maps are data and stay as they are.
- A missing or null field keeps its default; an explicit `false`, `0` or `""` overrides it; lists replace.
- Durations are Go's (`1m30s`, `1.5h`, `100ms`) or plain seconds.
- Secrets may be references: `${NAME}` for an environment variable, `file:PATH` for a file (relative to the settings
  file). They are never printed.
- An unknown key is an error that names the nearest known key; inside a Slime wrapper it is a warning, as Slime
  ignores it.
- The profile is `istio` for a bare file and `slime` inside a wrapper, unless `profile` says otherwise.

Under *default*, "(slime: x)" is the default in the profile `slime`. What becomes of every key of Slime's:
[slime-migration.md](slime-migration.md#every-key-of-slimes).
"""


def render_reference() -> str:
    """Return the settings reference as Markdown: a table of every field per section, then the environment."""
    sections = dict(_sections(Settings, ""))
    parts = [_INTRODUCTION]
    parts += [_table(f"## {path or 'Top level'}", section, path) for path, section in sections.items()]
    parts.append("## Objects used in lists and maps\n")
    parts += [_table(f"### {section.__name__}", section, "") for section in _objects(list(sections.values()))]
    parts.append(_environment())
    return "\n".join(parts)


def _sections(section: type[Section], path: str) -> Iterator[tuple[str, type[Section]]]:
    """Yield the sections with a fixed place; the guard of a source looks like the one at the top."""
    yield path, section
    for name, info in section.model_fields.items():
        if isinstance(info.default, Section) and not (path and name == "guard"):
            yield from _sections(type(info.default), f"{path}.{name}".removeprefix("."))


def _objects(sections: list[type[Section]]) -> list[type[Section]]:
    """Return the sections that occur in lists, in maps or optionally, and those inside them."""
    found: list[type[Section]] = []
    known = sections
    while known:
        used = [_item_type(info.annotation) for section in known for info in section.model_fields.values()]
        known = [item for item in dict.fromkeys(used) if item and item not in found and item not in sections]
        found += known
    return found


def _item_type(annotation: object) -> type[Section] | None:
    target = value_type(annotation)
    if get_origin(target) in (tuple, Mapping):
        arguments = get_args(target)
        return _item_type(arguments[0] if get_origin(target) is tuple else arguments[1])
    return target if isinstance(target, type) and issubclass(target, Section) else None


def _table(title: str, section: type[Section], path: str) -> str:
    rows = [title, "", (section.__doc__ or "").strip(), ""]
    rows += ["| path | Slime | type | default | unit | help |", "|---|---|---|---|---|---|"]
    rows += [_row(f"{path}.{name}".removeprefix("."), info) for name, info in section.model_fields.items()]
    rows += [
        f"| – | `{name}` | – | – | – | Accepted with a warning, without effect: {why}. |"
        for name, why in section.ignored.items()
    ]
    return "\n".join(rows) + "\n"


def _row(path: str, info: FieldInfo) -> str:
    spec = spec_of(info)
    changed = "" if spec.slime_default is None else f" Slime's default: {_code(spec.slime_default)}."
    cells = (
        f"`{path}`",
        f"`{spec.slime}`" if spec.slime else "–",
        _type_name(info.annotation, info.metadata),
        _default(info),
        "seconds" if DURATION in info.metadata else spec.unit or "–",
        spec.help + changed,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type_name(annotation: object, metadata: list[object]) -> str:
    kind = next((item.name for item in metadata if isinstance(item, Kind)), None)
    if kind:
        return kind
    if get_origin(annotation) is Annotated:
        inner, *extra = get_args(annotation)
        return _type_name(inner, extra)
    target = value_type(annotation)
    if get_origin(target) is tuple:
        return f"list of {_type_name(get_args(target)[0], [])}"
    if get_origin(target) is Mapping:
        return f"map of {_type_name(get_args(target)[1], [])}"
    if get_origin(target) is Literal:
        return " or ".join(_code(choice) for choice in get_args(target))
    section = _item_type(target)
    if section:
        return _link(section)
    return _PLAIN_NAMES[target] if isinstance(target, type) else str(target)


def _link(section: type[Section]) -> str:
    places = (path for path, each in _sections(Settings, "") if each is section)
    heading = next(places, section.__name__)
    return f"[{heading}](#{heading.lower().replace('.', '')})"


def _default(info: FieldInfo) -> str:
    if isinstance(info.default, Section):
        return "–"
    text = _code(printable_value(info.default, info))
    slime_profile = spec_of(info).slime_profile
    return text if slime_profile is None else f"{text} (slime: {_code(slime_profile)})"


def _code(value: object) -> str:
    if value is None:
        return "none"
    return f"`{value}`" if isinstance(value, str) and value else f"`{json.dumps(value)}`"


def _environment() -> str:
    rows = [
        "## Environment variables",
        "",
        "Fallbacks for fields that the file does not set; what the file says wins. Empty variables count as not set.",
        "",
        "| variable | field |",
        "|---|---|",
    ]
    rows += [f"| `{variable.name}` | `{'.'.join(variable.path)}` |" for variable in VARIABLES]
    rows += [f"| `{name}` | {what} |" for name, what in OBJECTS.items()]
    rows += [f"| `{name}` | without effect: {why} |" for name, why in WITHOUT_EFFECT.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render_reference())
