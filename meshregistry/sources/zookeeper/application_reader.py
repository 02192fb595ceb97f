"""Reads the applications that register as a whole, and publishes Spring Cloud's."""

import asyncio
from collections.abc import Iterable

from meshregistry.model.events import Sink
from meshregistry.model.instance import Instance
from meshregistry.sources.zookeeper.applications import ApplicationBoard
from meshregistry.sources.zookeeper.dubbo.applications import Offer
from meshregistry.sources.zookeeper.equipment import Equipment
from meshregistry.sources.zookeeper.layout import Layout, Task, Topic
from meshregistry.sources.zookeeper.session import WatchEvent
from meshregistry.sources.zookeeper.settling import Settling
from meshregistry.sources.zookeeper.tree import TreeReader
from meshregistry.sources.zookeeper.walk import Known, Walker


class ApplicationReader:
    """Owner of what is known of one registry's applications.

    The readings return the interfaces whose offers changed. They raise SourceError, and cancelling them is safe.
    """

    def __init__(
        self, registry: str, tree: TreeReader, layout: Layout, equipment: Equipment, settling: Settling
    ) -> None:
        self._tree = tree
        self._layout = layout
        self._settling = settling
        self._walker = Walker(tree, layout)
        self._board = ApplicationBoard(registry)
        self._metrics, self._clock = equipment.metrics, equipment.clock
        self._known: dict[str, Known] = {}
        self._unread: set[str] = set()
        self._publishing = asyncio.Lock()
        self.has_mappings = False
        """Whether mappings have been read: they are needed only for applications that say nothing themselves."""

    @property
    def offered(self) -> frozenset[str]:
        """The interfaces, and applications as services of their own, that somebody offers."""
        return self._board.offered

    @property
    def count(self) -> int:
        """The number of applications with instances."""
        return len(self._board.applications) + len(self._board.spring_services())

    def offers(self, interface: str) -> tuple[Offer, ...]:
        """Return who offers an interface without registering for it."""
        return self._board.offers(interface)

    def spring_services(self) -> Iterable[tuple[str, tuple[Instance, ...]]]:
        """Return the published Spring Cloud applications."""
        return tuple(self._board.spring_services().items())

    def outdate(self, place: str = "", event: WatchEvent | None = None) -> None:
        """Have nodes read again: of everything, of a top node, or those that an event is about."""
        if event is None:
            self._known.clear()
        elif place in self._known:
            inside = f"{event.path}/"
            known = self._known[place].items()
            self._known[place] = {
                path: node for path, node in known if path != event.path and not path.startswith(inside)
            }

    async def list_places(self) -> list[str]:
        """Return the paths of the top nodes that are there or were there, sorted."""
        listed, known = await self._list_places()
        return sorted(listed | known)

    async def list_changed_places(self) -> list[str]:
        """Return the paths of the top nodes that are new or gone, sorted."""
        listed, known = await self._list_places()
        return sorted(listed ^ known)

    def is_known(self, place: str) -> bool:
        """Whether something was found below a top node."""
        return place in self._board.places

    async def read_place(self, place: str) -> frozenset[str]:
        """Read a top node with all below; only what is outdated is asked for."""
        self._unread.add(place)
        found, known = await self._walker.read_place(place, self._known.get(place, {}))
        self._unread.discard(place)
        if found is None:
            self._known.pop(place, None)
        else:
            self._known[place] = known
        return await self._follow(self._board.put_place(place, found))

    async def read_mappings(self) -> frozenset[str]:
        """Read who serves which interface, if some application does not say it itself."""
        if not (self.has_mappings or self._board.needs_mappings):
            return frozenset()
        self.has_mappings = True
        mappings = await self._walker.read_mappings()
        changed: set[str] = set()
        for interface in mappings.keys() | self._board.mapped:
            changed |= self._board.put_mapping(interface, mappings.get(interface, ()))
        return self._board.offer(changed)

    async def read_mapping(self, interface: str) -> frozenset[str]:
        """Read who serves one interface."""
        return self._board.offer(self._board.put_mapping(interface, await self._walker.read_mapping(interface)))

    async def read_metadata(self, application: str) -> frozenset[str]:
        """Look for the metadata of an application that has been missing."""
        if not self._board.forget_missing_metadata(application):
            return frozenset()
        return await self._follow(frozenset({application}))

    def forget_metadata(self) -> None:
        """Have missing metadata looked for again with the next reading, and forget what nobody uses."""
        self._board.forget_unused_metadata()

    async def publish(self, sink: Sink) -> bool:
        """Publish what is new of Spring Cloud's applications; return whether something is."""
        if not self._layout.application_root:
            return False
        for reason, count in self._board.take_bad().items():
            self._metrics.source_bad_records.labels("zookeeper", reason).inc(count)
        async with self._publishing:
            may_shrink = not self._settling.holds
            listing = self._board.compare_spring(frozenset(self._unread), self._clock.now(), may_shrink=may_shrink)
            if self._board.holds_spring:
                self._settling.hold(Task(Topic.PLACES))
            if listing is None:
                return False
            await sink.publish(listing)
            self._board.adopt_spring(listing)
            return True

    async def _list_places(self) -> tuple[set[str], set[str]]:
        root = self._layout.application_root
        names = await self._tree.children_or_await(root) if root and root != self._layout.root else ()
        known = {path for path in self._board.places if path.startswith(f"{root}/")}
        return {f"{root}/{name}" for name in names or ()}, known

    async def _follow(self, applications: frozenset[str]) -> frozenset[str]:
        """Read the metadata that instances of applications name; derive their offers again."""
        for revision in sorted(self._board.unknown_revisions(applications)):
            self._board.put_metadata(revision, await self._walker.read_metadata(revision))
        return self._board.offer(applications)
