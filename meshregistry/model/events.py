"""What sources tell the store, and how they tell it.

A source publishes only what its registry has authoritatively said. A failure is a status, never an update of what is
known: there is no message that could turn an error into an empty list. `RegistryAway` tells of a failure, and makes the
guard more careful.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import ServiceEntry
from meshregistry.model.sidecar import ValidatedSidecar


class ScopeListing(msgspec.Struct, frozen=True):
    """A complete, authoritative listing of one scope.

    `names` holds every service the registry lists in the scope; `services` the full instance list of
    those whose content may differ from the source's previous publication (all of them on its first one);
    `unread` those listed whose instances could not be read and therefore keep what is known.
    A service of the scope that is in no field but was known before is gone from the registry.
    """

    scope: Scope
    names: frozenset[str]
    services: Mapping[str, tuple[Instance, ...]]
    unread: frozenset[str] = frozenset()
    observed_at: float = 0.0
    """Monotonic seconds at which the registry's answer was complete; 0.0 when unknown."""


class ServiceReading(msgspec.Struct, frozen=True):
    """An authoritative reading of one service: its full instance list, possibly empty."""

    key: ServiceKey
    instances: tuple[Instance, ...]
    observed_at: float = 0.0


class ScopeConfirmed(msgspec.Struct, frozen=True):
    """The registry has just been read with success, and what was last published of a scope is what it says.

    Published after every authoritative reading, whether or not anything else was. A scope without a group stands for
    all groups of its namespace (the interfaces of a ZooKeeper).
    """

    scope: Scope
    observed_at: float = 0.0


class RegistryAway(msgspec.Struct, frozen=True):
    """A scope could not be read, and has not been since its source began; published once, before all else of it.

    An empty field of the scope stands for everything: which scopes there are may not be known yet. When the registry
    answers, what it lacks of what is known from before may only not have been registered again.
    """

    scope: Scope
    observed_at: float = 0.0


class SourceSynced(msgspec.Struct, frozen=True):
    """The source has read each of its configured scopes once, or no longer is waited for: see `reason`."""

    source: str
    reason: str = "read"
    """`read`; `wait_time` when the source's WaitTime passed first; `restored` when what was saved of it has to do."""


class SidecarChanges(msgspec.Struct, frozen=True):
    """The Sidecars that changed, by resource name (`namespace/name`).

    No Sidecar and no rejects is one that is gone; no Sidecar but rejects is one that must not be published: the last
    good one stays.
    """

    source: str
    sidecars: Mapping[str, ValidatedSidecar]
    is_complete: bool = False
    """Whether these are all: what the source told of before and does not name any more is gone."""

    observed_at: float = 0.0


class EntryListing(msgspec.Struct, frozen=True):
    """The entries that people wrote, by resource name, and what was refused of them."""

    scope: Scope
    entries: Mapping[str, ServiceEntry]
    rejects: tuple[Reject, ...] = ()
    observed_at: float = 0.0

    is_complete: bool = True
    """Whether what is not named is gone; not while a part of what is written was never understood."""


SourceUpdate = (
    EntryListing | ScopeListing | ServiceReading | ScopeConfirmed | RegistryAway | SidecarChanges | SourceSynced
)


class Sink(Protocol):
    """Where a source puts its updates."""

    async def publish(self, update: SourceUpdate) -> None:
        """Hand over one update; waits while the queue is full. Cancelling it is safe: nothing was handed over."""
        ...


class Source(Protocol):
    """A registry source: constructed without I/O, run until cancelled."""

    @property
    def name(self) -> str:
        """Source kind: `nacos`, `eureka`, `zookeeper`."""
        ...

    async def run(self, sink: Sink) -> None:
        """Read the registry for ever; raises only when the source itself is broken."""
        ...

    def read_again(self) -> None:
        """Have everything read as soon as possible, whatever is due; returns at once. An outage stays one."""
        ...
