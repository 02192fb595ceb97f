"""Reads Dubbo interfaces one by one and publishes what is new in each."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from meshregistry.model.dubbo import DubboConverter
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.events import ScopeListing, Sink
from meshregistry.model.instance import Instance
from meshregistry.sources.slicing import run_steps
from meshregistry.sources.zookeeper.dubbo.applications import Offer
from meshregistry.sources.zookeeper.dubbo.calls import list_calls
from meshregistry.sources.zookeeper.dubbo.consumers import read_consumers
from meshregistry.sources.zookeeper.dubbo.interface import fingerprint
from meshregistry.sources.zookeeper.dubbo.rules import RuleSet
from meshregistry.sources.zookeeper.dubbo.url import decode
from meshregistry.sources.zookeeper.equipment import Equipment
from meshregistry.sources.zookeeper.interfaces import InterfaceBoard, InterfaceNodes, InterfaceReading
from meshregistry.sources.zookeeper.layout import Task, Topic, encode_interface, is_interface_node
from meshregistry.sources.zookeeper.options import ZooKeeperOptions
from meshregistry.sources.zookeeper.settling import Settling
from meshregistry.sources.zookeeper.walk import NOTHING_AHEAD, Ahead, InterfaceLists, Sides, Walker

_CACHE_SIZE = 4096


class Context(NamedTuple):
    """What besides its own nodes decides what an interface is."""

    rules: Callable[[str], tuple[RuleSet, ...]]
    offers: Callable[[str], tuple[Offer, ...]]
    settling: Settling
    read_later: Callable[[Task, float], None]
    """Has a task read at a time, monotonic seconds."""


class InterfaceReader:
    """Owner of the list of interfaces, of what is known beside their providers, and of what was published of them."""

    def __init__(self, registry: str, walker: Walker, context: Context, equipment: Equipment) -> None:
        self._registry = registry
        self._walker = walker
        self._context = context
        self._options, self._metrics, self._clock, self._desk = equipment
        self._board = InterfaceBoard(registry, self._options.ignored_params)
        self._nodes: dict[str, str] = {}
        self._sides: dict[str, Sides] = {}
        self._ahead: dict[str, Ahead] = {}
        self._called_by: dict[str, int] = {}
        self._converter = _build_converter(self._options)

    @property
    def known(self) -> frozenset[str]:
        """The interfaces that are listed or were published."""
        return frozenset((*self._nodes, *self._board))

    @property
    def doubtful(self) -> frozenset[str]:
        """The interfaces that another reading may show otherwise although nothing has changed."""
        return frozenset(filter(self._board.is_doubtful, self._board))

    @property
    def count(self) -> int:
        """The number of interfaces that were read and exist."""
        return len(self._board)

    def bad(self) -> Iterator[tuple[str, str]]:
        """Yield the interfaces of which names were dropped that are no provider's, and which."""
        return self._board.bad()

    def replace_nodes(self, names: Iterable[str]) -> frozenset[str]:
        """Take the children of the root; return the interfaces that are new or gone."""
        before = self._nodes.keys()
        after = {decode(name): name for name in names if is_interface_node(name)}
        self._nodes, changed = after, before ^ after.keys()
        return frozenset(changed)

    def node(self, interface: str) -> str:
        """Return the name of an interface's node."""
        return self._nodes.get(interface) or encode_interface(interface)

    def outdate(self, interface: str = "") -> None:
        """Have what stands beside the providers read again, of one interface or of all."""
        if interface:
            self._sides.pop(interface, None)
        else:
            self._sides.clear()

    async def read_ahead(self, interfaces: Collection[str]) -> None:
        """Have the lists of several interfaces at hand when they are asked for next; raises nothing.

        They must not be older than what is told of them: nobody else may read these interfaces until `forget_ahead`.
        """
        wanted = [(self.node(each), self._sides.get(each)) for each in interfaces]
        found = await self._walker.list_ahead(wanted)
        self._ahead.update(dict.fromkeys(interfaces, found))

    def forget_ahead(self, interfaces: Iterable[str]) -> None:
        """Forget what is at hand and was not asked for."""
        for each in interfaces:
            self._ahead.pop(each, None)

    async def list(self, interface: str) -> InterfaceLists:
        """Return the lists of an interface. Raises SourceError. Cancelling it is safe."""
        sides = self._sides.get(interface)
        ahead = self._ahead.pop(interface, NOTHING_AHEAD)
        lists = await self._walker.list_interface(self.node(interface), sides, ahead)
        if lists.exists:
            self._nodes.setdefault(interface, self.node(interface))
        else:
            self._nodes.pop(interface, None)
        return lists

    def remember(self, interface: str, lists: InterfaceLists) -> None:
        """Keep what stands beside the providers until it is outdated."""
        if lists.exists and lists.hidden is None:
            self._sides[interface] = lists.sides

    async def publish(self, interface: str, lists: InterfaceLists, sink: Sink) -> bool:
        """Publish what lists differ in from what was published; return whether they do.

        Raises SourceDataError for providers none of which can be understood. Cancelling it is safe.
        """
        observed_at = self._clock.now()
        offers = self._context.offers(interface)
        if not lists.exists and not offers:
            return await self._publish_end(interface, sink, observed_at)
        nodes = InterfaceNodes(lists.providers, lists.sides.overrides, self._context.rules(interface), offers)
        may_shrink = not self._context.settling.holds
        reading = await run_steps(self._board.compare(interface, nodes, observed_at, may_shrink=may_shrink))
        if reading is None:
            self._metrics.source_unchanged.labels("zookeeper").inc()
        else:
            for reason, count in reading.bad.items():
                self._metrics.source_bad_records.labels("zookeeper", reason).inc(count)
            if reading.listing is not None:
                await sink.publish(reading.listing)
            self._have_read_again(Task(Topic.INTERFACE, interface), reading)
            self._board.adopt(interface, reading.published)
        if lists.hidden is None:
            await self._note_calls(interface, lists.sides.consumers, is_new=reading is not None)
        return reading is not None and reading.listing is not None

    def instances(self, interface: str = "") -> Iterator[tuple[str, str, tuple[Instance, ...]]]:
        """Yield interface, service and instances of everything published, or of one interface."""
        for each in [interface] if interface else list(self._board):
            for service, instances in tuple(self._board.services(each).items()):
                yield each, service, instances

    def _have_read_again(self, task: Task, reading: InterfaceReading) -> None:
        """Have an interface read again of which something is kept."""
        if reading.again_at is not None:
            self._context.read_later(task, reading.again_at)
        elif reading.is_held:
            self._context.settling.hold(task)

    async def _publish_end(self, interface: str, sink: Sink, observed_at: float) -> bool:
        if interface not in self._board:
            return False
        if self._context.settling.holds and self._board.services(interface):
            self._context.settling.hold(Task(Topic.INTERFACE, interface))
            return False
        scope = dubbo_scope(self._registry, interface)
        await sink.publish(ScopeListing(scope, frozenset(), {}, observed_at=observed_at))
        self._board.forget(interface, observed_at)
        await self._note_calls(interface, (), is_new=True)
        self._called_by.pop(interface, None)
        return True

    async def _note_calls(self, interface: str, names: tuple[str, ...], *, is_new: bool) -> None:
        """Tell who calls the interface's services, if these are new or their consumers are."""
        if self._desk is None or self._converter is None:
            return
        digest = fingerprint(names)
        if not is_new and self._called_by.get(interface) == digest:
            return
        self._called_by[interface] = digest
        # In the slime profile what is ignored is no part of a service's name.
        ignored = frozenset() if self._converter.is_exact else self._options.ignored_params
        consumers = await run_steps(read_consumers(names, ignored))
        services = self._board.services(interface)
        calls = list_calls(dubbo_scope(self._registry, interface), services, consumers, self._converter)
        self._desk.replace(self._registry, interface, calls)


def _build_converter(options: ZooKeeperOptions) -> DubboConverter | None:
    """Return what names services for Sidecars, None where there are none."""
    if options.sidecars is None:
        return None
    policy = options.sidecars.conversion
    return DubboConverter(policy, policy.dubbo or DubboPolicy(), _CACHE_SIZE)
