"""Sidecars from consumers: the call model of all registries, and what of it has been published."""

import asyncio
import math
from collections.abc import Iterable, Sized

from meshregistry.model.call_model import ApplicationCalls, CallModel, CallSteps, ServiceCalls
from meshregistry.model.events import SidecarChanges, Sink
from meshregistry.model.rejects import Reject, print_subject
from meshregistry.model.sidecar import ValidatedSidecar, build_sidecar
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer
from meshregistry.sources.zookeeper.options import SidecarOptions

_PAUSE_S = 1.0
"""Least time between two publications, as in Slime: an application that starts brings its references one by one."""

_STEP_SIZE = 1000
"""Applications told in one step."""

_NOTHING = ValidatedSidecar(None)


class SidecarDesk:
    """Owner of the call model. Publishes nothing before every registry has been read: half of an application's
    dependencies would cut it off from the others."""

    def __init__(self, options: SidecarOptions, registries: frozenset[str], clock: Clock) -> None:
        self._options = options
        self._unread = set(registries)
        self._clock = clock
        self._model = CallModel(options.remove_after_s, self_consume=options.self_consume)
        self._changed: set[str] = set()
        self._resting: asyncio.Timeout | None = None
        self._rests_until = math.inf
        self._opened = asyncio.Event()
        self._used: dict[str, tuple[str, ...]] = {}
        self._waiting: set[str] = set()
        """Applications that have no Sidecar because others have their places."""

    def replace(self, registry: str, interface: str, calls: Iterable[ServiceCalls]) -> None:
        """Take all calls of an interface of one registry."""
        self._note(self._model.replace(f"{registry}/{interface}", calls, self._clock.now()))

    async def note_read(self, registry: str, sink: Sink) -> None:
        """Note that a registry has been read; after the last one the Sidecars are published. Cancelling it is safe."""
        self._unread.discard(registry)
        if not self._unread and not self._opened.is_set():
            await self._publish(sink)
            self._opened.set()

    async def run(self, sink: Sink) -> None:
        """Publish what changes, for ever. Cancelling it is safe."""
        await self._opened.wait()
        while True:
            await self._wait()
            self._note(self._model.expire(self._clock.now()))
            await self._publish(sink)
            await self._clock.sleep(_PAUSE_S)

    def calls(self) -> CallSteps:
        """Find out in steps who provides and depends on what now."""
        return self._model.walk_applications()

    def used_calls(self) -> CallSteps:
        """Tell what the published Sidecars were made of: in Slime, too, that is what applications depend on."""
        used: dict[str, ApplicationCalls] = {}
        for name, hosts in sorted(self._used.items()):
            used[name] = ApplicationCalls((), hosts)
            if not len(used) % _STEP_SIZE:
                yield
        return used

    def _note(self, applications: frozenset[str]) -> None:
        self._changed |= applications
        # What is gone changes nothing until its time is over, which may be the next thing to wait for.
        has_news = self._changed or self._model.next_expiry < self._rests_until
        if has_news and self._resting is not None and not self._resting.expired():
            self._resting.reschedule(asyncio.get_running_loop().time())

    async def _wait(self) -> None:
        """Wait until there is something to publish, or a dependency's time is over."""
        while not self._changed and (left_s := self._model.next_expiry - self._clock.now()) > 0:
            self._rests_until = self._model.next_expiry
            await self._rest(left_s)

    async def _rest(self, seconds: float) -> None:
        """Pause until there is news, at most for so long by the clock."""
        try:
            async with asyncio.timeout(None) as self._resting:
                await (self._clock.sleep(seconds) if seconds < math.inf else asyncio.Event().wait())
        except TimeoutError:
            # News: nothing else in here times out.
            return
        finally:
            self._resting = None

    async def _publish(self, sink: Sink) -> None:
        changed, self._changed = self._changed, set()
        made: dict[str, ValidatedSidecar] = {}
        used = dict(self._used)
        slicer = Slicer()
        for application in sorted(changed):
            hosts = self._model.dependencies(application)
            name = f"{self._options.policy.resource_ns}/{application}.dubbo.generated"
            self._waiting.discard(application)
            if hosts is None:
                made[name] = _NOTHING
                used.pop(application, None)
            elif application in used or self._count_room(used) > 0:
                made[name] = build_sidecar(application, hosts, self._options.policy)
                used[application] = hosts
            else:
                made[name] = self._refuse(name)
                self._waiting.add(application)
            await slicer.breathe()
        is_first = not self._opened.is_set()
        if made or is_first:
            await sink.publish(SidecarChanges("zookeeper", made, is_first))
        self._used = used
        if self._waiting and (room := self._count_room(used)) > 0:
            self._changed.update(sorted(self._waiting)[:room])

    def _count_room(self, used: Sized) -> int:
        most = self._options.max_applications
        return most - len(used) if most else len(used) + 1

    def _refuse(self, name: str) -> ValidatedSidecar:
        subject = print_subject(name)
        detail = f"{self._options.max_applications} applications have a Sidecar (max_services); it waits for room"
        return ValidatedSidecar(None, (Reject(subject, "services_limit", subject, detail),))
