"""The sources that run: started, stopped and replaced while the service runs."""

import asyncio
import functools
import logging
from collections.abc import Mapping
from typing import Protocol

from meshregistry.adapters import DescribedSource
from meshregistry.model.events import Sink, Source
from meshregistry.sources.eureka.options import EurekaOptions
from meshregistry.sources.eureka.source import EurekaSource
from meshregistry.sources.files.options import FilesOptions
from meshregistry.sources.files.source import FilesSource
from meshregistry.sources.nacos.options import NacosOptions
from meshregistry.sources.nacos.source import NacosSource
from meshregistry.sources.zookeeper.options import ZooKeeperOptions
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.operator import OperatorDecision, Queue, ReadAgain
from meshregistry.supervision import supervise
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wiring import SourceOptions

_log = logging.getLogger(__name__)

_STOP_S = 10.0
"""How long a stopping source may take to say goodbye to its registry, seconds."""


class FleetSource(Source, DescribedSource, Protocol):
    """What every source is to the composition root."""

    @property
    def is_failing(self) -> bool:
        """Whether the latest attempt to read a registry failed; false before the first has ended."""
        ...


def build_source(options: SourceOptions, metrics: Metrics) -> FleetSource:
    """Return a source, without I/O."""
    match options:
        case NacosOptions():
            return NacosSource(options, metrics)
        case EurekaOptions():
            return EurekaSource(options, metrics)
        case FilesOptions():
            return FilesSource(options, metrics)
        case ZooKeeperOptions():
            return ZooKeeperSource(options, metrics)


class DecisionRoute:
    """Takes operators' decisions to who carries them out: to the sources what they have to do, all to the reducer."""

    def __init__(self, fleet: "Fleet", queue: Queue) -> None:
        self._fleet = fleet
        self._queue = queue

    async def publish(self, update: OperatorDecision) -> None:
        """Hand over one decision; waits while the queue is full. Cancelling is safe: nothing was handed over."""
        await self._queue.publish(update)
        if isinstance(update, ReadAgain):
            self._fleet.read_again(update.source)

    async def settle(self) -> None:
        """Return once what was handed over before has taken effect here. Cancelling is safe."""
        await self._queue.settle()


class Fleet:
    """Owner of the table of sources, which the pages read, and of their tasks."""

    def __init__(self, sink: Sink, metrics: Metrics) -> None:
        self._sink = sink
        self._metrics = metrics
        self._sources: dict[str, FleetSource] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def sources(self) -> Mapping[str, DescribedSource]:
        """The sources by kind: a view that follows every change."""
        return self._sources

    def is_failing(self, kind: str) -> bool:
        """Whether a source could not read a registry of its lately; one that does not run yet will tell."""
        source = self._sources.get(kind)
        return source is not None and source.is_failing

    def add(self, kind: str, source: FleetSource, tasks: asyncio.TaskGroup) -> None:
        """Run a source as a child of `tasks`, restarted when it breaks."""
        self._sources[kind] = source
        run = supervise(f"source.{kind}", functools.partial(source.run, self._sink))
        self._tasks[kind] = tasks.create_task(run)
        self._metrics.enabled_source.set(len(self._sources))

    async def remove(self, kind: str) -> None:
        """Stop a source; afterwards it publishes nothing any more.

        Waits while it says goodbye, at most 10 s. Cancelling it leaves the source stopping.
        """
        self._sources.pop(kind)
        task = self._tasks.pop(kind)
        task.cancel()
        _, late = await asyncio.wait([task], timeout=_STOP_S)
        if late:
            _log.warning("source.stopping_late source=%s after_s=%.0f", kind, _STOP_S)
        self._metrics.forget_source(kind)
        self._metrics.enabled_source.set(len(self._sources))

    def read_again(self, kind: str) -> None:
        """Have a source read everything as soon as possible; one that is not there is passed over."""
        source = self._sources.get(kind)
        if source is not None:
            source.read_again()
