"""The only composition root: builds the rooms, wires them, orders start and stop."""

import asyncio
import functools
import gc
import logging
import os
import signal
import time
from collections.abc import Coroutine

from meshregistry.adapters import ClientsPage, Readiness, SourcesPage, StalenessPage
from meshregistry.http.server import HttpServer
from meshregistry.http.views import Views
from meshregistry.persistence import Keeper, KeeperOptions
from meshregistry.settings.render import render_settings
from meshregistry.settings.root import Settings
from meshregistry.sources.eureka.source import EurekaSource
from meshregistry.sources.nacos.source import NacosSource
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.store.inbox import Inbox
from meshregistry.store.reducer import Reducer
from meshregistry.store.store import SnapshotStore
from meshregistry.supervision import supervise
from meshregistry.telemetry.loop_lag import measure_loop_lag
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder
from meshregistry.wiring import (
    ads_listeners,
    check_readable,
    eureka_options,
    http_options,
    nacos_options,
    saved_terms,
    source_rules,
)
from meshregistry.wiring_zookeeper import held_kinds, zookeeper_options
from meshregistry.xds.clients import Clients
from meshregistry.xds.server import AdsServer

_log = logging.getLogger(__name__)


class App:
    """One process: constructed without I/O, run once. Raises SettingsError for what this version cannot read."""

    def __init__(self, settings: Settings) -> None:
        check_readable(settings)
        rules = source_rules(settings)
        self.listening = asyncio.Event()
        """Set once every port is open."""

        self._metrics = Metrics()
        self._store = SnapshotStore(held_kinds(settings) if rules else ())
        self._reducer = Reducer(self._store, ResourceEncoder(settings.mcp.create_time), rules, self._metrics)
        self._inbox = Inbox(self._metrics)
        keeper = KeeperOptions(settings.data_dir, settings.save_interval)
        self._keeper = Keeper(keeper, saved_terms(settings, rules), self._store, self._reducer, self._metrics)
        self._sources = _build_sources(settings, self._metrics)
        clients = Clients()
        self._ads = [AdsServer(options, self._store, clients, self._metrics) for options in ads_listeners(settings.mcp)]
        self._readiness = Readiness(self._reducer)
        views = Views(
            snapshot=self._store,
            readiness=self._readiness,
            staleness=StalenessPage(self._reducer.staleness, self._keeper),
            clients=ClientsPage(clients),
            sources=SourcesPage(self._sources),
            rejects=self._reducer,
            registries=self._sources,
            args=lambda: render_settings(settings),
            create_time=settings.mcp.create_time,
        )
        self._http = HttpServer(http_options(settings), views, self._metrics)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain.

        Raises ListenError when a port cannot be opened, and whatever broke the reducer. Cancelling it drains too.
        """
        self._metrics.enabled_source.set(len(self._sources))
        _tune_garbage_collection(self._store)
        try:
            await self._http.start()
            for listener in self._ads:
                await listener.start()
            self._readiness.listening = True
            self.listening.set()
            async with asyncio.TaskGroup() as tasks:
                living = tasks.create_task(self._live())
                await stop.wait()
                self._readiness.listening = False
                living.cancel()
        finally:
            self._readiness.listening = False
            await asyncio.gather(*(listener.drain() for listener in self._ads))
            await self._keeper.save()
            await self._http.stop()
            _log.info("app.stopped")

    async def _live(self) -> None:
        """Go on from what was saved, then follow the registries."""
        world = await self._keeper.load()
        if world is not None:
            await self._reducer.restore(world, time.time())
        async with asyncio.TaskGroup() as tasks:
            for each in self._work():
                tasks.create_task(each)

    def _work(self) -> list[Coroutine[None, None, None]]:
        sources = [
            supervise(f"source.{name}", functools.partial(source.run, self._inbox))
            for name, source in self._sources.items()
        ]
        return [self._reducer.run(self._inbox), self._keeper.run(), measure_loop_lag(self._metrics), *sources]


async def serve(settings: Settings) -> None:
    """Run the service until SIGTERM or SIGINT; a second signal exits at once with 128 plus its number."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _note_signal, number, stop)
    await App(settings).run(stop)


def _note_signal(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(128 + number)
    _log.info("app.stopping signal=%s", number.name)
    stop.set()


def _build_sources(settings: Settings, metrics: Metrics) -> dict[str, NacosSource | EurekaSource | ZooKeeperSource]:
    sources: dict[str, NacosSource | EurekaSource | ZooKeeperSource] = {}
    if settings.nacos_source.enabled:
        sources["nacos"] = NacosSource(nacos_options(settings), metrics)
    if settings.eureka_source.enabled:
        sources["eureka"] = EurekaSource(eureka_options(settings), metrics)
    if settings.zookeeper_source.enabled:
        sources["zookeeper"] = ZooKeeperSource(zookeeper_options(settings), metrics)
    return sources


def _tune_garbage_collection(store: SnapshotStore) -> None:
    """Raise the thresholds, and leave the first complete world out of every later collection.

    At the default thresholds a change among 100,000 endpoints costs pauses of 100 ms.
    """
    gc.set_threshold(50_000, 20, 100)
    stop_listening = store.listen(lambda change: _freeze())

    def _freeze() -> None:
        if store.current.complete:
            gc.freeze()
            stop_listening()
