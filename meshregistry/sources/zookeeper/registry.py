"""One registry: its session, and what makes its reader read."""

import asyncio
import functools
import logging
from collections import deque

from meshregistry.errors import SourceError, SourceUnavailable
from meshregistry.model.dubbo_key import DUBBO_NAMESPACE
from meshregistry.model.events import ScopeConfirmed, Sink
from meshregistry.model.instance import Scope
from meshregistry.sources.cancellation import run_apart
from meshregistry.sources.polling import PollLoop, pause_after_failure
from meshregistry.sources.readiness import Readiness
from meshregistry.sources.slicing import Slicer
from meshregistry.sources.status import ScopeStatus
from meshregistry.sources.zookeeper.agenda import Agenda, Cause
from meshregistry.sources.zookeeper.debounce import Debounce
from meshregistry.sources.zookeeper.equipment import Equipment
from meshregistry.sources.zookeeper.layout import Task, Topic
from meshregistry.sources.zookeeper.options import Mode, ZooKeeperServerOptions
from meshregistry.sources.zookeeper.reader import RegistryReader
from meshregistry.sources.zookeeper.schedule import next_time
from meshregistry.sources.zookeeper.session import WatchEvent
from meshregistry.sources.zookeeper.settling import Settling
from meshregistry.sources.zookeeper.spring import spring_scope
from meshregistry.sources.zookeeper.tree import OpenSession, TreeReader

_log = logging.getLogger(__name__)

_SOURCE = "zookeeper"
_READ_AHEAD = 16
"""So many interfaces are asked for at once where everything is read, by each worker."""


class ZooKeeperRegistry:
    """Reads one registry for ever, and listens to its session. Owner of its health and of the time of its readings."""

    def __init__(self, server: ZooKeeperServerOptions, equipment: Equipment, open_session: OpenSession) -> None:
        options = self._options = equipment.options
        self._server = server
        self._equipment = equipment
        self._clock = equipment.clock
        self._is_watching = options.mode is Mode.WATCHING
        self._session = open_session(server.session, self, equipment.clock, equipment.metrics)
        self._tree = TreeReader(self._session, watching=self._is_watching, recursive=options.recursive)
        self._agenda = Agenda(options.backlog, Debounce(options.debounce) if options.debounce else None)
        self._settling = Settling(options.settle_s, equipment.clock.now)
        self.reader = RegistryReader(server, self._tree, self._agenda, self._settling, equipment)
        scopes = [Scope(_SOURCE, server.registry_id, DUBBO_NAMESPACE, "")]
        scopes += [spring_scope(server.registry_id)] if server.application_root else []
        self._statuses = [ScopeStatus(scope, equipment.metrics, equipment.clock) for scope in scopes]
        self._loop = PollLoop(_SOURCE, options.polling, equipment.metrics, equipment.clock)
        self._slicer = Slicer()
        self._is_connected = False
        self._is_ending = False
        self._is_away = asyncio.Event()
        """Set once, at the first failure."""

        self._reconnected = asyncio.Event()
        self._readings: dict[Cause, int] = {}
        self._last_reading_s: float | None = None

    @property
    def scopes(self) -> frozenset[Scope]:
        """What has to be read before the source is complete."""
        return frozenset(status.scope for status in self._statuses)

    @property
    def healthy(self) -> bool:
        """Whether everything was read and the connection has held since."""
        return all(status.healthy for status in self._statuses)

    @property
    def is_failing(self) -> bool:
        """Whether the latest reading failed, or the latest attempt to connect: readings wait for a connection."""
        return self._session.is_failing or any(status.is_failing for status in self._statuses)

    def connected(self, *, new_session: bool) -> None:
        """Have everything read: what happened without a connection is not told of."""
        self._is_connected = True
        self._settling.come_back(new_session=new_session)
        self._reconnected.set()
        self._agenda.request_everything(Cause.CONNECTED)

    def unreachable(self, reason: str) -> None:
        """Note that there is no connection to be had."""
        self._settling.leave()
        self._is_away.set()

    def disconnected(self, reason: str) -> None:
        """Note that nothing is known from now on; everything stays."""
        self._is_connected = False
        self._settling.leave()
        if not self._is_ending:
            self._fail(SourceUnavailable(reason))

    def read_again(self) -> None:
        """Have everything read as soon as possible."""
        self._agenda.request_everything(Cause.OPERATOR)
        self._reconnected.set()
        self._loop.wake()

    def watch_fired(self, event: WatchEvent) -> None:
        """Note what an event makes worth reading."""
        self.reader.note_event(event)

    async def run(self, sink: Sink, readiness: Readiness) -> None:
        """Read until cancelled. Cancelling it is safe: the session ends, nothing that was published is lost."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._session.run())
            group.create_task(self._note_end())
            group.create_task(self._tell_absence(sink))
            group.create_task(self._end_settling())
            group.create_task(self._release_delayed())
            for _ in range(self._options.concurrency):
                group.create_task(self._work(sink))
            if self._is_watching:
                group.create_task(self._watch(sink, readiness))
                group.create_task(self._resync())
                group.create_task(self._confirm_forever(sink))
            else:
                group.create_task(self._loop.run(lambda: self._read(Cause.INTERVAL, sink, readiness)))

    def describe(self) -> dict[str, object]:
        """Return the registry's part of the status page: no secrets."""
        ages = [status.last_success_age_s for status in self._statuses]
        known = [age for age in ages if age is not None]
        return {
            "registry_id": self._server.registry_id,
            "addresses": list(self._server.session.hosts),
            "root": self._server.root,
            "application_root": self._server.application_root,
            "mode": self._options.mode.value,
            "watches": ("nodes" if self._tree.by_node else "trees") if self._is_watching else "none",
            "healthy": self.healthy,
            "last_success_age_s": round(max(known), 3) if len(known) == len(ages) else None,
            "last_error": next((each.last_error for each in self._statuses if each.last_error), None),
            "settling": self._settling.holds,
            "readings_total": {cause.value: count for cause, count in sorted(self._readings.items())},
            "last_reading_s": self._last_reading_s,
            **self.reader.describe(),
            "session": self._session.describe(),
        }

    async def _watch(self, sink: Sink, readiness: Readiness) -> None:
        """Read everything whenever there is a reason, at first to connect."""
        await self._loop.wait_to_start()
        failures = 0
        cause = Cause.CONNECTED
        while True:
            try:
                await run_apart(functools.partial(self._read, cause, sink, readiness))
                failures = 0
            except SourceError:
                failures += 1
                await self._pause(pause_after_failure(self._options.polling, failures, self._clock.dice()))
                self._agenda.request_everything(Cause.FAILURE)
            cause = await self._agenda.everything_requested()

    async def _read(self, cause: Cause, sink: Sink, readiness: Readiness) -> None:
        """Read everything once; raises SourceError if something could not be read."""
        started = self._clock.now()
        self._readings[cause] = self._readings.get(cause, 0) + 1
        try:
            await self.reader.read_everything(sink)
        except SourceError as error:
            self._fail(error)
            self._is_away.set()
            raise
        self._last_reading_s = round(self._clock.now() - started, 3)
        for status in self._statuses:
            status.succeed()
        if not self._is_connected:
            self._fail(SourceUnavailable("the connection was lost meanwhile"))
        desk = self._equipment.desk
        if desk is not None:
            await desk.note_read(self._server.registry_id, sink)
        await self._confirm(sink)
        for scope in self.scopes:
            await readiness.note_read(scope, sink)

    async def _tell_absence(self, sink: Sink) -> None:
        """Tell of the first failure, if nothing has been read before."""
        await self._is_away.wait()
        if next(self.reader.known(), None) is None:
            for status in self._statuses:
                await status.first_word.miss(sink)

    async def _confirm(self, sink: Sink) -> None:
        for scope in sorted(self.scopes):
            await sink.publish(ScopeConfirmed(scope, self._clock.now()))

    async def _confirm_forever(self, sink: Sink) -> None:
        """Tell that what was published still holds, as long as the watches stand and nothing waits to be read."""
        while True:
            await self._clock.sleep(self._options.polling.refresh_period_s)
            self.reader.retry()
            if self.healthy and not len(self._agenda):
                await self._confirm(sink)

    async def _work(self, sink: Sink) -> None:
        while True:
            task, is_change = await self._agenda.take()
            is_alone = is_change or task.topic is not Topic.INTERFACE
            tasks = [task, *(() if is_alone else await self._agenda.take_checks(task.topic, _READ_AHEAD - 1))]
            left = deque(tasks)
            try:
                if len(tasks) > 1:
                    await self.reader.read_ahead(tasks)
                while left:
                    await self._do(left.popleft(), sink, is_change=is_change)
                    await self._slicer.breathe()  # one for all workers: together they take a slice, not each
                    while left and (changed := self._agenda.take_change()) is not None:
                        await self._do(changed, sink, is_change=True)
            finally:
                self.reader.forget_ahead(tasks)
                for task in left:
                    self._agenda.done(task, self._clock.now())

    async def _do(self, task: Task, sink: Sink, *, is_change: bool) -> None:
        try:
            await self.reader.perform(task, sink, is_change=is_change)
        except SourceError:
            if is_change:
                self._agenda.request_everything(Cause.FAILURE)
        finally:
            self._agenda.done(task, self._clock.now())

    async def _note_end(self) -> None:
        """Tell our own end of the session, which takes a moment, from a loss of the connection."""
        self._is_ending = False
        try:
            await asyncio.Event().wait()
        finally:
            self._is_ending = True

    async def _resync(self) -> None:
        """Have everything read from time to time: a server can lose an event, and an ACL can hide one."""
        resync, clock = self._options.resync, self._clock
        started = clock.unix()
        while resync.period_s > 0 or resync.cron:
            now = clock.unix()
            due = [(next_time(line, now, started) + resync.jitter_s * clock.dice(), Cause.CRON) for line in resync.cron]
            if resync.period_s > 0:
                due.append((now + resync.period_s * (1 - self._options.polling.jitter * clock.dice()), Cause.INTERVAL))
            at, cause = min(due)
            await clock.sleep(max(at - now, 0.0))
            self._agenda.request_everything(cause)

    async def _end_settling(self) -> None:
        """Have read again what was kept while the registry settled."""
        while True:
            await self._settling.held()
            await self._clock.sleep(max(self._settling.left_s, 0.0))
            if not self._settling.holds:
                for task in self._settling.take_held():
                    self._agenda.add(task)

    async def _release_delayed(self) -> None:
        while True:
            await self._agenda.delayed()
            await self._clock.sleep(max(self._agenda.next_delayed() - self._clock.now(), 0.0))
            self._agenda.release_delayed(self._clock.now())

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the next connection or an operator's wish."""
        self._reconnected.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._reconnected.wait()
        except TimeoutError:
            pass

    def _fail(self, error: SourceError) -> None:
        for status in self._statuses:
            status.fail(error)
