"""Fuzzy watches: which services exist, by pattern, with the caps at which a real server says nothing more.

Source: alibaba/nacos naming/core/v2/index/NamingFuzzyWatchContextService.java and naming/push/v2/task; observed on
3.1.0. Left out: a real server frees a pattern's slot up to a minute after its last watcher left, here at once.
"""

import functools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import orjson

from meshregistry.sim.nacos.clients import Client, Clients, Timers
from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcSubject
from meshregistry.sim.nacos.state import Registry, ServiceKey

PATTERNS_FULL = 50310
SERVICES_FULL = 50311

_BATCH = 10
_ADD, _DELETE = "ADD_SERVICE", "DELETE_SERVICE"
_CHANGED = "FUZZY_WATCH_RESOURCE_CHANGED"
_INIT = "FUZZY_WATCH_INIT_NOTIFY"
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzyOptions:
    """Limits and delays of a real server, as its defaults have them."""

    max_patterns: int = 20
    max_services: int = 500
    first_sync_s: float = 1.0
    finish_s: float = 0.5
    change_s: float = 0.1


class FuzzyWatches:
    """Owner of the patterns, of the services that match them and of who watches."""

    def __init__(self, registry: Registry, clients: Clients, timers: Timers, options: FuzzyOptions) -> None:
        self._registry = registry
        self._clients = clients
        self._timers = timers
        self._options = options
        self._matched: dict[str, dict[str, None]] = {}
        self._watchers: dict[str, dict[Client, None]] = {}
        self._changes: dict[tuple[str, str], str] = {}
        timers.on_stop(lambda: self._changes.clear())

    def watch(self, client: Client, pattern: str, received: Sequence[str], *, initializing: bool) -> int:
        """Watch from now on; returns 0 or the code of the limit that was hit."""
        if pattern not in self._matched and len(self._matched) >= self._options.max_patterns:
            return PATTERNS_FULL
        if pattern not in self._matched:
            self._matched[pattern] = dict.fromkeys(self._existing(pattern)[: self._options.max_services])
        self._watchers.setdefault(pattern, {})[client] = None
        sync = self._send_all if initializing else functools.partial(self._send_difference, received=received)
        self._timers.start(self._options.first_sync_s, functools.partial(sync, client, pattern))
        return SERVICES_FULL if self._is_full(pattern) else 0

    def cancel(self, client: Client, pattern: str) -> None:
        """Watch no more."""
        watchers = self._watchers.get(pattern, {})
        watchers.pop(client, None)
        if not watchers:
            self._watchers.pop(pattern, None)
            self._matched.pop(pattern, None)

    def forget(self, client: Client) -> None:
        """The client is gone."""
        for pattern in [pattern for pattern, watchers in self._watchers.items() if client in watchers]:
            self.cancel(client, pattern)

    def note_change(self, key: ServiceKey, before: int, after: int) -> None:
        """A service has changed: only its first instance and its last one matter here."""
        if bool(before) == bool(after):
            return
        name = service_key(key)
        for pattern, matched in self._matched.items():
            if not matches(pattern, key) or (name in matched) == bool(after):
                continue
            if after and self._is_full(pattern):
                continue
            if after:
                matched[name] = None
            else:
                del matched[name]
            self._note(pattern, name, _ADD if after else _DELETE)

    def _existing(self, pattern: str) -> list[str]:
        namespace = pattern.partition(">>")[0]
        keys = (each.key for each in self._registry.services(namespace))
        return [service_key(key) for key in keys if matches(pattern, key)]

    def _is_full(self, pattern: str) -> bool:
        return len(self._matched[pattern]) >= self._options.max_services

    def _note(self, pattern: str, name: str, change: str) -> None:
        if not self._changes:
            self._timers.start(self._options.change_s, self._send_changes)
        self._changes[pattern, name] = change

    def _send_changes(self) -> None:
        changes, self._changes = self._changes, {}
        for (pattern, name), change in changes.items():
            for client in self._watchers.get(pattern, {}):
                self._send_change(client, pattern, name, change)

    def _send_change(self, client: Client, pattern: str, name: str, change: str) -> None:
        if client not in self._watchers.get(pattern, {}):
            return
        fields: dict[str, object] = {"syncType": _CHANGED, "serviceKey": name, "changedType": change}
        again = functools.partial(self._send_change, client, pattern, name, change)
        subject = _subject("NamingFuzzyWatchChangeNotifyRequest", name)
        silent = functools.partial(self._timers.start, _RETRY_S, again)
        self._clients.ask(client, subject, lambda fault: _members(fields, fault), silent=silent)

    def _send_all(self, client: Client, pattern: str) -> None:
        contexts = [(name, _ADD) for name in self._matched.get(pattern, ())]
        self._send_batches(client, pattern, _INIT, contexts)

    def _send_difference(self, client: Client, pattern: str, received: Collection[str]) -> None:
        matched = self._matched.get(pattern, {})
        contexts = [(name, _ADD) for name in matched if name not in set(received)]
        if pattern in self._matched and not self._is_full(pattern):
            contexts += [(name, _DELETE) for name in received if name not in matched]
        if contexts:
            self._send_batches(client, pattern, "FUZZY_WATCH_DIFF_SYNC_NOTIFY", contexts)

    def _send_batches(self, client: Client, pattern: str, kind: str, contexts: list[tuple[str, str]]) -> None:
        batches = [contexts[start : start + _BATCH] for start in range(0, len(contexts), _BATCH)]
        unanswered = set(range(len(batches)))

        def answered(number: int) -> None:
            unanswered.discard(number)
            if not unanswered and kind == _INIT:
                self._timers.start(self._options.finish_s, functools.partial(self._send_finish, client, pattern))

        for number, batch in enumerate(batches):
            sync = _Sync(kind, pattern, batch, len(batches), number + 1)
            self._send_sync(client, sync, functools.partial(answered, number))
        if not batches and kind == _INIT:
            self._send_finish(client, pattern)

    def _send_finish(self, client: Client, pattern: str) -> None:
        self._send_sync(client, _Sync("FINISH_FUZZY_WATCH_INIT_NOTIFY", pattern, [], 1, 1), lambda: None)

    def _send_sync(self, client: Client, sync: "_Sync", answered: Callable[[], object]) -> None:
        if client not in self._watchers.get(sync.pattern, {}):
            return
        again = functools.partial(self._send_sync, client, sync, answered)
        subject = RpcSubject("NamingFuzzyWatchSyncRequest", sync.pattern.partition(">>")[0])
        silent = functools.partial(self._timers.start, _RETRY_S, again)
        self._clients.ask(
            client, subject, lambda fault: _members(sync.fields(), fault), answered=answered, silent=silent
        )


@dataclass(frozen=True, slots=True)
class _Sync:
    """One NamingFuzzyWatchSyncRequest."""

    kind: str
    pattern: str
    contexts: list[tuple[str, str]]
    total: int
    current: int

    def fields(self) -> dict[str, object]:
        return {
            "syncType": self.kind,
            "groupKeyPattern": self.pattern,
            "contexts": [{"serviceKey": name, "changedType": change} for name, change in self.contexts],
            "totalBatch": self.total,
            "currentBatch": self.current,
        }


def service_key(key: ServiceKey) -> str:
    """The name of a service in fuzzy watches."""
    return f"{key.namespace}@@{key.grouped}"


def matches(pattern: str, key: ServiceKey) -> bool:
    """Whether the pattern `NAMESPACE>>GROUP>>SERVICE` finds the service; stars only at the ends of a part."""
    namespace, _, rest = pattern.partition(">>")
    group, _, name = rest.partition(">>")
    return namespace == key.namespace and _fits(group, key.group) and _fits(name, key.name)


def _fits(pattern: str, text: str) -> bool:
    core = pattern.strip("*")
    if pattern == "*":
        return True
    if pattern == f"*{core}*":
        return core in text
    if pattern == f"*{core}":
        return text.endswith(core)
    if pattern == f"{core}*":
        return text.startswith(core)
    return pattern == text and "*" not in pattern


def _subject(type_: str, name: str) -> RpcSubject:
    namespace, group, service = name.split("@@", 2)
    return RpcSubject(type_, namespace, group, service)


def _members(fields: dict[str, object], fault: RpcFault) -> bytes:
    if fault.body == "empty":
        fields = {**fields, "contexts": []}
    members = orjson.dumps(fields)[1:-1]
    return members[: len(members) // 2] if fault.body == "truncated" else members
