"""Shrink protection for one resource: when its last endpoints may go, and when the entry itself may.

A pure function over the history of one resource. Additions always flow. The rules and their defaults are
the `guard` settings; the reducer owns the histories and the clock.
"""

from enum import StrEnum

import msgspec

from meshregistry.model.ports import MAX_SERVICE_PORTS, reach
from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.store.departures import Place, place_of

EMPTIED_LABEL = ("meshregistry.io/endpoints", "none")
"""Added to an emptied entry: istiod ≤ 1.29 pushes an emptied list only together with a service-level change."""


class GuardPolicy(msgspec.Struct, frozen=True):
    """How long things outlive their registrations; seconds, 0 switches a rule off."""

    empty_grace_s: float = 10.0
    """A service's last endpoints stay this long, so that a re-registration makes no hole."""

    delete_after_s: float = 600.0
    """An emptied entry is removed after this."""

    port_grace_s: float = 600.0
    """A service port outlives its last instance this long, so that instance churn stays EDS-only."""

    mark_emptied: bool = True
    """Whether an emptied entry gets a label (`EMPTIED_LABEL`)."""

    stale_after_s: float = 90.0
    """A scope of which nothing was heard for so long is stale; more than a source leaves a scope alone."""

    max_stale_s: float | None = None
    """Endpoints of a scope of which nothing was heard for so long are dropped; None is never."""

    mass_ratio: float = 0.3
    """A shrink by more than this share within a minute is held (`store/mass.py`)."""

    mass_min: int = 10
    """A shrink by fewer endpoints is never held."""

    mass_hold_s: float = 600.0
    """A held shrink is accepted after it has been confirmed for so long; 0 accepts it with the next statement."""

    doubt_hold_s: float = 60.0
    """What the first word of a registry that was away lacks is held for so long (`store/doubts.py`)."""


class Rule(StrEnum):
    """Why a resource is served although its registry no longer says so."""

    EMPTY_GRACE = "empty_grace"
    EMPTIED = "emptied"
    QUARANTINE = "quarantine"
    PORT_GRACE = "port_grace"
    """Of its ports only: the endpoints are those that the registries name."""


class History(msgspec.Struct, frozen=True):
    """What the guard remembers of one resource between decisions; times are monotonic seconds."""

    entry: ServiceEntry
    """The last entry that had endpoints, without the ports that only grace keeps."""

    served: ServiceEntry
    """The last entry that was served with endpoints."""

    empty_since: float | None = None
    idle_ports: tuple[tuple[ServicePort, float], ...] = ()
    """Ports kept by grace, each with the time since which no instance uses it."""

    @property
    def is_waiting(self) -> bool:
        """Whether something of it goes when a time has passed."""
        return self.empty_since is not None or bool(self.idle_ports)


class Decision(msgspec.Struct, frozen=True):
    """What to serve now (None: nothing), what to remember, and when to ask again (None: on the next change)."""

    entry: ServiceEntry | None
    history: History | None
    wake_at: float | None = None
    rule: Rule | None = None


def decide(
    history: History | None,
    assembled: ServiceEntry | None,
    now: float,
    policy: GuardPolicy,
    *,
    quarantined: bool = False,
    standing: bool = False,
    lost: frozenset[Place] = frozenset(),
) -> Decision:
    """Decide what is served of one resource.

    `assembled` is what the registries say now, None when nobody claims the resource. `quarantined` says that it is
    claimed but nothing valid could be assembled: then the last good form stays (a resource too bad to send is left
    in its last good form, never dropped). `standing` says that it has no endpoints by nature: then it is served
    without. `lost` are addresses and ports that belong to another service by now: no grace keeps them.
    """
    if history is not None and lost:
        history = _give_up(history, lost, now, policy)
    if standing and history is not None and history.served.endpoints:
        waiting = _shrink(history, now, policy)
        if waiting.rule is Rule.EMPTY_GRACE:
            return waiting
    if assembled is not None and (assembled.endpoints or standing):
        return _serve(history, assembled, now, policy)
    if history is None:
        return Decision(None, None)
    if quarantined:
        return Decision(history.served, history, None, Rule.QUARANTINE)
    return _shrink(history, now, policy)


def _give_up(history: History, lost: frozenset[Place], now: float, policy: GuardPolicy) -> History:
    """Return a history without places; when they are all, it has been empty for its grace already."""
    left = tuple(each for each in history.served.endpoints if lost.isdisjoint(_list_places(each)))
    if len(left) == len(history.served.endpoints):
        return history
    since = history.empty_since
    if not left:
        since = min(now - policy.empty_grace_s, now if since is None else since)
    served = msgspec.structs.replace(history.served, endpoints=left)
    return msgspec.structs.replace(history, served=served, empty_since=since)


def _list_places(endpoint: WorkloadEntry) -> list[Place]:
    """Return every place of an endpoint: kept ports may have come before the one that it is known by."""
    return [place_of(endpoint), *((endpoint.address, number) for _, number in endpoint.ports)]


def _serve(history: History | None, entry: ServiceEntry, now: float, policy: GuardPolicy) -> Decision:
    idle = _idle_ports(history, entry, now, policy) if history and policy.port_grace_s > 0 else ()
    served = _keep_ports(entry, tuple(port for port, _ in idle))
    wake_at = min((since + policy.port_grace_s for _, since in idle), default=None)
    return Decision(served, History(entry, served, None, idle), wake_at, Rule.PORT_GRACE if idle else None)


def _idle_ports(
    history: History, entry: ServiceEntry, now: float, policy: GuardPolicy
) -> tuple[tuple[ServicePort, float], ...]:
    """Return the ports to keep although no instance uses them; a number that is in use again is not idle.

    With those in use they are at most as many as an entry may have; the ones that became idle last stay.
    """
    used = {port.number for port in entry.ports} | {port.name for port in entry.ports}
    since = dict(history.idle_ports)
    candidates = [(port, since.get(port, now)) for port in history.served.ports]
    idle = [
        (port, at) for port, at in candidates if not {port.number, port.name} & used and now < at + policy.port_grace_s
    ]
    room = max(0, MAX_SERVICE_PORTS - len(entry.ports))
    if len(idle) > room:
        idle = sorted(idle, key=lambda each: -each[1])[:room]
    return tuple(sorted(idle))


def _keep_ports(entry: ServiceEntry, idle: tuple[ServicePort, ...]) -> ServiceEntry:
    if not idle:
        return entry
    return msgspec.structs.replace(
        entry,
        ports=tuple(sorted((*entry.ports, *idle))),
        endpoints=tuple(_extend_ports(endpoint, entry.ports, idle) for endpoint in entry.endpoints),
    )


def _extend_ports(
    endpoint: WorkloadEntry, ports: tuple[ServicePort, ...], idle: tuple[ServicePort, ...]
) -> WorkloadEntry:
    """Reach the endpoint through the kept service ports too (as Slime maps every service port)."""
    if not endpoint.ports:
        return endpoint
    kept = ((port.name, reach(endpoint, ports, port)) for port in idle)
    return msgspec.structs.replace(endpoint, ports=tuple(sorted((*endpoint.ports, *kept))))


def _shrink(history: History, now: float, policy: GuardPolicy) -> Decision:
    since = now if history.empty_since is None else history.empty_since
    waiting = msgspec.structs.replace(history, empty_since=since)
    empty_at = since + policy.empty_grace_s
    if now < empty_at:
        return Decision(history.served, waiting, empty_at, Rule.EMPTY_GRACE)
    delete_at = empty_at + policy.delete_after_s
    if now < delete_at:
        return Decision(_empty(history.served, policy), waiting, delete_at, Rule.EMPTIED)
    return Decision(None, None)


def _empty(entry: ServiceEntry, policy: GuardPolicy) -> ServiceEntry:
    labels = tuple(sorted((*entry.labels, EMPTIED_LABEL))) if policy.mark_emptied else entry.labels
    return msgspec.structs.replace(entry, endpoints=(), labels=labels)
