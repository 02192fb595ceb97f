"""The ZooKeeper session: reads that outlive connections, and a listener that is told of changes.

The rules are those of ZooKeeper's own client (org.apache.zookeeper.ClientCnxn) where not said otherwise: it differs in
that a session that cannot be resumed any more is given up by itself, and that refused credentials are tried again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import TypeVar

import anyio

from meshregistry.errors import SourceError, SourceUnavailable
from meshregistry.sources.polling import REAL_CLOCK, Clock
from meshregistry.sources.zookeeper.session import requests
from meshregistry.sources.zookeeper.session.backoff import Backoff
from meshregistry.sources.zookeeper.session.capabilities import Capabilities
from meshregistry.sources.zookeeper.session.credentials import show_credentials
from meshregistry.sources.zookeeper.session.dialling import Unanswered, dial
from meshregistry.sources.zookeeper.session.errors import (
    AuthRefused,
    ConnectionLoss,
    NoNodeError,
    NotSupportedError,
    RequestTimeout,
)
from meshregistry.sources.zookeeper.session.exchange import Exchange
from meshregistry.sources.zookeeper.session.frames import FrameReader
from meshregistry.sources.zookeeper.session.greeting import Ticket, Verdict
from meshregistry.sources.zookeeper.session.hosts import HostRing, Target, parse_host
from meshregistry.sources.zookeeper.session.identity import Identity
from meshregistry.sources.zookeeper.session.link import Link
from meshregistry.sources.zookeeper.session.liveness import Limits
from meshregistry.sources.zookeeper.session.meters import Meters
from meshregistry.sources.zookeeper.session.options import SessionOptions
from meshregistry.sources.zookeeper.session.paths import Chroot
from meshregistry.sources.zookeeper.session.records import Node, SessionListener, WatchEvent
from meshregistry.sources.zookeeper.session.requests import Op, Request
from meshregistry.sources.zookeeper.session.slots import Slots
from meshregistry.sources.zookeeper.session.watches import Watches
from meshregistry.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

T = TypeVar("T")


class State(Enum):
    """Where a session is."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    SUSPENDED = "suspended"
    """The connection was lost; the session may still be alive on the servers."""

    REFUSED = "refused"
    """The servers do not take our credentials."""

    CLOSED = "closed"


class ZooKeeperSession:
    """One session with one ensemble. Constructed without I/O; raises ValueError without hosts or with wrong ones.

    Owner of the connection, the session's identity and the watches. All calls may be made at any time; while there is
    no connection they wait for one, until their deadline.
    """

    def __init__(
        self,
        options: SessionOptions,
        listener: SessionListener,
        clock: Clock = REAL_CLOCK,
        metrics: Metrics | None = None,
    ) -> None:
        self._options = options
        self._listener = listener
        self._clock = clock
        self._meters = Meters(metrics)
        self._chroot = Chroot(options.chroot)
        self._ring = HostRing([parse_host(host) for host in options.hosts], clock.dice)
        self._backoff = Backoff(options.first_backoff_s, options.backoff_factor, options.longest_backoff_s)
        self._identity = Identity(options.session_timeout_s)
        self._capabilities = Capabilities()
        self._watches = Watches()
        self._slots = Slots(options.in_flight)
        self._state = State.CONNECTING
        self._link: Link | None = None
        self._refusal: AuthRefused | None = None
        self._settled = asyncio.Event()
        """Set while calls need not wait: connected, refused or closed."""

        self._held: list[WatchEvent] = []
        """What came before the listener was told of the connection; at most one event per watch."""

        self._last_error = ""

    async def run(self) -> None:
        """Connect, and reconnect for ever.

        Cancelling it is safe and the way to end the session: the server is told, within `close_timeout_s`; calls that
        wait fail with ConnectionLoss.
        """
        self._settle(State.CONNECTING)
        try:
            while True:
                pause_s = await self._live()
                await self._clock.sleep(pause_s)
        finally:
            await self._close()

    async def get_children(self, path: str, *, watch: bool = False) -> tuple[str, ...]:
        """Return the names of a node's children, in no order; with `watch`, their next change is told of once.

        Like all calls it is tried again when the connection is lost, until `request_timeout_s` have passed.
        Raises NoNodeError, AccessRefused, AuthRefused, RequestTimeout or another SourceError. Cancelling it is safe.
        """
        return await self._call(path, partial(requests.get_children, watch=watch))

    async def find_children(self, paths: Sequence[str], *, watch: bool = False) -> dict[str, tuple[str, ...] | None]:
        """Return the names below several nodes, None for a node that is not there, asking for all of them at once.

        Everything else is left out, for `get_children` to try again or to say why: what the connection of this moment,
        if there is one, does not answer, and what exceeds the requests that may be under way. Raises nothing. Watches
        as in `get_children`. Cancelling it is safe.
        """
        asked = paths[: self._slots.count]
        lists = [requests.get_children(self._chroot.enter(path), watch=watch) for path in asked]
        try:
            async with asyncio.timeout(self._options.request_timeout_s), self._slots.several(len(lists)):
                if self._link is None or not lists:
                    return {}
                answers = await self._link.ask_all(lists)
        except (SourceError, TimeoutError):
            return {}
        return {
            path: None if isinstance(answer, NoNodeError) else answer
            for path, answer in zip(asked, answers, strict=True)
            if isinstance(answer, tuple | NoNodeError)
        }

    async def get_data(self, path: str, *, watch: bool = False) -> Node:
        """Return a node's data and state. Watches, errors and cancelling as in `get_children`."""
        return await self._call(path, partial(requests.get_data, watch=watch))

    async def exists(self, path: str, *, watch: bool = False) -> bool:
        """Return whether there is a node; with `watch`, its creation, change or end is told of once.

        Errors and cancelling as in `get_children`, but never NoNodeError.
        """
        return await self._call(path, partial(requests.exists, watch=watch))

    async def sync(self, path: str) -> None:
        """Let the server catch up with its leader. Errors and cancelling as in `get_children`."""
        await self._call(path, requests.sync)

    async def add_watch(self, path: str, *, recursive: bool) -> None:
        """Watch a node, with its descendants or without, until the session object is done; armed again by itself.

        What happens while there is no connection is never told: list again after each `connected`. Before ZooKeeper
        3.9 a node must not have both this and a one-shot watch: the second replaces the first.
        Raises NotSupportedError if the server has no such watches (ZooKeeper before 3.6; remembered for ten minutes),
        and what `get_children` raises. Cancelling it is safe.
        """
        await self._call(path, partial(requests.add_watch, recursive=recursive))

    @property
    def is_failing(self) -> bool:
        """Whether there is no connection, and the latest attempt to make one failed."""
        return self._link is None and bool(self._last_error)

    def describe(self) -> dict[str, object]:
        """Return what the status page shows. Fit for JSON, without secrets."""
        return {
            "state": self._state.value,
            "server": self._link.server if self._link else "",
            "session_id": f"0x{self._identity.ticket.session_id & (1 << 64) - 1:x}",
            "session_timeout_s": self._identity.timeout_s,
            "last_zxid": f"0x{max(self._identity.ticket.last_zxid, self._link.last_zxid if self._link else 0):x}",
            "in_flight": self._link.in_flight if self._link else 0,
            "watches": self._watches.counts(),
            "last_error": self._last_error,
            **self._meters.describe(),
        }

    async def _call(self, path: str, make: Callable[[str], Request[T]]) -> T:
        request = make(self._chroot.enter(path))
        try:
            async with asyncio.timeout(self._options.request_timeout_s), self._slots.one:
                return await self._ask(request)
        except NoNodeError as error:
            raise NoNodeError(path) from error
        except TimeoutError as error:
            detail = f" ({self._last_error})" if self._link is None and self._last_error else ""
            limit_s = self._options.request_timeout_s
            raise RequestTimeout(f"{path}: no answer within {limit_s:g} s{detail}") from error

    async def _ask(self, request: Request[T]) -> T:
        while True:
            link = await self._usable()
            try:
                if request.op is Op.ADD_WATCH:
                    return await self._ask_lasting(link, request)
                return await link.ask(request)
            except ConnectionLoss:
                self._meters.retries += 1

    async def _ask_lasting(self, link: Link, request: Request[T]) -> T:
        if not self._capabilities.has_lasting_watches(link.server, self._clock.now()):
            raise NotSupportedError(f"{link.server}: has no persistent watches")
        try:
            answer = await link.ask(request)
        except NotSupportedError as error:
            self._capabilities.refused(link.server, self._clock.now())
            raise NotSupportedError(f"{link.server}: has no persistent watches") from error
        except ConnectionLoss:
            self._capabilities.closed(link.server, self._clock.now())
            raise
        self._capabilities.granted(link.server)
        return answer

    async def _usable(self) -> Link:
        while self._link is None:
            if self._refusal is not None:
                raise AuthRefused(str(self._refusal))
            if self._state is State.CLOSED:
                raise ConnectionLoss("the session is closed")
            await self._settled.wait()
        return self._link

    async def _live(self) -> float:
        """Live through one connection, or the failure to get one; return the pause after it, in seconds."""
        try:
            link = await self._connect()
        except AuthRefused as error:
            self._refused(error)
            self._listener.unreachable(str(error))
            return self._options.auth_pause_s
        except SourceError as error:
            self._failed(error)
            if self._ring.is_round:
                self._listener.unreachable(str(error))
            return self._backoff.failed(self._clock.dice())
        connected_at = self._clock.now()
        self._publish(link)
        await link.lost
        lived_s = self._clock.now() - connected_at
        return self._backoff.lost(lived_s, self._identity.timeout_s, self._clock.dice())

    async def _connect(self) -> Link:
        """Return a connection that is ready for requests. Raises SourceError."""
        self._meters.attempts += 1
        target = await self._next_target()
        link = await self._enter(target)
        limits = Limits(self._identity.timeout_s, self._options.request_timeout_s)
        link.keep_alive(limits)
        try:
            async with asyncio.timeout(limits.dead_after_s):
                await show_credentials(link, self._options)
                await self._rearm(link)
        except TimeoutError as error:
            link.abort("given up")
            raise SourceUnavailable(f"{target}: not ready within {limits.dead_after_s:.1f} s") from error
        except BaseException:
            link.abort("given up")
            raise
        return link

    async def _next_target(self) -> Target:
        limit_s = self._options.greeting_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await self._ring.next()
        except TimeoutError as error:
            raise SourceUnavailable(f"no name resolved within {limit_s:g} s") from error

    async def _enter(self, target: Target) -> Link:
        """Greet a server with our session, or with none if that has expired. Raises SourceError."""
        for ticket in (self._identity.ticket, Ticket(last_zxid=self._identity.ticket.last_zxid)):
            try:
                link, welcome = await dial(target, self._options, ticket, partial(self._make_link, target))
            except Unanswered:
                if self._identity.unanswered(self._clock.now()):
                    self._expired("no server takes it any more")
                raise
            if welcome.verdict is Verdict.ACCEPTED:
                self._identity.accepted(welcome)
                return link
            link.abort("given up")
            if welcome.verdict is Verdict.READ_ONLY:
                raise SourceUnavailable(f"{target}: read-only, it has no quorum")
            if not ticket.session_id:
                break
            self._identity.expired()
            self._expired(f"{target} says so")
        raise SourceUnavailable(f"{target}: grants no session")

    def _make_link(self, target: Target) -> Link:
        frames = FrameReader(self._options.max_frame_bytes)
        return Link(str(target), Exchange(self._watches), frames, self._meters, self._fire, self._clock)

    async def _rearm(self, link: Link) -> None:
        """Ask for the watches of the last connection, as of what that had shown."""
        lasting = self._capabilities.has_lasting_watches(link.server, self._clock.now())
        zxid = self._identity.ticket.last_zxid
        for chunk in self._watches.chunks(lasting=lasting):
            try:
                await link.ask(requests.set_watches(zxid, chunk))
            except NotSupportedError:
                self._capabilities.refused(link.server, self._clock.now())
                raise
            self._meters.rearm_chunks += 1

    def _publish(self, link: Link) -> None:
        if link.end is not None:
            self._failed(link.end)
            return
        is_new = self._identity.used()
        link.on_end = partial(self._lost, link)
        self._link, self._refusal, self._last_error = link, None, ""
        self._meters.connects += 1
        self._ring.forget()
        self._settle(State.CONNECTED)
        shown = f"0x{self._identity.ticket.session_id & (1 << 64) - 1:x}"
        _log.info(
            "zookeeper.connected server=%s session=%s new=%s timeout_s=%.1f",
            link.server,
            shown,
            is_new,
            self._identity.timeout_s,
        )
        self._listener.connected(new_session=is_new)
        held, self._held = self._held, []
        for event in held:
            self._tell(event)

    def _lost(self, link: Link, end: ConnectionLoss) -> None:
        self._identity.lost(link.last_zxid, self._clock.now())
        self._link = None
        self._meters.losses += 1
        self._last_error = str(end)
        if self._state is State.CONNECTED:
            self._settle(State.SUSPENDED)
            _log.warning("zookeeper.lost reason=%s", end)
        self._meters.publish()
        self._listener.disconnected(str(end))

    def _failed(self, error: SourceError) -> None:
        _log.log(logging.DEBUG if self._last_error else logging.WARNING, "zookeeper.unreachable error=%s", error)
        self._last_error = str(error)

    def _refused(self, error: AuthRefused) -> None:
        if self._refusal is None:
            _log.error("zookeeper.auth_refused error=%s", error)
        self._refusal, self._last_error = error, str(error)
        self._settle(State.REFUSED)

    def _expired(self, reason: str) -> None:
        self._meters.expiries += 1
        _log.warning("zookeeper.session_expired reason=%s", reason)

    def _fire(self, event: WatchEvent) -> None:
        self._meters.events += 1
        if self._link is None:
            self._held.append(event)
        else:
            self._tell(event)

    def _tell(self, event: WatchEvent) -> None:
        path = self._chroot.leave(event.path)
        if path is not None:
            self._listener.watch_fired(WatchEvent(event.kind, path))

    def _settle(self, state: State) -> None:
        self._state = state
        if state in (State.CONNECTED, State.REFUSED, State.CLOSED):
            self._settled.set()
        else:
            self._settled.clear()

    async def _close(self) -> None:
        """Take leave of the server. Never raises, even if it is cancelled again meanwhile."""
        link, self._link = self._link, None
        self._settle(State.CLOSED)
        if link is None or link.end is not None:
            return
        with anyio.move_on_after(self._options.close_timeout_s, shield=True):
            try:
                await link.ask(requests.close())
            except SourceError as error:
                _log.debug("zookeeper.close_unanswered error=%s", error)
        link.abort("session closed")
        self._identity.expired()
