"""What replicas tell each other over ADS: private types, of which only the frame is known to the server."""

from typing import Final

import xxhash

from meshregistry.model.service_entry import ServiceEntry
from meshregistry.wire.protobuf import frame, text
from meshregistry.wire.resource import Resource

STATE_URL: Final = "meshregistry.io/v1/State"
"""The saved snapshot of this moment, in pieces."""

DECISION_URL: Final = "meshregistry.io/v1/Decision"
"""What operators have decided."""


def wrap_payload(type_url: str, name: str, payload: bytes) -> Resource:
    """Return a payload as a resource: an `Any` of the private type, its version the hash of the content."""
    any_bytes = text(b"\x0a", type_url) + frame(b"\x12", payload)
    return Resource(name, xxhash.xxh3_64_hexdigest(payload), ServiceEntry("", name, ()), any_bytes)
