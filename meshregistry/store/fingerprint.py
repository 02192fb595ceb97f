"""By which settings a source's services become resources, as one short text."""

from datetime import datetime
from typing import Final

import msgspec
import xxhash

from meshregistry.model.policy import ConversionPolicy

_REVISION: Final = 2
"""To be raised by a release whose claims or resources mean something else than those of the release before, also where
only the default of a record's field means something else."""


def fingerprint_conversion(policy: ConversionPolicy, create_time: datetime) -> str:
    """Return 32 hex digits, equal for equal settings in every process; `create_time` is that of all resources.

    Only what differs from the records' defaults counts: a release that adds a setting which nobody uses yet can still
    read what was saved before it, and what its older siblings have.
    """
    settings = msgspec.json.encode((_REVISION, _list_differences(policy), create_time), order="sorted")
    return xxhash.xxh3_128_hexdigest(settings)


def _list_differences(value: object) -> object:
    """Return a value with field → value of what differs from the default in place of every record."""
    if isinstance(value, tuple):
        return [_list_differences(each) for each in value]
    if not isinstance(value, msgspec.Struct):
        return value
    fields = ((field, getattr(value, field.name)) for field in msgspec.structs.fields(value))
    return {field.name: _list_differences(own) for field, own in fields if own != field.default}
