"""One server's registry as we know it, and the hash by which a server lets its readers check that. Pure.

Deltas are applied as in Netflix's DiscoveryClient.updateDelta, but for its fault of adding a whole unknown application
(eureka issue 1528); applying one twice changes nothing.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from meshregistry.model.instance import Instance
from meshregistry.sources.eureka.instances import Registration

_NOBODY: Mapping[str, Registration] = {}


class RegistryView:
    """Registrations by application and identity. Owned by the reader of its scope, which changes drafts only."""

    def __init__(self) -> None:
        self._applications: dict[str, dict[str, Registration]] = {}
        self._statuses: Counter[str] = Counter()
        self._own: set[str] = set()

    def draft(self) -> "RegistryView":
        """Return a copy to be changed; applications are copied when they are."""
        draft = RegistryView()
        draft._applications, draft._statuses = dict(self._applications), self._statuses.copy()
        return draft

    @property
    def names(self) -> frozenset[str]:
        """Every application with at least one registration, whatever its status."""
        return frozenset(self._applications)

    @property
    def touched(self) -> frozenset[str]:
        """The applications that were changed since this draft was made."""
        return frozenset(self._own)

    @property
    def statuses(self) -> Mapping[str, int]:
        """The number of registrations by status."""
        return {status: count for status, count in sorted(self._statuses.items()) if count}

    @property
    def size(self) -> int:
        """The number of registrations."""
        return self._statuses.total()

    @property
    def hash(self) -> str:
        """The reconcile hash: every status with its count, sorted (Netflix's Applications.getReconcileHashCode)."""
        return "".join(f"{status}_{count}_" for status, count in self.statuses.items())

    def registrations(self, application: str) -> Mapping[str, Registration]:
        """Return an application's registrations by identity."""
        return self._applications.get(application, _NOBODY)

    def put(self, application: str, id_: str, registration: Registration) -> None:
        """Add or replace a registration; an equal one changes nothing."""
        before = self._applications.get(application, _NOBODY).get(id_)
        if before == registration:
            return
        self._owned(application)[id_] = registration
        self._statuses[registration.status] += 1
        if before is not None:
            self._statuses[before.status] -= 1

    def remove(self, application: str, id_: str) -> None:
        """Remove a registration, and with its last one the application."""
        before = self._applications.get(application, _NOBODY).get(id_)
        if before is None:
            return
        members = self._owned(application)
        del members[id_]
        self._statuses[before.status] -= 1
        if not members:
            del self._applications[application]

    def _owned(self, application: str) -> dict[str, Registration]:
        if application not in self._own or application not in self._applications:
            self._own.add(application)
            self._applications[application] = dict(self._applications.get(application, _NOBODY))
        return self._applications[application]


def list_instances(members: Mapping[str, Registration], statuses: Collection[str]) -> tuple[Instance, ...]:
    """Return the usable instances with one of the statuses in canonical order.

    Of those with the same address and port only the one that changed last stays: an instance that came back under
    another identity before its old lease ran out.
    """
    newest: dict[tuple[str, int], tuple[int, Instance]] = {}
    for registration in members.values():
        instance = registration.instance
        if instance is None or registration.is_overdue or registration.status not in statuses:
            continue
        place = (instance.address, instance.port)
        newest[place] = max(newest.get(place, (-1, instance)), (registration.dirty_at, instance))
    return tuple(sorted(instance for _, instance in newest.values()))
