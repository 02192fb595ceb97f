"""Which services are subscribed on a connection, which are to be, and how old what they said is; pure."""

from collections import Counter, deque
from collections.abc import Iterable, Set

from meshregistry.sources.nacos.messages import Content, ServiceName


class _Subscription:
    """One wanted service."""

    __slots__ = ("absent_since", "error", "live_since", "queued", "ref_time")

    def __init__(self) -> None:
        self.live_since: float | None = None
        self.ref_time = 0
        self.absent_since: float | None = None
        self.queued = True
        self.error: str | None = None


class Subscriptions:
    """The table of one namespace. Owned by its watch; outlives connections.

    At most `limit` services are held; further ones are not subscribed, and the listings alone read them.
    """

    def __init__(self, limit: int, linger_s: float) -> None:
        self._limit = limit
        self._linger_s = linger_s
        self._table: dict[ServiceName, _Subscription] = {}
        self._queue: deque[ServiceName] = deque()
        self._failed: set[ServiceName] = set()
        self._sizes: Counter[str] = Counter()
        self.retries = 0
        """How often in a row there was something to ask for again."""

        self.live = 0
        self.beyond_limit = 0
        """Services that were left out at the latest listing."""

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, service: object) -> bool:
        return service in self._table

    @property
    def groups(self) -> Set[str]:
        """The groups of all services in the table; a view of now."""
        return self._sizes.keys()

    @property
    def waiting(self) -> int:
        """Services whose subscription is not confirmed on the present connection."""
        return len(self._table) - self.live

    def want(self, services: Iterable[ServiceName]) -> bool:
        """Ask for services; those known are not asked for twice. Returns whether there is something to subscribe."""
        for service in services:
            known = self._table.get(service)
            if known is not None:
                known.absent_since = None
            elif len(self._table) < self._limit:
                self._table[service] = _Subscription()
                self._sizes[service.group] += 1
                self._queue.append(service)
        return bool(self._queue)

    def settle(self, listed: Set[ServiceName], groups: Set[str], now: float) -> list[ServiceName]:
        """Take a complete listing of `groups`: want what is listed, and forget what has been absent for long.

        Returns what was forgotten and must be unsubscribed. A service stays subscribed for a while after it left,
        because a subscription of a service that does not exist tells at once when it comes back.
        """
        self.want(listed)
        self.beyond_limit = sum(service not in self._table for service in listed)
        gone = []
        for service, subscription in self._table.items():
            if service.group not in groups or service in listed:
                continue
            if subscription.absent_since is None:
                subscription.absent_since = now
            elif now - subscription.absent_since >= self._linger_s:
                gone.append(service)
        return [service for service in gone if self._forget(service)]

    def take(self) -> ServiceName | None:
        """Return the next service to subscribe; None when all are under way."""
        while self._queue:
            service = self._queue.popleft()
            subscription = self._table.get(service)
            if subscription is not None and subscription.queued:
                subscription.queued = False
                return service
        return None

    def confirm(self, service: ServiceName, now: float) -> None:
        """Note that the server has accepted a subscription."""
        subscription = self._table.get(service)
        if subscription is not None and subscription.live_since is None:
            subscription.live_since = now
            subscription.error = None
            self._failed.discard(service)
            self.live += 1

    def fail(self, service: ServiceName, why: str) -> None:
        """Note that a subscription was refused; `retry` asks for it again."""
        subscription = self._table.get(service)
        if subscription is not None:
            subscription.error = why
            self._failed.add(service)

    def retry(self) -> bool:
        """Queue all refused subscriptions again; returns whether there are any."""
        self.retries = self.retries + 1 if self._failed else 0
        for service in self._failed:
            self._enqueue(service)
        self._failed.clear()
        return bool(self._queue)

    def lose(self) -> None:
        """The connection is gone and every subscription with it: queue them all, and forget the old node's clock."""
        self._queue.clear()
        self._failed.clear()
        self.retries = 0
        self.live = 0
        for service, subscription in self._table.items():
            subscription.live_since = None
            subscription.ref_time = 0
            subscription.queued = False
            self._enqueue(service)

    def accept(self, content: Content) -> bool:
        """Whether a reply or push is wanted and not older than what came before on this connection.

        Equal times are accepted: a push may be built in the millisecond of a reply and still be newer.
        """
        subscription = self._table.get(content.service)
        if subscription is None or content.ref_time < subscription.ref_time:
            return False
        subscription.ref_time = content.ref_time
        return True

    def ask_again(self, service: ServiceName) -> bool:
        """Queue a live subscription once more, because something too old was pushed; returns whether it is queued."""
        subscription = self._table.get(service)
        if subscription is None or subscription.live_since is None:
            return False
        self._enqueue(service)
        return True

    def ref_time(self, service: ServiceName) -> int:
        """Return the time of what came last on this connection; 0 when nothing did."""
        subscription = self._table.get(service)
        return subscription.ref_time if subscription is not None else 0

    def set_back(self, content: Content, asked_at: int) -> None:
        """Take a reply that is older than what was held when it was asked for: the server's clock was set back.

        Nothing is changed when something came in between, which is then the newest.
        """
        subscription = self._table.get(content.service)
        if subscription is not None and content.ref_time < asked_at == subscription.ref_time:
            subscription.ref_time = content.ref_time

    def is_live_since(self, service: ServiceName, moment: float) -> bool:
        """Whether pushes for the service can be expected since the moment."""
        subscription = self._table.get(service)
        return subscription is not None and subscription.live_since is not None and subscription.live_since <= moment

    def errors(self, limit: int) -> dict[str, str]:
        """Return the first refused subscriptions and why."""
        refused = sorted(self._failed)[:limit]
        return {
            f"{group}/{name}": self._table[group_name].error or ""
            for group_name in refused
            for group, name in (group_name,)
            if group_name in self._table
        }

    def _enqueue(self, service: ServiceName) -> None:
        subscription = self._table.get(service)
        if subscription is not None and not subscription.queued:
            subscription.queued = True
            self._queue.append(service)

    def _forget(self, service: ServiceName) -> bool:
        """Forget a service; returns whether the server must be told."""
        subscription = self._table.pop(service)
        self._failed.discard(service)
        self._sizes[service.group] -= 1
        if not self._sizes[service.group]:
            del self._sizes[service.group]
        if subscription.live_since is None:
            return False
        self.live -= 1
        return True
