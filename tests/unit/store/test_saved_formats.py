"""Files of every format that was ever written are read for ever, each as a whole.

`data/<name>_format<number>.meshregistry` is what some release has written, the `.json` beside it what is in there:
fields that have their default are left out, so that fields of later releases change nothing. A new format, or a part
that format 1 gets, gets a file of its own; those that are there stay.
"""

import json
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

import msgspec
import pytest

from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.saved import FORMAT, decode_world
from tests.support.saved_worlds import terms_of

DATA = Path(__file__).parent / "data"
FILES = sorted(DATA.glob("*.meshregistry"))


def describe(value: object) -> object:
    """Return a record, and all that it holds, as values of JSON."""
    if isinstance(value, msgspec.Struct):
        return dict(_describe_fields(value))
    if isinstance(value, Mapping):
        return sorted(([describe(key), describe(each)] for key, each in value.items()), key=str)
    if isinstance(value, frozenset):
        return sorted(map(describe, value), key=str)
    if isinstance(value, tuple | list):
        return [describe(each) for each in value]
    if isinstance(value, Enum):
        return value.name
    return value.hex() if isinstance(value, bytes) else value


def _describe_fields(record: msgspec.Struct) -> Iterator[tuple[str, object]]:
    for field in msgspec.structs.fields(record):
        value = getattr(record, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if value != default and not isinstance(value, ConversionPolicy):
            yield field.name, describe(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_every_format_is_read_as_a_whole(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())

    assert expected == describe(decode_world(path.read_bytes(), terms_of("nacos", "eureka")))


def test_there_is_a_file_of_every_format() -> None:
    numbers = {int.from_bytes(path.read_bytes()[8:10], "big") for path in FILES}

    assert set(range(1, FORMAT + 1)) == numbers
