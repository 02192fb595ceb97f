"""Who provides and who calls what: the model behind Sidecars and its debug page.

Rules: Slime pkg/source/zookeeper/sidecar.go, but for three of its faults: a removed application loses its Sidecar, a
service that is gone loses its callers, and what is kept for one application does not depend on changes of others.
"""

import math
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import NamedTuple

from meshregistry.model.instance import ServiceKey

_STEP_SIZE = 200
"""Services looked at in one step: as many times a hundred applications are some milliseconds."""

_PRESENCE = ""
"""The dependency that every known application has: it makes an application without calls outlive a restart."""


class ServiceCalls(NamedTuple):
    """The applications of one service; `service` is its host as it stands in a Sidecar."""

    service: str
    providers: frozenset[str]
    consumers: frozenset[str]
    claimant: ServiceKey | None = None
    """Who claims the host for itself: of several names of services the one with the smallest key has it. None shares
    it with everybody."""


class ApplicationCalls(NamedTuple):
    """What one application provides and depends on, sorted."""

    provides: tuple[str, ...]
    consumes: tuple[str, ...]


CallSteps = Generator[None, None, Mapping[str, ApplicationCalls]]
"""Work in steps of some milliseconds; returns application → its calls, sorted."""


class CallModel:
    """The call model of one registry; owned by its source.

    A dependency that is gone stays for `remove_after_s` seconds, so that a restarting consumer does not lose its
    routes and cause a push to every proxy of its application. Times are monotonic seconds and must not go back.
    """

    def __init__(self, remove_after_s: float, *, self_consume: bool = False) -> None:
        self._remove_after_s = remove_after_s
        self._self_consume = self_consume
        self._by_interface: dict[str, tuple[ServiceCalls, ...]] = {}
        self._by_host: dict[str, dict[str, tuple[ServiceCalls, ...]]] = {}
        """By host, then by interface."""

        self._counts: Counter[tuple[str, str]] = Counter()
        self._links: dict[str, set[str]] = {}
        self._lingering: dict[tuple[str, str], float] = {}

    def replace(self, interface: str, calls: Iterable[ServiceCalls], now: float) -> frozenset[str]:
        """Make `calls` all that is known of an interface; return the applications whose dependencies changed."""
        before = self._by_interface.get(interface, ())
        after = tuple(sorted(calls, key=lambda each: (each.service, each.claimant or ())))
        if before == after:
            return frozenset()
        hosts = {each.service for each in (*before, *after)}
        removed = Counter(self._list_links(self._choose(hosts)))
        self._put(interface, after, hosts)
        added = Counter(self._list_links(self._choose(hosts)))
        self._counts.update(added)
        changed = {link[0] for link in added if self._bind(link)}
        self._counts.subtract(removed)
        changed |= {link[0] for link in removed if self._counts[link] <= 0 and self._release(link, now)}
        return frozenset(changed)

    def expire(self, now: float) -> frozenset[str]:
        """Drop the dependencies whose time is over; return the applications they belonged to."""
        expired = []
        for link, deadline in self._lingering.items():
            if deadline > now:
                break
            expired.append(link)
        for link in expired:
            del self._lingering[link]
            self._drop(link)
        return frozenset(link[0] for link in expired)

    @property
    def next_expiry(self) -> float:
        """When `expire` has something to do: monotonic seconds, infinity for never."""
        return next(iter(self._lingering.values()), math.inf)

    def dependencies(self, application: str) -> tuple[str, ...] | None:
        """Return the services an application's Sidecar names, None for an application that is gone."""
        links = self._links.get(application)
        return None if links is None else tuple(sorted(links - {_PRESENCE}))

    def known_applications(self) -> frozenset[str]:
        """Return the applications that have dependencies to tell, gone ones included until their time is over."""
        return frozenset(self._links)

    def walk_applications(self) -> CallSteps:
        """Find out in steps what every application provides and depends on now, for the debug page; sorted."""
        provides: dict[str, set[str]] = {}
        consumes: dict[str, set[str]] = {}
        for number, call in enumerate(self._choose(tuple(self._by_host))):
            for table, names in ((provides, call.providers), (consumes, self._list_callers(call))):
                for name in names:
                    table.setdefault(name, set()).add(call.service)
            if not (number + 1) % _STEP_SIZE:
                yield
        applications: dict[str, ApplicationCalls] = {}
        for name in sorted(provides.keys() | consumes.keys()):
            applications[name] = ApplicationCalls(
                tuple(sorted(provides.get(name, ()))), tuple(sorted(consumes.get(name, ())))
            )
            if not len(applications) % _STEP_SIZE:
                yield
        return applications

    def _put(self, interface: str, calls: tuple[ServiceCalls, ...], hosts: Iterable[str]) -> None:
        self._by_interface.pop(interface, None)
        if calls:
            self._by_interface[interface] = calls
        for host in hosts:
            own = tuple(each for each in calls if each.service == host)
            claims = self._by_host.setdefault(host, {})
            claims.pop(interface, None)
            if own:
                claims[interface] = own
            elif not claims:
                del self._by_host[host]

    def _choose(self, hosts: Iterable[str]) -> Iterator[ServiceCalls]:
        """Yield the calls that reach hosts: the merge leaves out services whose host is another one's."""
        for host in hosts:
            calls = [each for found in self._by_host.get(host, {}).values() for each in found]
            winner = min((each.claimant for each in calls if each.claimant), default=None)
            yield from (each for each in calls if not each.claimant or not winner or each.claimant.name == winner.name)

    def _list_callers(self, call: ServiceCalls) -> frozenset[str]:
        return call.consumers | call.providers if self._self_consume else call.consumers

    def _list_links(self, calls: Iterable[ServiceCalls]) -> Iterable[tuple[str, str]]:
        for call in calls:
            for application in self._list_callers(call):
                yield application, call.service
            for application in call.consumers | call.providers:
                yield application, _PRESENCE

    def _bind(self, link: tuple[str, str]) -> bool:
        """Make a dependency live; return whether it is new."""
        self._lingering.pop(link, None)
        links = self._links.setdefault(link[0], set())
        is_new = link[1] not in links
        links.add(link[1])
        return is_new

    def _release(self, link: tuple[str, str], now: float) -> bool:
        """Let a dependency linger; return whether it is gone at once."""
        del self._counts[link]
        if self._remove_after_s <= 0:
            self._drop(link)
            return True
        self._lingering[link] = now + self._remove_after_s
        return False

    def _drop(self, link: tuple[str, str]) -> None:
        links = self._links.get(link[0], set())
        links.discard(link[1])
        if not links:
            self._links.pop(link[0], None)
