"""What the reducer owns, put together: each part has its own state, and none reaches for another that it is not given.

Only the reducer's task changes any of it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from meshregistry.model.assembly import ConversionCache
from meshregistry.model.instance import Scope
from meshregistry.store.address_book import AddressBook
from meshregistry.store.chronicle import Chronicle
from meshregistry.store.contributions import Contributions
from meshregistry.store.conversions import Conversions
from meshregistry.store.doubts import Doubts
from meshregistry.store.freshness import Freshness
from meshregistry.store.given_up import GivenUp
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.mass import MassGuard
from meshregistry.store.pods import PodPatches
from meshregistry.store.provenance import Provenance
from meshregistry.store.quota import Quota
from meshregistry.store.readiness import SyncBarrier
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.rules import SourceRules
from meshregistry.store.sidecars import SidecarShelf
from meshregistry.store.slices import Slices
from meshregistry.store.staleness import Staleness
from meshregistry.store.store import SnapshotStore
from meshregistry.store.turnover import Turnover
from meshregistry.store.upkeep import Upkeep
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import ResourceEncoder


class Parts:
    """Every part once, for the reducer and those that do its work."""

    def __init__(
        self,
        store: SnapshotStore,
        encoder: ResourceEncoder,
        rules: Mapping[str, SourceRules],
        metrics: Metrics,
        clock: Callable[[], float],
        journal_size: int,
        retired: Mapping[str, SourceRules] = MappingProxyType({}),
    ) -> None:
        """`rules` are those of enabled sources, `retired` those of others of which something may be known."""
        self.store = store
        self.encoder = encoder
        self.metrics = metrics
        self.clock = clock
        self.rules = {**retired, **rules}
        self.slices = Slices(clock)
        self.cache = ConversionCache()
        self.contributions = Contributions()
        self.given_up = GivenUp()
        self.book = HoldBook(self.contributions.home, self.contributions.is_claimed)
        self.mass = MassGuard(self.guard_of, self.book, self.given_up)
        self.pods = PodPatches(self.contributions)
        self.upkeep = Upkeep()
        self.freshness = Freshness(self.contributions, self.book, self.guard_of, self.given_up, clock())
        self.doubts = Doubts(self.contributions)
        self.rejects = RejectLedger(metrics)
        self.quota = Quota(self.rules, self.contributions, self.book, metrics)
        self.conversions = Conversions(self.rules, self.contributions, self.rejects, self.quota, self.cache)
        self.sidecars = SidecarShelf(store, encoder.create_time, self.rejects, metrics)
        self.addresses = AddressBook(next((each.conversion.vip_range for each in rules.values()), ""))
        self.barrier = SyncBarrier(store, rules, metrics)
        self.staleness = Staleness(metrics)
        self.turnover = Turnover()
        self.provenance = Provenance()
        self.chronicle = Chronicle(metrics, journal_size)

    def guard_of(self, source: str) -> GuardPolicy:
        """Return by which policy a source is guarded now; the default one where it is not known."""
        rules = self.rules.get(source)
        return rules.guard if rules else GuardPolicy()

    def is_elsewhere(self, host: str) -> bool:
        """Whether a host of which a resource has nothing is claimed or held under another name."""
        return self.contributions.is_claimed(host) or self.book.is_held(host)

    def known_scopes(self) -> frozenset[Scope]:
        """Return every scope that contributes something or of which something is held."""
        return self.contributions.scopes() | self.book.scopes
