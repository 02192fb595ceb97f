"""What sources say, as claims: as much of it as their limits allow, converted, and what was dropped on the way noted.

Everything is done when the next claim is asked for, so that its caller decides when others have their turn.
"""

from collections.abc import Iterable, Iterator, Mapping

from meshregistry.model.assembly import ConversionCache, convert_entry, convert_service
from meshregistry.model.claim import Claim
from meshregistry.model.events import EntryListing, ScopeListing
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.store.contributions import Contributions
from meshregistry.store.quota import Quota
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.rules import SourceRules

Claimed = tuple[ServiceKey, tuple[Claim, ...]]
"""A service, and all that it contributes from now on."""


class Conversions:
    """Converts by the reducer's rules; called by the reducer only, which owns the parts it fills."""

    def __init__(
        self,
        rules: Mapping[str, SourceRules],
        contributions: Contributions,
        rejects: RejectLedger,
        quota: Quota,
        cache: ConversionCache,
    ) -> None:
        """The rules may change; the contributions are only looked at."""
        self._rules = rules
        self._contributions = contributions
        self._rejects = rejects
        self._quota = quota
        self._cache = cache

    def read(self, key: ServiceKey, instances: tuple[Instance, ...]) -> Claimed:
        """Take all instances of a service."""
        taken = self._quota.admit(key, instances)
        conversion = convert_service(key, taken.instances, self._rules[key.scope.source].conversion, self._cache)
        self._rejects.replace(key, (*taken.rejects, *conversion.rejects))
        return key, conversion.claims

    def read_listing(self, update: ScopeListing) -> Iterator[Claimed]:
        """Take what changed in a scope and lose what is not named any more."""
        known = self._contributions.names(update.scope) | self._rejects.names(update.scope)
        for name in known - update.names:
            yield self.read(ServiceKey(update.scope, name), ())
        for name, instances in self._quota.order(update.scope.source, update.services):
            yield self.read(ServiceKey(update.scope, name), instances)

    def read_entries(self, update: EntryListing) -> Iterator[Claimed]:
        """Take what people wrote."""
        rejects = list(update.rejects)
        policy = self._rules[update.scope.source].conversion
        gone = self._contributions.names(update.scope) - update.entries.keys() if update.is_complete else ()
        for name in gone:
            yield ServiceKey(update.scope, name), ()
        for name, entry in update.entries.items():
            conversion = convert_entry(ServiceKey(update.scope, name), entry, policy)
            rejects += conversion.rejects
            yield ServiceKey(update.scope, name), conversion.claims
        self._rejects.replace(ServiceKey(update.scope, ""), tuple(rejects))

    def read_waiting(self) -> Iterator[Claimed]:
        """Take what was beyond the limits of its source and has room now."""
        for key, instances in self._quota.take_turn():
            yield self.read(key, instances)
        self._quota.tell()

    def drop(self, scopes: Iterable[Scope]) -> Iterator[Claimed]:
        """Lose all that scopes contribute, and what waits of them."""
        gone = frozenset(scopes)
        for key in {*self._contributions.keys(gone), *self._quota.list_services(gone)}:
            self._rejects.replace(key, self._quota.admit(key, ()).rejects)
            yield key, ()
