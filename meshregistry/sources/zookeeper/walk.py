"""Reads the parts of a registry's trees: what is found in the nodes, without a judgement of what it means.

All calls raise SourceError, and cancelling them is safe.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from meshregistry.sources.zookeeper.applications import Place, Revision
from meshregistry.sources.zookeeper.curator import CuratorNode, read_node
from meshregistry.sources.zookeeper.dubbo.applications import ExportedService, read_mapping, read_metadata
from meshregistry.sources.zookeeper.dubbo.rule_nodes import read_rule_key
from meshregistry.sources.zookeeper.layout import CATEGORIES, Layout
from meshregistry.sources.zookeeper.session import AccessRefused
from meshregistry.sources.zookeeper.tree import Names, TreeReader, read_each

_DEEPEST = 8
"""Levels of an application's name: names with slashes nest."""

_MAPPINGS_AT_ONCE = 256
_MOST_ATTEMPTS = 5
"""Nodes that appear while an interface is read have it read again."""

Known = Mapping[str, CuratorNode | None]
"""What nodes say by their path, None for one that is no instance."""


Ahead = Mapping[str, Names | None]
"""Names below nodes by the path of these, asked for together with those of other interfaces; None is no node."""

NOTHING_AHEAD: Ahead = {}


class Sides(NamedTuple):
    """What stands beside an interface's providers."""

    overrides: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()


class InterfaceLists(NamedTuple):
    """The children of an interface's nodes."""

    providers: tuple[str, ...]
    sides: Sides
    others: tuple[str, ...]
    """Children of the interface's own node that are no category; only looked for where there are no providers."""

    exists: bool
    hidden: AccessRefused | None = None
    """Why the consumers are not known: Sidecars alone need them, so the rest counts without them."""


class Walker:
    """Reads by a layout."""

    def __init__(self, tree: TreeReader, layout: Layout) -> None:
        self._tree = tree
        self._layout = layout

    async def list_ahead(self, nodes: Sequence[tuple[str, Sides | None]]) -> Ahead:
        """Return what `list_interface` asks for first, of several interfaces at once; raises nothing."""
        root = self._layout.root
        paths = [f"{root}/{node}/{name}" for node, sides in nodes for name in self._categories(sides)]
        return await self._tree.children_ahead(paths)

    async def list_interface(self, node: str, sides: Sides | None, ahead: Ahead = NOTHING_AHEAD) -> InterfaceLists:
        """Return the lists of an interface by the name of its node; `sides` are read unless they are given.

        What is known `ahead` is asked for again only where nodes have appeared since.
        """
        path = f"{self._layout.root}/{node}"
        for _ in range(_MOST_ATTEMPTS):
            lists, hidden = await self._list_categories(path, sides, ahead)
            ahead = NOTHING_AHEAD
            # Nobody tells of the others: without a watch on the whole tree a list is watched only if it is there.
            missing = {name for name, found in lists.items() if found is None}
            if "providers" not in missing and not (missing and self._tree.by_node):
                own: tuple[str, ...] | None = ()
                break
            # Awaited although the list of the root is watched: what goes and comes back may never leave that list.
            own = await self._tree.children_or_await(path)
            if missing.isdisjoint(own or ()):
                break
        known = sides or Sides(lists.get("configurators") or (), lists.get(self._layout.consumers) or ())
        others = tuple(name for name in own or () if name not in CATEGORIES and name != self._layout.consumers)
        return InterfaceLists(lists["providers"] or (), known, others, own is not None, hidden)

    async def _list_categories(
        self, path: str, sides: Sides | None, ahead: Ahead
    ) -> tuple[dict[str, Names | None], AccessRefused | None]:
        lists: dict[str, Names | None] = {}
        for name in self._categories(sides):
            node = f"{path}/{name}"
            try:
                lists[name] = ahead[node] if node in ahead else await self._tree.children(node)
            except AccessRefused as error:
                if name != self._layout.consumers:
                    raise
                return {**lists, name: ()}, error  # they are the last
        return lists, None

    def _categories(self, sides: Sides | None) -> list[str]:
        names = ["providers"]
        if sides is None:
            names += ["configurators"] if self._layout.rules else []
            names += [self._layout.consumers] if self._layout.consumers else []
        return names

    async def read_rules(self) -> dict[str, bytes]:
        """Return the rule nodes, name to data."""
        path = self._layout.rules_path
        names = await self._tree.children_or_await(path) or ()
        wanted = [f"{path}/{name}" for name in names if read_rule_key(name) is not None]
        found = await read_each(self._tree.data, wanted)
        return {node.rpartition("/")[2]: data for node, data in found.items() if data is not None}

    async def read_place(self, path: str, known: Known) -> tuple[Place | None, Known]:
        """Return what is below a top node, None if it is gone; nodes that are known are not read again."""
        found: dict[str, CuratorNode | None] = {}
        names = await self._tree.children_or_await(path)
        if names is None:
            return None, found
        await self._read_level(path, names, known, found)
        nodes: dict[str, list[CuratorNode]] = {}
        root = self._layout.application_root
        is_discovery = root != self._layout.root and path.startswith(f"{root}/")
        above = len(root) + 1 if is_discovery else len(path.rpartition("/")[0]) + 1
        for node, instance in sorted(found.items()):
            if instance is not None:
                nodes.setdefault(node.rpartition("/")[0][above:], []).append(instance)
        return Place({name: tuple(each) for name, each in nodes.items()}, is_discovery), found

    async def read_metadata(self, revision: Revision) -> tuple[ExportedService, ...] | None:
        """Return what the instances of a revision export, None if no metadata can be had."""
        data = await self._tree.data(self._layout.metadata_path(*revision))
        return None if data is None else read_metadata(data)

    async def read_mappings(self) -> dict[str, tuple[str, ...]]:
        """Return the applications that serve each interface."""
        names: set[str] = set()
        for path in self._layout.mapping_paths:
            names.update(await self._tree.children_or_await(path) or ())
        found: dict[str, tuple[str, ...]] = {}
        ordered = sorted(names)
        for start in range(0, len(ordered), _MAPPINGS_AT_ONCE):
            found |= await read_each(self.read_mapping, ordered[start : start + _MAPPINGS_AT_ONCE])
        return found

    async def read_mapping(self, interface: str) -> tuple[str, ...]:
        """Return the applications that say they serve an interface."""
        newer, older = self._layout.mapping_paths
        data = await self._tree.data(f"{newer}/{interface}")
        children = await self._tree.children(f"{older}/{interface}")
        return tuple(sorted({*read_mapping(data or b""), *(children or ())}))

    async def _read_level(
        self, path: str, names: tuple[str, ...], known: Known, found: dict[str, CuratorNode | None], depth: int = 1
    ) -> None:
        paths = [f"{path}/{name}" for name in names]
        data = await read_each(self._tree.data, [each for each in paths if each not in known])
        for each in paths:
            if each in known:
                found[each] = known[each]
            elif data[each] is not None:
                found[each] = read_node(data[each] or b"")
        for each in paths:
            if each in found and found[each] is None and depth < _DEEPEST:
                below = await self._tree.children(each)
                await self._read_level(each, below or (), known, found, depth + 1)
