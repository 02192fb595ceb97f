"""By which settings a source's services become resources, as one short text."""

from datetime import datetime
from typing import Final

import msgspec
import xxhash

from meshregistry.model.policy import ConversionPolicy

_REVISION: Final = 1
"""To be raised by a release whose claims or resources mean something else than those of the release before."""


def fingerprint_conversion(policy: ConversionPolicy, create_time: datetime) -> str:
    """Return 32 hex digits, equal for equal settings in every process; `create_time` is that of all resources."""
    settings = msgspec.json.encode((_REVISION, policy, create_time), order="deterministic")
    return xxhash.xxh3_128_hexdigest(settings)
