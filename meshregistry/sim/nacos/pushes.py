"""Subscriptions and their pushes: merged for half a second, whole services, repeated until acknowledged.

Source: alibaba/nacos naming/push/v2 (PushDelayTask, PushExecuteTask, PushConfig); observed on 2.3.1 and 3.1.0.
"""

import functools
import time

from meshregistry.sim.nacos.clients import HEALTHY, Client, Clients, Timers
from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcSubject
from meshregistry.sim.nacos.state import Registry, ServiceKey
from meshregistry.sim.nacos.views import HostFilter, ServiceHead, Views

_RETRY_S = 1.0


class Pushes:
    """Owner of the subscriptions and of the pushes that are due."""

    def __init__(self, registry: Registry, views: Views, clients: Clients, timers: Timers, delay_s: float) -> None:
        self._registry = registry
        self._views = views
        self._clients = clients
        self._timers = timers
        self._delay_s = delay_s
        self._subscribers: dict[ServiceKey, dict[Client, str]] = {}
        self._due: dict[ServiceKey, set[Client]] = {}
        timers.on_stop(self._due.clear)

    def subscribe(self, client: Client, key: ServiceKey, clusters: str) -> None:
        """Push the service to the client from now on, and once in any case."""
        self._subscribers.setdefault(key, {})[client] = clusters
        self._schedule(key, {client}, self._delay_s)

    def unsubscribe(self, client: Client, key: ServiceKey) -> None:
        """Push it no more."""
        subscribers = self._subscribers.get(key, {})
        subscribers.pop(client, None)
        if not subscribers:
            self._subscribers.pop(key, None)

    def forget(self, client: Client) -> None:
        """The client is gone."""
        for key in [key for key, subscribers in self._subscribers.items() if client in subscribers]:
            self.unsubscribe(client, key)

    def count(self) -> int:
        """How many subscriptions there are."""
        return sum(map(len, self._subscribers.values()))

    def note_change(self, key: ServiceKey, _before: int, _after: int) -> None:
        """The service has changed."""
        if key in self._subscribers:
            self._schedule(key, set(self._subscribers[key]), self._delay_s)

    def push(self, key: ServiceKey, fault: RpcFault = HEALTHY) -> int:
        """Push the service to its subscribers at once, spoilt as the fault says; returns how many there are."""
        subscribers = dict(self._subscribers.get(key, {}))
        for client, clusters in subscribers.items():
            self._push(client, key, clusters, fault)
        return len(subscribers)

    def info(self, key: ServiceKey, clusters: str, fault: RpcFault, *, healthy_only: bool = False) -> bytes:
        """The ServiceInfo as gRPC shows it: with the plain name."""
        wanted = HostFilter(frozenset(name for name in clusters.split(",") if name), healthy_only)
        head = ServiceHead(
            name=key.name,
            group=key.group,
            clusters=clusters,
            time_ms=time.time_ns() // 1_000_000 - fault.stale_ms,
            empty=fault.body == "empty",
        )
        return self._views.service_info(self._registry.find(key), head, wanted)

    def _schedule(self, key: ServiceKey, clients: set[Client], delay_s: float) -> None:
        due = self._due.get(key)
        if due is not None:
            due |= clients
            return
        self._due[key] = clients
        self._timers.start(delay_s, functools.partial(self._flush, key))

    def _flush(self, key: ServiceKey) -> None:
        subscribers = self._subscribers.get(key, {})
        for client in self._due.pop(key):
            if client in subscribers:
                self._push(client, key, subscribers[client], HEALTHY)

    def _push(self, client: Client, key: ServiceKey, clusters: str, spoilt: RpcFault) -> None:
        def render(fault: RpcFault) -> bytes:
            info = self.info(key, clusters, fault if spoilt is HEALTHY else spoilt)
            return b'"serviceInfo":' + (info[: len(info) // 2] if fault.body == "truncated" else info)

        subject = RpcSubject("NotifySubscriberRequest", key.namespace, key.group, key.name)
        again = functools.partial(self._schedule, key, {client}, _RETRY_S)
        self._clients.ask(client, subject, render, silent=again)
