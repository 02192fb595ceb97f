"""Where things are in the trees, and what a change of a node makes worth reading again. Pure.

Tree: Dubbo's ZookeeperRegistry, CuratorFrameworkUtils, ZookeeperMetadataReport. With a registry group the application
nodes stand beside the interfaces, below the one root.
"""

from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote_plus

from meshregistry.sources.zookeeper.dubbo.url import decode
from meshregistry.sources.zookeeper.session import WatchEvent, WatchKind

CATEGORIES = frozenset(("providers", "consumers", "configurators", "routers"))
_CONFIG, _MAPPING, _METADATA = "config", "mapping", "metadata"
_RESERVED = frozenset((_CONFIG, _MAPPING, _METADATA))


class Topic(StrEnum):
    """What can be read by itself."""

    INTERFACES = "interfaces"
    INTERFACE = "interface"
    RULES = "rules"
    MAPPINGS = "mappings"
    MAPPING = "mapping"
    METADATA = "metadata"
    PLACES = "places"
    PLACE = "place"


class Task(NamedTuple):
    """One thing to read: lists and rules have no name, an interface its own, an application its path."""

    topic: Topic
    name: str = ""


class Layout(NamedTuple):
    """The trees of one registry, and what of them is wanted."""

    root: str
    application_root: str = ""
    consumers: str = ""
    rules: bool = True

    @property
    def rules_path(self) -> str:
        """The parent of rule nodes."""
        return f"{self.root}/config/dubbo"

    @property
    def mapping_paths(self) -> tuple[str, str]:
        """The parents of mappings: Dubbo 3 keeps applications in a node's data, 2.7 as its children."""
        return f"{self.root}/mapping", f"{self.root}/config/mapping"

    @property
    def trees(self) -> tuple[str, ...]:
        """The roots to watch."""
        return tuple(dict.fromkeys(filter(None, (self.root, self.application_root))))

    def metadata_path(self, application: str, revision: str) -> str:
        """Return the node of what an application's instances of this revision export."""
        return f"{self.root}/metadata/{application}/{revision}"

    def locate(self, event: WatchEvent) -> tuple[Task, ...]:
        """Return what has to be read after an event; nothing for what does not matter."""
        path = event.path
        if self.application_root and self.application_root != self.root:
            inside = _below(path, self.application_root)
            if inside is not None:
                top = inside.partition("/")[0]
                return (Task(Topic.PLACE, f"{self.application_root}/{top}") if top else Task(Topic.PLACES),)
        inside = _below(path, self.root)
        if inside is None:
            return ()
        if not inside:
            return () if event.kind is WatchKind.CHANGED else (Task(Topic.INTERFACES),)
        return self._locate_inside(inside.split("/"), event.kind)

    def _locate_inside(self, parts: list[str], kind: WatchKind) -> tuple[Task, ...]:
        match parts:
            case ["metadata", application, _, *_]:
                return (Task(Topic.METADATA, application),) if self.application_root else ()
            case ["mapping", node] | ["config", "mapping", node, *_]:
                return self._mapping(decode(node))
            case ["mapping"] | ["config", "mapping"]:
                return self._mapping("")
            case ["config", "dubbo", *_]:
                return (Task(Topic.RULES),) if self.rules else ()
            case ["config"]:
                return (*((Task(Topic.RULES),) if self.rules else ()), *self._mapping(""))
            case [reserved, *_] if reserved in _RESERVED:
                return ()
            case [node]:
                return () if kind is WatchKind.CHANGED else (interface_task(node),)
            case [node, category, *_] if self._is_wanted(category):
                return (interface_task(node),)
        return ()

    def _mapping(self, interface: str) -> tuple[Task, ...]:
        if not self.application_root:
            return ()
        return (Task(Topic.MAPPING, interface) if interface else Task(Topic.MAPPINGS),)

    def _is_wanted(self, category: str) -> bool:
        if category in CATEGORIES or category == self.consumers:
            wanted = {"providers", self.consumers, *(("configurators",) if self.rules else ())}
            return category in wanted
        return bool(self.application_root)


def interface_task(node: str) -> Task:
    """Return the reading of the interface of a node below the root."""
    return Task(Topic.INTERFACE, decode(node))


def encode_interface(interface: str) -> str:
    """Return the name of an interface's node, as Java's URLEncoder writes it."""
    return quote_plus(interface, safe="*")


def is_interface_node(node: str) -> bool:
    """Whether a child of the root is an interface, or an application, and nothing of Dubbo's own."""
    return node not in _RESERVED


def clean_path(path: str) -> str:
    """Return an absolute path without a slash at its end; "" stays."""
    trimmed = path.strip().strip("/")
    return f"/{trimmed}" if trimmed else ""


def _below(path: str, root: str) -> str | None:
    """Return the rest of a path below a root, "" for the root itself, None outside."""
    if path == root:
        return ""
    return path[len(root) + 1 :] if path.startswith(f"{root}/") else None
