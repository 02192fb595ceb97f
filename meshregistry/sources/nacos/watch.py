"""The push side of one namespace: connects, subscribes, and hands on what the server pushes.

Pushes carry no namespace (measured), so each namespace has a connection of its own.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from typing import NamedTuple

from meshregistry.errors import SourceAuthError, SourceError, SourceUnavailable
from meshregistry.sources.cancellation import run_apart
from meshregistry.sources.nacos.channel import ChannelOptions, NacosChannel
from meshregistry.sources.nacos.client import Endpoint
from meshregistry.sources.nacos.credentials import Credentials
from meshregistry.sources.nacos.discovery import Discovery, Rung
from meshregistry.sources.nacos.messages import ConnectionLost, Content, ServiceName
from meshregistry.sources.nacos.nodes import Backoff, Nodes, grpc_address
from meshregistry.sources.nacos.options import DEFAULT_GROUP, WatchOptions
from meshregistry.sources.nacos.protocol import FuzzyNews, News, Reset, Session
from meshregistry.sources.nacos.session import LiveSession, set_up
from meshregistry.sources.nacos.subscription import Subscriptions
from meshregistry.sources.polling import Clock
from meshregistry.sources.resolving import resolve_host, resolve_hosts
from meshregistry.sources.slicing import Slicer, until_calm
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

Deliver = Callable[[Content, float], Awaitable[None]]
"""Takes a service's content and the monotonic time at which it came; waits while the queue of updates is full."""

_REDO_S = 3.0
"""Refused subscriptions are asked for again after this time, as by Nacos's Java client; unlike there the pause grows
up to the login pause while some stay refused: a user that lost its rights has ten thousand of them."""

_USE_S = 0.001
"""Per service of the first listing: at most so long its subscriptions wait for others to have used it."""

_SHOWN_ERRORS = 20
_STEADY_S = 10.0
"""A connection that lived so long starts the back-off anew."""


class WatchPlace(NamedTuple):
    """What a watch watches, and how it gets there."""

    label: str
    """For logs and metrics."""

    namespace: str
    endpoints: tuple[Endpoint, ...]
    grpc_port: int
    grpc_port_offset: int
    channel: ChannelOptions
    options: WatchOptions
    login_pause_s: float
    page_size: int


class NamespaceWatch:
    """Owner of the connection, the subscriptions and the contents that wait to be handed on.

    The waiting contents are bounded by the subscriptions: of one service only the newest waits.
    """

    def __init__(
        self, place: WatchPlace, groups: Callable[[], frozenset[str] | None], credentials: Credentials,
        metrics: Metrics, clock: Clock,
    ) -> None:  # fmt: skip
        self._place = place
        self._groups = groups
        self._credentials = credentials
        self._metrics = metrics
        self._clock = clock
        self._subscriptions = Subscriptions(place.options.max_subscriptions, place.options.linger_s)
        start = int(clock.dice() * len(place.endpoints))
        addresses = [endpoint.address for endpoint in place.endpoints]
        self._nodes = Nodes(addresses, start, port=place.grpc_port, offset=place.grpc_port_offset)
        self._reset: Reset | None = None
        self._discovery: Discovery | None = None
        self._live: LiveSession | None = None
        self._waiting: dict[ServiceName, tuple[Content, float]] = {}
        self._leaving: list[ServiceName] = []
        self._arrived = asyncio.Event()
        self._wanted = asyncio.Event()
        self._begun = asyncio.Event()
        self._connected_at: float | None = None
        self._address: str | None = None
        self._failures = 0
        self._last_error: str | None = None
        self._connections = 0
        self._pushes = 0
        self._stale = 0

    @property
    def connected(self) -> bool:
        """Whether pushes arrive."""
        return self._live is not None

    @property
    def turns(self) -> int:
        """How often a connection has been set up or lost: after each but the first a node may know too little."""
        return 2 * self._connections - self.connected if self._connections else 0

    @property
    def groups(self) -> Set[str]:
        """The groups of which services are subscribed."""
        return self._subscriptions.groups

    @property
    def live(self) -> LiveSession | None:
        """The session to ask, if there is one."""
        return self._live

    def is_live_since(self, service: ServiceName, moment: float) -> bool:
        """Whether pushes for the service were to be expected since the moment."""
        return self._live is not None and self._subscriptions.is_live_since(service, moment)

    def begin(self) -> None:
        """Subscribe from now on. The first listing goes first: it tells in a second what subscriptions take ten for."""
        self._begun.set()

    async def note_listing(self, listed: Mapping[ServiceName, bool], groups: frozenset[str]) -> None:
        """Take what a complete listing of the groups shows: each service, and whether it has instances.

        Cancelling it is safe.
        """
        slicer = Slicer()
        for service in listed:
            self._subscriptions.want((service,))
            await slicer.breathe()
        self._leaving += self._subscriptions.settle(listed.keys(), groups, self._clock.now())
        if self._discovery is not None:
            populated = (service for service, has in listed.items() if has)
            self._discovery.compare(populated, groups)
        self._wanted.set()
        self.begin()

    async def run(self, deliver: Deliver) -> None:
        """Keep a connection for ever; raises only when the watch itself is broken. Cancelling it is safe."""
        while True:
            try:
                await run_apart(functools.partial(self._connect, deliver))
            except* SourceError as group:
                self._note_end(_first(group))
            if self._reset is not None:
                await self._go_where_sent(self._reset)
            await self._clock.sleep(self._pause())

    def describe(self) -> dict[str, object]:
        """Return the push side's part of the status page."""
        age = None if self._connected_at is None else round(self._clock.now() - self._connected_at, 3)
        discovery = self._discovery
        return {
            "namespace": self._place.namespace,
            "connected": self.connected,
            "address": self._address,
            "connected_age_s": age if self.connected else None,
            "rung": discovery.rung if discovery and self.connected else Rung.HTTP_LISTING,
            "stepped_down": discovery.stepped_down if discovery else None,
            "subscriptions": len(self._subscriptions),
            "subscriptions_waiting": self._subscriptions.waiting,
            "subscriptions_beyond_limit": self._subscriptions.beyond_limit,
            "subscriptions_refused": self._subscriptions.errors(_SHOWN_ERRORS),
            "pushes_total": self._pushes,
            "stale_pushes_total": self._stale,
            "connections_total": self._connections,
            "last_error": self._last_error,
        }

    async def _connect(self, deliver: Deliver) -> None:
        place = self._place
        endpoint = place.endpoints[self._nodes.current]
        address = grpc_address(endpoint.address, place.grpc_port, place.grpc_port_offset)
        try:
            async with NacosChannel(address, place.channel) as channel:
                session = Session(place.namespace, tls=place.channel.tls is not None)
                setup = session.check(await channel.call(session.begin(), {}))
                async with channel.stream() as stream:
                    await stream.send(setup)
                    await set_up(stream, session, self._clock)
                    live = LiveSession(channel, stream, session, endpoint, self._credentials, self._clock)
                    await self._hold(live, str(address), deliver)
        except SourceError as error:
            raise ExceptionGroup("no connection", [_placed(error, str(address))]) from error

    async def _go_where_sent(self, reset: Reset) -> None:
        self._reset = None
        timeout_s = self._place.channel.connect_timeout_s
        known = await resolve_hosts(self._nodes.hosts, resolve_host, timeout_s) if reset.target is not None else {}
        self._nodes.follow(reset.target, known)

    async def _hold(self, live: LiveSession, address: str, deliver: Deliver) -> None:
        await self._credentials_ready(live)
        self._discovery = Discovery(self._place, live, self._groups_to_list, self._ask_for, self._clock)
        self._note_start(live, address)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(live.listen(self._hear, self._complain))
                tasks.create_task(live.answer())
                tasks.create_task(live.beat())
                tasks.create_task(self._discovery.run())
                tasks.create_task(self._subscribe_wanted(live))
                tasks.create_task(self._redo_refused())
                tasks.create_task(self._hand_on(deliver))
        finally:
            self._live = None
            self._waiting.clear()
            self._leaving.clear()
            self._subscriptions.lose()
            self._metrics.push_connected.labels("nacos", self._place.label).set(0)

    async def _credentials_ready(self, live: LiveSession) -> None:
        try:
            await self._credentials.prepare(self._place.endpoints[self._nodes.current])
        except SourceUnavailable as error:
            # A server whose authentication is off reads fine without; if it is on, the denial will be told.
            self._last_error = str(error)

    def _hear(self, news: News) -> None:
        if isinstance(news, Content):
            self._pushes += 1
            if not self._take(news) and self._subscriptions.ask_again(news.service):
                # Out of order, or the server's clock was set back: then all that follows would be too old, too.
                self._wanted.set()
        elif isinstance(news, FuzzyNews) and self._discovery is not None:
            self._discovery.hear(news)
        elif isinstance(news, Reset):
            self._reset = news

    def _take(self, content: Content) -> bool:
        """Let a reply or push wait for its turn unless something newer came before it; returns whether it waits."""
        if self._subscriptions.accept(content):
            self._waiting[content.service] = (content, self._clock.now())
            self._arrived.set()
            return True
        if content.service in self._subscriptions:
            self._stale += 1
            self._metrics.stale_pushes.labels("nacos").inc()
        return False

    def _ask_for(self, services: Iterable[ServiceName]) -> None:
        groups = self._groups()
        wanted = [service for service in services if groups is None or service.group in groups]
        if self._subscriptions.want(wanted):
            self._wanted.set()

    def _groups_to_list(self) -> Set[str]:
        """Return the wanted groups; where all are, those of which something is subscribed."""
        return self._groups() or self.groups or {DEFAULT_GROUP}

    async def _hand_on(self, deliver: Deliver) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            slicer = Slicer()
            while self._waiting:
                content, arrived_at = self._waiting.pop(next(iter(self._waiting)))
                await deliver(content, arrived_at)
                await slicer.breathe()

    async def _subscribe_wanted(self, live: LiveSession) -> None:
        """Subscribe what is wanted, some at a time: workers live only while there is work."""
        await self._begun.wait()
        if self._connections == 1:
            await until_calm(_USE_S * len(self._subscriptions))
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._place.options.subscribe_concurrency):
                    workers.create_task(self._subscribe_some(live))
            while self._leaving:
                await self._unsubscribe(live, self._leaving.pop())
            self._metrics.subscriptions.labels("nacos", self._place.label).set(len(self._subscriptions))

    async def _subscribe_some(self, live: LiveSession) -> None:
        while (service := self._subscriptions.take()) is not None:
            held_at = self._subscriptions.ref_time(service)
            try:
                content = await live.subscribe(self._place.namespace, service)
            except ConnectionLost:
                raise
            except SourceError as error:
                self._subscriptions.fail(service, str(error))
                continue
            self._subscriptions.confirm(service, self._clock.now())
            if content is not None:
                self._subscriptions.set_back(content, held_at)
                self._take(content)

    async def _unsubscribe(self, live: LiveSession, service: ServiceName) -> None:
        if service in self._subscriptions:
            return
        try:
            await live.subscribe(self._place.namespace, service, subscribe=False)
        except ConnectionLost:
            raise
        except SourceError as error:
            # Its pushes are not wanted any more and are dropped; the server forgets it with the connection.
            self._complain(str(error))

    async def _redo_refused(self) -> None:
        backoff = Backoff(_REDO_S, max(self._place.login_pause_s, _REDO_S))
        while True:
            await self._clock.sleep(backoff.pause_s(self._subscriptions.retries + 1, self._clock.dice()))
            if self._subscriptions.retry():
                self._wanted.set()

    def _note_start(self, live: LiveSession, address: str) -> None:
        self._live = live
        self._address = address
        self._connected_at = self._clock.now()
        self._connections += 1
        self._wanted.set()
        self._metrics.push_connected.labels("nacos", self._place.label).set(1)
        self._metrics.push_connections.labels("nacos").inc()
        _log.info("push.connected source=nacos scope=%s address=%s", self._place.label, address)

    def _note_end(self, error: SourceError) -> None:
        was_up = self._address is not None
        lived_s = self._clock.now() - self._connected_at if was_up and self._connected_at is not None else 0.0
        self._failures = 1 if was_up and lived_s >= _STEADY_S else self._failures + 1
        if was_up or str(error) != self._last_error:
            level = logging.ERROR if isinstance(error, SourceAuthError) else logging.WARNING
            level = logging.INFO if not self._connections and self._place.options.is_optional else level
            _log.log(level, "push.lost source=nacos scope=%s error=%s", self._place.label, error)
        self._last_error = str(error)
        self._address = None
        self._connected_at = None
        if not was_up:
            self._nodes.advance()

    def _pause(self) -> float:
        options = self._place.options
        longest_s = options.reconnect_pause_s if self._connections else options.first_connect_pause_s
        return Backoff(longest_s=longest_s).pause_s(self._failures, self._clock.dice())

    def _complain(self, problem: str) -> None:
        if problem != self._last_error:
            _log.warning("push.odd source=nacos scope=%s problem=%s", self._place.label, problem)
        self._last_error = problem


def _placed(error: SourceError, address: str) -> SourceError:
    """Return the error with the address in its text, once."""
    text = str(error)
    return error if text.startswith(address) else type(error)(f"{address}: {text}")


def _first(group: ExceptionGroup[SourceError]) -> SourceError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, ExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
