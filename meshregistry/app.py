"""The only composition root: builds the rooms, wires them, orders start and stop."""

import asyncio
import logging
import os
import signal
import time
from functools import partial

from meshregistry.adapters import (
    ClientsPage,
    DubboPage,
    Readiness,
    RegistriesPage,
    SourcesPage,
    StalenessPage,
    WhyDesk,
)
from meshregistry.admin.server import AdminServer
from meshregistry.changes import compose, keep_fixed, plan_changes
from meshregistry.collector import look_when_grown, note_loading, spare_first_world
from meshregistry.contact import Contact
from meshregistry.errors import SettingsError
from meshregistry.fleet import DecisionRoute, Fleet, build_source
from meshregistry.http.server import HttpServer
from meshregistry.http.views import Views
from meshregistry.http.xds_cache import render_page
from meshregistry.inheritance import Inheritance, unite
from meshregistry.kubernetes.settings_objects import SettingsObjects
from meshregistry.kubernetes.watch import PodWatch
from meshregistry.ledger import DecisionLedger
from meshregistry.patience import Patience, PatienceOptions
from meshregistry.persistence import Keeper, KeeperOptions
from meshregistry.reload import Reload, SettingsOrigin, reopen_settings, settings_objects
from meshregistry.replica.exchange import DecisionExchange
from meshregistry.replica.offer import Offer
from meshregistry.replica.takeover import Takeover
from meshregistry.settings.render import Printable, render_settings, slime_settings
from meshregistry.settings.root import Settings
from meshregistry.settings.secrets import list_secrets
from meshregistry.store.inbox import Inbox
from meshregistry.store.operator import OperatorDesk
from meshregistry.store.reducer import Reducer
from meshregistry.store.rules import RulesReplaced
from meshregistry.store.store import SnapshotStore
from meshregistry.supervision import supervise
from meshregistry.telemetry.logs import conceal_in_tracebacks, configure_logs
from meshregistry.telemetry.loop_lag import measure_loop_lag
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder
from meshregistry.wiring import (
    SOURCE_KINDS,
    ads_listeners,
    check_readable,
    cluster_options,
    http_options,
    registry_addresses,
    replica_options,
    retired_rules,
    saved_terms,
    wants_pods,
)
from meshregistry.wiring_admin import admin_options
from meshregistry.wiring_zookeeper import held_kinds
from meshregistry.xds.clients import Clients
from meshregistry.xds.peers import PeerShelf
from meshregistry.xds.server import AdsServer

_log = logging.getLogger(__name__)


class App:
    """One process: constructed without I/O, run once. Raises SettingsError for what this version cannot read.

    Owner of the settings in effect. With an `origin` it follows the file they came from.
    """

    def __init__(
        self, settings: Settings, origin: SettingsOrigin | None = None, objects: SettingsObjects | None = None
    ) -> None:
        check_readable(settings)
        self._settings = settings
        self._composition = compose(settings)
        rules = self._composition.rules
        self.listening = asyncio.Event()
        """Set once every port is open."""

        self._metrics = Metrics()
        if settings.http.slime_metric_names:
            self._metrics.tell_slime_aliases()
        self._store = SnapshotStore(held_kinds(settings) if rules else ())
        encoder, journal = ResourceEncoder(settings.mcp.create_time), settings.http.journal_size
        retired = retired_rules(settings)
        self._reducer = Reducer(self._store, encoder, rules, self._metrics, journal_size=journal, retired=retired)
        self._inbox = Inbox(self._metrics)
        self._pods = PodWatch(cluster_options(settings), self._inbox.publish, self._metrics)
        keeper, terms = KeeperOptions(settings.data_dir, settings.save_interval), saved_terms(settings, rules)
        fleet = self._fleet = Fleet(self._inbox, self._metrics)
        route = DecisionRoute(fleet, self._inbox)
        self._ledger = DecisionLedger(self._reducer, route, settings.data_dir, self._metrics)
        self._keeper = Keeper(keeper, terms, self._store, self._reducer, self._metrics, self._ledger.encode)
        replicas = replica_options(settings)
        self._takeover = Takeover(replicas, terms, self._metrics)
        self._offer = Offer(self._keeper.export)
        self._shelf = PeerShelf(self._offer.want) if replicas.siblings else None
        self._exchange = DecisionExchange(self._ledger, replicas) if self._shelf else None
        if self._shelf is not None:
            self._ledger.listen(self._shelf.publish_decisions, self._offer.overtake)
        staleness = StalenessPage(self._reducer, fleet.is_failing, fleet.sources, (self._keeper, self._ledger))
        desk = OperatorDesk(self._reducer, self._ledger, self._fleet.sources, staleness.tell)
        self._admin = AdminServer(admin_options(settings), desk, self._metrics)
        self._sources = {kind: build_source(each, self._metrics) for kind, each in self._composition.options.items()}
        self._reload = Reload(origin, self.apply, self._metrics, objects) if origin else None
        clients = Clients()
        self._ads = [
            AdsServer(options, self._store, clients, self._metrics, self._shelf)
            for options in (() if settings.shadow else ads_listeners(settings.mcp))
        ]
        self._readiness = Readiness(self._reducer, is_shadow=settings.shadow)
        views = Views(
            snapshot=self._store,
            readiness=self._readiness,
            staleness=staleness,
            clients=ClientsPage(clients),
            sources=SourcesPage(self._fleet.sources),
            rejects=self._reducer,
            journal=self._reducer.journal,
            why=WhyDesk(self._reducer, self._fleet.sources, clients, staleness.list_stale),
            dubbo=DubboPage(self._fleet.sources),
            pods=self._pods.book,
            registries={kind: RegistriesPage(kind, self._fleet.sources) for kind in SOURCE_KINDS},
            args=self._render_args,
            slime_args=self._list_args,
            create_time=settings.mcp.create_time,
            version_annotation=settings.mcp.enable_anno_res_ver,
        )
        self._http = HttpServer(http_options(settings), views, self._metrics)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain.

        Raises ListenError when a port cannot be opened, and whatever broke the reducer. Cancelling it drains too.
        """
        spare_first_world(self._store)
        try:
            await self._http.start()
            for listener in self._ads:
                await listener.start()
            if self._settings.shadow:
                _log.warning("app.shadow effect=%r", "everything is read and shown, nobody is served")
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
            await self._ledger.save()
            await self._http.stop()
            _log.info("app.stopped")

    async def _live(self) -> None:
        """Go on from what siblings have and what was saved, then follow the registries."""
        contact = Contact(registry_addresses(self._settings))
        async with asyncio.TaskGroup() as tasks:
            if self._settings.data_dir and self._settings.restore_patience:
                tasks.create_task(contact.run(self._settings.restore_patience))
            waiting = await self._inherit()
            for each in (self._reducer.run(self._inbox), self._keeper.run(), measure_loop_lag(self._metrics)):
                tasks.create_task(each)
            tasks.create_task(look_when_grown(note_loading(self._store)))
            if waiting:
                options = PatienceOptions(self._settings.restore_patience, self._settings.restore_contact)
                looks = (lambda: self._reducer.pending_sources), self._fleet.is_failing, contact.silent_for
                tasks.create_task(Patience(*looks, options).end_for(waiting, self._inbox))
            if self._shelf is not None:
                tasks.create_task(supervise("offer", partial(self._offer.run, self._shelf)))
            tasks.create_task(supervise("decisions", self._ledger.run))
            if self._exchange is not None:
                tasks.create_task(supervise("exchange", partial(self._exchange.run, self._metrics)))
            if admin_options(self._settings).path:
                tasks.create_task(supervise("admin", self._admin.run))
            tasks.create_task(self._time_completion())
            tasks.create_task(supervise("pods", self._pods.run))
            if wants_pods(self._settings):
                self._pods.want()
                await self._pods.wait_settled()
            for kind, source in self._sources.items():
                self._fleet.add(kind, source, tasks)
            if self._reload is not None:
                tasks.create_task(self._reload.run(tasks))
                if self._settings.reload.enabled:
                    tasks.create_task(supervise("settings file", self._reload.watch))

    async def _inherit(self) -> frozenset[str]:
        """Restore what siblings and the file know; returns the sources that it keeps back for a while."""
        saved = await self._keeper.load()
        rules = self._composition.rules
        siblings, makers = await self._takeover.take(saved), [kind for kind in rules if rules[kind].makes_sidecars]
        found = unite(saved, siblings, rules.keys(), makers)
        worlds = [each for each in (saved, *siblings) if each is not None]
        known_at = found.world.taken_at if found is not None else 0.0
        async with self._reducer.batches.one():  # what is restored and not decided yet is half done
            waiting = await self._restore(found) if found is not None else frozenset()
            decided = await self._ledger.begin((each.decisions for each in worlds), known_at)
            await self._reducer.reduce(decided)
        return waiting

    async def _restore(self, found: Inheritance) -> frozenset[str]:
        """Go on from a world; returns the sources that it keeps back for a while."""
        known = frozenset(found.world.fingerprints)
        served = found.fresh if self._settings.restore_patience else known
        await self._reducer.restore(found.world, time.time(), served=served, seams=found.seams)
        return known - served

    async def _time_completion(self) -> None:
        """Observe how long it took until every source had been read."""
        started = time.monotonic()
        await self.wait_complete()
        self._metrics.ready_time.labels("sources").observe(time.monotonic() - started)

    @property
    def pending_sources(self) -> tuple[str, ...]:
        """Enabled sources that have not read all their scopes."""
        return self._reducer.pending_sources

    async def wait_complete(self) -> None:
        """Return once every source has been read. Cancelling is safe."""
        done = asyncio.Event()
        stop_listening = self._store.listen(lambda change: done.set() if self._store.current.complete else None)
        try:
            if not self._store.current.complete:
                await done.wait()
        finally:
            stop_listening()

    def render_cache(self) -> bytes:
        """Return the page of everything that is served, or would be."""
        return render_page(self._store.current, self._settings.mcp.create_time)

    def ask_reload(self) -> None:
        """Have the settings file looked at now; without one nothing happens."""
        if self._reload is not None:
            self._reload.ask()

    async def apply(self, settings: Settings, tasks: asyncio.TaskGroup) -> tuple[str, ...]:
        """Make other settings take effect and return the paths of those that need a restart.

        Only sources that are read, converted or guarded otherwise are touched. What the rest said and its streams
        stay. Raises SettingsError, with nothing changed, when a source cannot be built.
        """
        effective, waiting = keep_fixed(self._settings, settings)
        wanted = compose(effective)
        plan = plan_changes(self._composition, wanted)
        try:
            fresh = {kind: build_source(wanted.options[kind], self._metrics) for kind in (*plan.start, *plan.restart)}
        except ValueError as error:
            raise SettingsError([str(error)]) from error
        # Those of before, too: what was built with them may still fail.
        conceal_in_tracebacks([*list_secrets(self._settings), *list_secrets(settings)])
        if effective.log != self._settings.log:
            configure_logs(level=effective.log.level, as_json=effective.log.format == "json")
        self._settings, self._composition = effective, wanted
        if wants_pods(effective):
            self._pods.want()
        if plan.is_empty:
            return waiting
        _log.info("reload.sources %s", " ".join(f"{verb}={','.join(kinds)}" for verb, kinds in plan._asdict().items()))
        for kind in (*plan.stop, *plan.restart):
            await self._fleet.remove(kind)
        known_by = self._keeper.fingerprints
        await self._inbox.publish(RulesReplaced(wanted.rules, frozenset(plan.stop), frozenset(fresh), known_by))
        await self._inbox.settle()  # a save in between would take what is known for converted anew
        self._keeper.replace_terms(saved_terms(effective, wanted.rules))
        for kind, source in fresh.items():
            self._fleet.add(kind, source, tasks)
        return waiting

    def _list_args(self) -> dict[str, Printable]:
        notes: list[Printable] = [*self._reload.notes] if self._reload else []
        return {**({"Notes": notes} if notes else {}), **slime_settings(self._settings)}

    def _render_args(self) -> str:
        notes = self._reload.notes if self._reload else ()
        return "".join(f"# {note}\n" for note in notes) + render_settings(self._settings)


async def serve(origin: SettingsOrigin) -> None:
    """Run the service until SIGTERM or SIGINT; a second signal exits at once with 128 plus its number.

    SIGHUP has the settings file looked at now.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _note_signal, number, stop)
    objects = settings_objects(origin, Metrics())
    if objects is None:
        await _serve(App(origin.loaded.settings, origin), stop)
        return
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(supervise("settings", objects.run))
        await objects.wait_settled()
        origin = reopen_settings(origin, objects)
        app = App(origin.loaded.settings, origin, objects)
        objects.on_change = app.ask_reload
        await _serve(app, stop)
        following.cancel()


async def _serve(app: App, stop: asyncio.Event) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.ask_reload)
    await app.run(stop)


def _note_signal(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(128 + number)
    _log.info("app.stopping signal=%s", number.name)
    stop.set()
