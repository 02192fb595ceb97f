"""What the pages read, as Protocols: the application satisfies them with its own objects.

Nothing behind a view may hand out a secret; the pages print what they are given. Values typed `object` must be
JSON-able: strings, numbers, booleans, None, sequences and mappings of these, or msgspec records of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from meshregistry.model.call_model import CallSteps
from meshregistry.model.instance import Instance
from meshregistry.model.rejects import Reject
from meshregistry.store.explain import Question, ResourceAnswer
from meshregistry.store.journal import Entry
from meshregistry.store.snapshot import Snapshot
from meshregistry.store.staleness import Stale


class SnapshotView(Protocol):
    """The store, as far as pages see it."""

    @property
    def current(self) -> Snapshot:
        """The newest snapshot."""
        ...


class ReadinessView(Protocol):
    """Whether the process does its job; ready means that both properties are empty."""

    @property
    def not_ready(self) -> tuple[str, ...]:
        """What is not ready besides sources, for humans: `xds not ready`."""
        ...

    @property
    def sources_not_ready(self) -> tuple[str, ...]:
        """Enabled sources that have not read all their scopes: `nacos`."""
        ...


class StalenessView(Protocol):
    """What of the snapshot is older than it should be."""

    def list_stale(self) -> tuple[Stale, ...]:
        """Return the sources whose part was restored and not confirmed, or of which a registry is away for long."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What humans should know although the process does its job, one line each."""
        ...


class ClientsView(Protocol):
    """The connected xDS clients."""

    def clients(self) -> Iterable[tuple[str, object]]:
        """Yield the connection id of each client and what is known of it; others may come and go meanwhile."""
        ...


class SourcesView(Protocol):
    """The state of all sources."""

    def sources(self) -> Iterable[tuple[str, Iterable[object]]]:
        """Yield each source kind and the status of its registries: scopes, last success, failures."""
        ...


class RegistriesView(Protocol):
    """The registries behind one source."""

    def registries(self) -> Sequence[Mapping[str, object]]:
        """Return one mapping per server: `registry_id`, `addresses` without credentials, and its status."""
        ...


class RejectsView(Protocol):
    """What is dropped or repaired in the current snapshot."""

    def walk_rejects(self) -> Iterator[Reject]:
        """Yield every reject in any order; what comes or goes meanwhile may be missing."""
        ...


class JournalView(Protocol):
    """What changed lately, and why."""

    @property
    def last(self) -> int:
        """The number of the newest line, 0 for none."""
        ...

    def list_since(self, number: int, host: str, limit: int) -> list[Entry]:
        """Return the oldest lines after a number, of one host or resource unless "", at most `limit`."""
        ...

    def list_newest(self, host: str, limit: int) -> list[Entry]:
        """Return the newest lines, of one host or resource unless "", at most `limit`, the oldest first."""
        ...


class ClientHolding(msgspec.Struct, frozen=True):
    """What one client has of a resource."""

    client: str
    state: str
    """In words: whether the client has acknowledged the resource's present version."""

    version_acked: str
    """Of all that the client sees, not of the resource."""

    acked_age_s: float | None
    """Seconds since the client's last ACK, of whatever response of the type."""

    held_s: float | None = None
    """Seconds since the ACK that first covered the resource's last change; None for a client without one."""

    is_held_longer: bool = False
    """Whether `held_s` is only the least that is known."""


class Why(msgspec.Struct, frozen=True):
    """Everything about one resource."""

    resource: ResourceAnswer
    changes: tuple[Entry, ...]
    """Its newest lines in the journal, the oldest first."""

    clients: tuple[ClientHolding, ...]
    """Not all where there are many: then those that do not hold its present version come first."""

    client_states: Mapping[str, int]
    """All clients counted by their state."""

    more_resources: int = 0
    """Resources that were asked about, too, and have no answer, as there are too many."""

    stale: tuple[str, ...] = ()
    """What of it is older than it should be, for humans: `stale as of 2026-01-01T12:00:00+00:00: nacos`."""


class WhyView(Protocol):
    """Answers why a host has its endpoints."""

    def explain(self, question: Question) -> Iterator[Why | None]:
        """Yield one answer per resource of a host, of an address, or of both; None for a step that found none yet."""
        ...


class DubboView(Protocol):
    """What is known of Dubbo services beyond their entries; empty without a ZooKeeper."""

    def instances(self, interface: str) -> Iterable[tuple[str, str, tuple[Instance, ...]]]:
        """Yield interface, service and instances of everything that was read; "" is all interfaces."""
        ...

    def why_no_calls(self) -> str:
        """Return why nothing is known of calls, "" where it is looked for."""
        ...

    def calls(self) -> CallSteps:
        """Find out in steps what every application provides and calls now; returns them by name, sorted."""
        ...

    def used_calls(self) -> CallSteps:
        """Do the same as it stands in the Sidecars that are served."""
        ...


class PodsView(Protocol):
    """The cache of Kubernetes' pods and nodes; empty while nothing needs it."""

    def pods(self) -> Iterable[tuple[str, Iterable[tuple[str, object]]]]:
        """Yield each cluster and its IPs with `Meta` and `NodeName`; these may come and go meanwhile."""
        ...

    def nodes(self) -> Iterable[tuple[str, Iterable[tuple[str, object]]]]:
        """Yield each cluster and its nodes with their metadata."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Everything the pages show."""

    snapshot: SnapshotView
    readiness: ReadinessView
    staleness: StalenessView
    clients: ClientsView
    sources: SourcesView
    rejects: RejectsView
    journal: JournalView
    why: WhyView
    dubbo: DubboView
    pods: PodsView

    registries: Mapping[str, RegistriesView]
    """Source kind → its registries; each kind gets a page of its own."""

    args: Callable[[], str]
    """Returns the effective settings as YAML, without secrets."""

    slime_args: Callable[[], object]
    """Returns the same by Slime's names, JSON-able."""

    create_time: datetime
    """The creation instant that all resources carry on the wire; aware."""

    version_annotation: bool = True
    """Whether `/xdsCache` shows the version of a resource as an annotation, too (Slime's EnableAnnoResVer)."""
