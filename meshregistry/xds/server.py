"""The ADS server as the application sees it: start, drain, and the commits in between."""

import asyncio
import logging
from collections.abc import Callable

from meshregistry.errors import ListenError
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.clients import Clients
from meshregistry.xds.health import HealthServicer
from meshregistry.xds.incremental import Journal
from meshregistry.xds.listener import Listener
from meshregistry.xds.options import AdsOptions
from meshregistry.xds.peers import PeerShelf
from meshregistry.xds.servicer import SERVICE, AdsServicer, Shared
from meshregistry.xds.views import Catalog

_log = logging.getLogger(__name__)


class AdsServer:
    """The ADS listener: `start` opens the port, `drain` ends everything, once each.

    Owns nothing that needs a task of its own: streams live in grpclib's handlers, commits arrive as calls.
    """

    def __init__(
        self,
        options: AdsOptions,
        store: SnapshotStore,
        clients: Clients,
        metrics: Metrics,
        peers: PeerShelf | None = None,
    ) -> None:
        """`peers` is what is offered to other replicas, if anything."""
        self._options = options
        self._store = store
        self._metrics = metrics
        self._draining = False
        self._catalog = Catalog(store, options.selection)
        self.journal = Journal(store, options.selection) if options.incremental else None
        """What an incremental listener knows beyond the snapshot."""

        self._ads = AdsServicer(Shared(options, self._catalog, clients, metrics, self.journal, peers))
        if peers is not None:
            peers.listen(self._ads.note_change)
        self._health = HealthServicer(frozenset({SERVICE}), self._is_serving, options.limits, metrics)
        self._listener: Listener | None = None
        self._end_listening: Callable[[], None] | None = None
        self._clean_up: asyncio.TimerHandle | None = None
        self._port = options.port

    @property
    def port(self) -> int:
        """The port listened on: that of the options, or the one the system chose for 0."""
        return self._port

    async def start(self) -> None:
        """Open the port; streams are accepted from now on, held kinds answered when the snapshot is complete.

        Raises:
            ListenError: the address cannot be listened on, or the certificate cannot be used.
        """
        try:
            listener = Listener([self._ads, self._health], self._options, self._metrics)
            await listener.open()
        except OSError as error:
            address = f"{self._options.host or '*'}:{self._options.port}"
            raise ListenError(f"ads: cannot listen on {address}: {error.strerror or error}") from error
        self._listener = listener
        self._port = listener.port
        self._end_listening = self._store.listen(self._note_change)
        _log.info("ads.listening address=%s:%d", self._options.host or "*", self._port)
        if self.journal is not None:
            self._begin_journal(self.journal)

    async def drain(self) -> None:
        """Refuse new streams, end the open ones with UNAVAILABLE, say GOAWAY and close, within `drain_timeout_s`.

        Cancelling cuts off what is left at once.
        """
        if self._listener is None or self._draining:
            return
        self._draining = True
        self._listener.refuse()
        self._ads.drain()
        self._health.drain()
        try:
            await self._listener.finish(self._options.drain_timeout_s)
        finally:
            if self._end_listening is not None:
                self._end_listening()
            if self._clean_up is not None:
                self._clean_up.cancel()
            _log.info("ads.closed port=%d", self._port)

    def _note_change(self, change: Change) -> None:
        # The views first: a stream that is woken looks at them.
        self._catalog.note_change(change)
        if self.journal is not None:
            self.journal.note_change(change)
        self._ads.note_change(change)
        self._health.note_change()

    def _begin_journal(self, journal: Journal) -> None:
        # Nothing is awaited between listening to the store and this.
        journal.begin()
        _log.warning(
            "ads.incremental port=%d marker=%s danger=%r",
            self._port,
            self._options.incremental_marker,
            "a stock istiod connected here deletes every service that did not change",
        )
        self._schedule_clean_up(journal)

    def _schedule_clean_up(self, journal: Journal) -> None:
        if self._options.clean_zombie_interval_s > 0:
            loop = asyncio.get_running_loop()
            self._clean_up = loop.call_later(self._options.clean_zombie_interval_s, self._forget, journal)

    def _forget(self, journal: Journal) -> None:
        journal.forget(self._ads.types())
        self._schedule_clean_up(journal)

    def _is_serving(self) -> bool:
        return self._store.current.complete and not self._draining
