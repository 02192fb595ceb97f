"""Instance nodes as Curator's service discovery writes them; Dubbo 2.7.5+ and Spring Cloud ZooKeeper share the form.

`/services/<application>/<id>`: a JSON object whose data changes in place.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

MAX_NODE_BYTES = 1_048_576
_DUBBO_KEYS = ("dubbo.endpoints", "dubbo.metadata.revision")


class CuratorNode(NamedTuple):
    """One instance node; port 0 is none."""

    name: str
    id: str
    address: str
    """IP address without brackets, or host name."""

    port: int
    ssl_port: int
    is_enabled: bool
    metadata: Mapping[str, str]
    registered_ms: int

    @property
    def is_dubbo(self) -> bool:
        """Whether Dubbo wrote it: Spring Cloud's instances stand beside Dubbo's."""
        return any(key in self.metadata for key in _DUBBO_KEYS)


def read_node(data: bytes) -> CuratorNode | None:
    """Return the instance in a node's data, None for data that is none: applications with `/` nest, so not all are."""
    if len(data) > MAX_NODE_BYTES:
        return None
    try:
        tree = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(tree, dict) or not isinstance(tree.get("address"), str) or not tree["address"]:
        return None
    payload = tree.get("payload")
    metadata = payload.get("metadata") if isinstance(payload, dict) else None
    return CuratorNode(
        _text(tree.get("name")),
        _text(tree.get("id")),
        tree["address"].removeprefix("[").removesuffix("]"),
        _number(tree.get("port")),
        _number(tree.get("sslPort")),
        tree.get("enabled") is not False,
        _texts(metadata) if isinstance(metadata, dict) else {},
        _number(tree.get("registrationTimeUTC")),
    )


def _texts(metadata: Mapping[str, object]) -> dict[str, str]:
    return {key: _text(value) for key, value in metadata.items() if value is not None}


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
