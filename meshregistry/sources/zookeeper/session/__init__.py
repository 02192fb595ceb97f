"""The ZooKeeper session: one connection, reconnected for ever, that reads nodes and reports their changes."""

from meshregistry.sources.zookeeper.session.errors import (
    AccessRefused,
    AuthRefused,
    ConnectionLoss,
    NoNodeError,
    NotSupportedError,
    RequestTimeout,
)
from meshregistry.sources.zookeeper.session.options import SessionOptions, TlsFiles
from meshregistry.sources.zookeeper.session.records import Node, SessionListener, WatchEvent, WatchKind
from meshregistry.sources.zookeeper.session.session import ZooKeeperSession

__all__ = [
    "AccessRefused",
    "AuthRefused",
    "ConnectionLoss",
    "NoNodeError",
    "Node",
    "NotSupportedError",
    "RequestTimeout",
    "SessionListener",
    "SessionOptions",
    "TlsFiles",
    "WatchEvent",
    "WatchKind",
    "ZooKeeperSession",
]
