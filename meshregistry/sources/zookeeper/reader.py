"""Reads the trees of one registry task by task.

Rule of every reading: an answer of the servers is authoritative for its node, and nothing else is. A list that could
not be read leaves what is known of its interface; a lost connection leaves everything.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice, starmap

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.model.dubbo_key import dubbo_scope
from meshregistry.model.events import Sink
from meshregistry.model.instance import Instance, ServiceKey
from meshregistry.model.rejects import print_subject
from meshregistry.sources.zookeeper.agenda import Agenda
from meshregistry.sources.zookeeper.application_reader import ApplicationReader
from meshregistry.sources.zookeeper.equipment import Equipment
from meshregistry.sources.zookeeper.interface_reader import Context, InterfaceReader
from meshregistry.sources.zookeeper.layout import Layout, Task, Topic
from meshregistry.sources.zookeeper.options import Mode, ZooKeeperServerOptions
from meshregistry.sources.zookeeper.rule_book import RuleBook
from meshregistry.sources.zookeeper.session import AccessRefused, WatchEvent
from meshregistry.sources.zookeeper.settling import Settling
from meshregistry.sources.zookeeper.spring import spring_scope
from meshregistry.sources.zookeeper.tree import TreeReader
from meshregistry.sources.zookeeper.walk import InterfaceLists, Walker

_log = logging.getLogger(__name__)

_SHOWN = 20

Action = Callable[[str, Sink], Awaitable[bool]]
"""Does the task of a name; returns whether something was published."""


class RegistryReader:
    """Owner of what could not be read and of the count of changes that no event told of."""

    def __init__(
        self,
        server: ZooKeeperServerOptions,
        tree: TreeReader,
        agenda: Agenda,
        settling: Settling,
        equipment: Equipment,
    ) -> None:
        options = equipment.options
        consumers = options.consumers if equipment.desk else ""
        self.layout = Layout(server.root, server.application_root, consumers, options.apply_rules)
        self._registry = server.registry_id
        self._tree = tree
        self._agenda = agenda
        self._metrics, self._clock = equipment.metrics, equipment.clock
        self._walker = Walker(tree, self.layout)
        self._rules = RuleBook()
        self._applications = ApplicationReader(server.registry_id, tree, self.layout, equipment, settling)
        context = Context(self._rules.rules, self._applications.offers, settling, agenda.read_later)
        self._interfaces = InterfaceReader(server.registry_id, self._walker, context, equipment)
        self._unread: dict[Task, SourceError] = {}
        self._checked: set[Task] = set()
        self._is_surveying = False
        """While everything is read that interfaces depend on: they are read after that anyway."""

        self._read_once = False
        self._is_watching = options.mode is Mode.WATCHING
        self.missed = 0
        self._actions: dict[Topic, Action] = {
            Topic.INTERFACES: self._list_interfaces,
            Topic.INTERFACE: self._read_interface,
            Topic.RULES: self._read_rules,
            Topic.MAPPINGS: self._read_mappings,
            Topic.MAPPING: self._read_mapping,
            Topic.METADATA: self._read_metadata,
            Topic.PLACES: self._list_places,
            Topic.PLACE: self._read_place,
        }

    def note_event(self, event: WatchEvent) -> None:
        """Note what an event makes worth reading."""
        for task in self.layout.locate(event):
            if task.topic is Topic.PLACE:
                self._applications.outdate(task.name, event)
            elif task.topic is Topic.INTERFACE:
                self._applications.outdate(self._place_of(task.name), event)
                if not self._is_of_providers(event.path):
                    self._interfaces.outdate(task.name)
            if task.topic not in (Topic.MAPPING, Topic.MAPPINGS) or self._applications.has_mappings:
                self._agenda.note_change(task, self._clock.now())

    async def read_everything(self, sink: Sink) -> None:
        """Read the trees anew; others must `perform` the agenda's tasks meanwhile.

        Raises SourceError if something could not be read; the rest has been read and published even then. What the
        servers do not let us read, or what cannot be understood, is noted and no error. Cancelling it is safe.
        """
        self._checked.clear()
        await self._tree.arm(self.layout.trees)
        self._agenda.withdraw_request()
        await self._survey(sink)
        changed = self._interfaces.replace_nodes(await self._tree.children_or_await(self.layout.root) or ())
        self._interfaces.outdate()
        if self._agenda.is_open(Task(Topic.INTERFACES)):
            self._follow(changed)  # an event told of them; who reads the list for it will find nothing new there
        wanted = self._interfaces.known | self._applications.offered
        await self._check(Task(Topic.INTERFACE, interface) for interface in sorted(wanted))
        if not self._read_once:
            # Who registers for other interfaces was not known of the first ones.
            await self._check(Task(Topic.INTERFACE, interface) for interface in sorted(self._interfaces.doubtful))
        self._raise_failure()
        self._read_once = True

    async def read_ahead(self, tasks: Iterable[Task]) -> None:
        """Ask for the lists of interfaces at once, for `perform` to find; raises nothing. Cancelling it is safe.

        `forget_ahead` must follow. What changes meanwhile is told of, and the tasks are under way: they are done again.
        """
        await self._interfaces.read_ahead([task.name for task in tasks])

    def forget_ahead(self, tasks: Iterable[Task]) -> None:
        """Forget what `read_ahead` found and nobody used."""
        self._interfaces.forget_ahead([task.name for task in tasks])

    async def perform(self, task: Task, sink: Sink, *, is_change: bool) -> None:
        """Do one task and publish what it brings; `is_change` says that a change asked for it.

        Raises SourceError if it should be tried again. Cancelling it is safe.
        """
        try:
            has_news = await self._actions[task.topic](task.name, sink)
        except SourceError as error:
            self._note_failure(task, error)
            if not isinstance(error, AccessRefused | SourceDataError):
                raise
            return
        self._unread.pop(task, None)
        if has_news and self._is_watching and not is_change and self._read_once and not self._agenda.is_changed(task):
            self.missed += 1
            self._metrics.missed_events.labels("zookeeper").inc()

    def retry(self) -> None:
        """Have everything read again that could not be read: no event tells of an ACL that lets us in."""
        for task in self._unread:
            self._agenda.add(task)

    def describe(self) -> dict[str, object]:
        """Return the reader's part of the status page."""
        bad = list(self._interfaces.bad())
        return {
            "interfaces": self._interfaces.count,
            "applications": self._applications.count,
            "instances": sum(len(instances) for _, _, instances in self.instances()),
            "rule_nodes": len(self._rules),
            "rules_ignored": self._rules.ignored(),
            "unread": dict(starmap(_show, islice(self._unread.items(), _SHOWN))),
            "unread_total": len(self._unread),
            "bad": {print_subject(name): text for name, text in bad[:_SHOWN]},
            "bad_total": len(bad),
            "waiting": len(self._agenda),
            "missed_events_total": self.missed,
        }

    def instances(self, interface: str = "") -> Iterator[tuple[str, str, tuple[Instance, ...]]]:
        """Yield interface, service and instances of everything published, or of one interface or application."""
        yield from self._interfaces.instances(interface)
        for name, instances in self._applications.spring_services():
            if interface in ("", name):
                yield name, name, instances

    def known(self) -> Iterator[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Yield every service with its instances as last published; others may come and go meanwhile."""
        for interface, service, instances in self._interfaces.instances():
            yield ServiceKey(dubbo_scope(self._registry, interface), service), instances
        for name, instances in self._applications.spring_services():
            yield ServiceKey(spring_scope(self._registry), name), instances

    async def _survey(self, sink: Sink) -> None:
        """Read what interfaces depend on."""
        self._is_surveying = True
        try:
            self._applications.outdate()
            self._applications.forget_metadata()
            tasks = [Task(Topic.PLACE, place) for place in await self._applications.list_places()]
            if self.layout.rules:
                tasks.append(Task(Topic.RULES))
            await self._check(tasks)
            await self._check([Task(Topic.MAPPINGS)] if self.layout.application_root else [])
        finally:
            self._is_surveying = False
        await self._applications.publish(sink)

    async def _check(self, tasks: Iterable[Task]) -> None:
        wanted = list(tasks)
        self._checked.update(wanted)
        self._agenda.check(wanted)
        await self._agenda.checked()

    async def _list_interfaces(self, name: str, sink: Sink) -> bool:
        names = await self._tree.children_or_await(self.layout.root)
        self._follow(self._interfaces.replace_nodes(names or ()))
        return False

    async def _read_interface(self, interface: str, sink: Sink) -> bool:
        lists = await self._interfaces.list(interface)
        await self._look_for_instances(interface, lists)
        has_news = await self._interfaces.publish(interface, lists, sink)
        if not self._agenda.is_changed(Task(Topic.INTERFACE, interface)):
            self._interfaces.remember(interface, lists)
        if lists.hidden is not None:
            raise lists.hidden
        return has_news

    async def _look_for_instances(self, interface: str, lists: InterfaceLists) -> None:
        """Read the instances of an application whose node stands among the interfaces, as with a registry group."""
        place = self._place_of(interface)
        if self.layout.application_root and (lists.others or self._applications.is_known(place)):
            changed = await self._applications.read_place(place)
            self._follow(changed - {interface})
            self._want_mappings()

    async def _read_rules(self, name: str, sink: Sink) -> bool:
        changed = self._rules.replace(await self._walker.read_rules())
        self._follow(self._interfaces.known | self._applications.offered if changed is None else changed)
        return False

    async def _read_mappings(self, name: str, sink: Sink) -> bool:
        self._follow(await self._applications.read_mappings())
        return False

    async def _read_mapping(self, interface: str, sink: Sink) -> bool:
        self._follow(await self._applications.read_mapping(interface))
        return False

    async def _read_metadata(self, application: str, sink: Sink) -> bool:
        self._follow(await self._applications.read_metadata(application))
        return False

    async def _list_places(self, name: str, sink: Sink) -> bool:
        for place in await self._applications.list_changed_places():
            self._agenda.add(Task(Topic.PLACE, place))
        return False if self._is_surveying else await self._applications.publish(sink)

    async def _read_place(self, place: str, sink: Sink) -> bool:
        self._follow(await self._applications.read_place(place))
        if self._is_surveying:
            return False
        self._want_mappings()
        return await self._applications.publish(sink)

    def _want_mappings(self) -> None:
        """Have the mappings read if they have become worth it."""
        if not self._applications.has_mappings:
            self._agenda.add(Task(Topic.MAPPINGS))

    def _follow(self, interfaces: Iterable[str]) -> None:
        """Have interfaces read whose surroundings changed."""
        if not self._is_surveying:
            for interface in interfaces:
                self._agenda.add(Task(Topic.INTERFACE, interface))

    def _note_failure(self, task: Task, error: SourceError) -> None:
        if task not in self._unread:
            name, why = print_subject(task.name), print_subject(str(error))
            _log.warning("zookeeper.unread what=%s name=%s error=%s", task.topic, name, why)
        self._unread[task] = error

    def _raise_failure(self) -> None:
        self._unread = {task: error for task, error in self._unread.items() if task in self._checked}
        failures = [each for each in self._unread.values() if not isinstance(each, AccessRefused | SourceDataError)]
        if failures:
            raise SourceUnavailable(f"{len(failures)} lists could not be read: {print_subject(str(failures[0]))}")

    def _place_of(self, interface: str) -> str:
        return f"{self.layout.root}/{self._interfaces.node(interface)}"

    def _is_of_providers(self, path: str) -> bool:
        return path[len(self.layout.root) + 1 :].partition("/")[2].partition("/")[0] == "providers"


def _show(task: Task, error: SourceError) -> tuple[str, str]:
    """Return a failure for people: registries hold names of any length and with anything in them."""
    return print_subject(f"{task.topic} {task.name}".strip()), print_subject(str(error))
