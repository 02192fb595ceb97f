"""Prints settings: what is in effect, with Go durations and without secrets."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from meshregistry.settings.durations import format_duration
from meshregistry.settings.fields import DURATION, Section, mask_credentials, spec_of
from meshregistry.settings.root import Settings

MASK = "***"

Printable = None | bool | int | float | str | list["Printable"] | dict[str, "Printable"]
"""What JSON and YAML can hold."""


_LINE_BREAKS = re.compile("[\x85\u2028\u2029]")


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote text with Unicode line breaks so that they are escaped; PyYAML would print them as they are."""
    style = '"' if _LINE_BREAKS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


class _Dumper(yaml.SafeDumper):
    yaml_representers: ClassVar[Any] = {**yaml.SafeDumper.yaml_representers, str: _represent_text}


def render_settings(settings: Settings) -> str:
    """Return the settings as YAML that `load_settings` reads back to the same settings, secrets aside."""
    plain = printable_settings(settings)
    return str(yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110))


def printable_settings(settings: Section) -> dict[str, Printable]:
    """Return the settings as plain data by canonical name: secrets as `***`, durations as Go writes them."""
    return {name: printable_value(getattr(settings, name), info) for name, info in type(settings).model_fields.items()}


def slime_settings(settings: Section) -> dict[str, Printable]:
    """Return the same under Slime's names, ours where Slime has none; `load_settings` reads it back, too."""
    named = {}
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        named[spec_of(info).slime or name] = (
            _with_slime_names(value) if DURATION not in info.metadata else printable_value(value, info)
        )
    return named


def _with_slime_names(value: object) -> Printable:
    if isinstance(value, Section):
        return slime_settings(value)
    if isinstance(value, tuple):
        return [_with_slime_names(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _with_slime_names(item) for key, item in value.items()}
    return _printable(value)


def printable_value(value: object, info: FieldInfo) -> Printable:
    """Return the value of one field as plain data, as `printable_settings` does."""
    if DURATION in info.metadata:
        return format_duration(value) if isinstance(value, float) else "none"
    return _printable(value)


def _printable(value: object) -> Printable:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, Section):
        return printable_settings(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return [_printable(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _printable(item) for key, item in value.items()}
    if isinstance(value, str):
        return mask_credentials(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TypeError(f"a settings field of type {type(value).__name__} cannot be printed")
