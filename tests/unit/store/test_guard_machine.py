"""Random registries, outages, operators and clocks over a whole reducer: what must hold whatever happens."""

from collections.abc import Coroutine, Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meshregistry.model.events import RegistryAway, ScopeConfirmed, ScopeListing, ServiceReading, SourceSynced
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.departures import covers
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.operator import EVERYTHING, Accept, Freeze, Reject, StoreUpdate, Thaw
from tests.support.guarded_world import OTHER_SCOPE, SCOPE, GuardedWorld, instances

SCOPES = (SCOPE, OTHER_SCOPE)
TARGETS = (EVERYTHING, SCOPE, Scope("nacos", "", "", ""))
POLICY = GuardPolicy(10, 50, 0, mass_ratio=0.3, mass_min=4, mass_hold_s=100, doubt_hold_s=40)
NAMES = ("a", "b", "c", "d")

Endpoints = set[tuple[str, str]]

scopes = st.sampled_from(SCOPES)
names = st.sampled_from(NAMES)
numbers = st.frozensets(st.integers(0, 11), max_size=12)


def finish(work: Coroutine[Any, Any, object]) -> None:
    """Run a coroutine that only ever yields to the loop."""
    try:
        while True:
            work.send(None)
    except StopIteration:
        pass


def offset(scope: Scope, name: str) -> int:
    """Where a service's addresses begin: no two services share one."""
    return 20 * (NAMES.index(name) + len(NAMES) * SCOPES.index(scope))


CONVERSIONS = {
    "nacos": ConversionPolicy(source="nacos"),
    "shop": ConversionPolicy(source="nacos", ns_host=False, dom_suffix="shop"),
}
"""What the names of resources end in → a conversion that makes them so."""


def listing_of(scope: Scope, content: Mapping[str, frozenset[int]]) -> ScopeListing:
    """Return a listing of services and the numbers of their endpoints."""
    services = {
        name: instances(*(offset(scope, name) + number for number in sorted(found))) for name, found in content.items()
    }
    return ScopeListing(scope, frozenset(services), services)


class GuardMachine(RuleBasedStateMachine):
    """`truth` is what each registry said last of each service, `suffix` how its resources are named now."""

    def __init__(self) -> None:
        super().__init__()
        self.suffix = "nacos"
        self.world = GuardedWorld(POLICY, CONVERSIONS[self.suffix])
        self.truth: dict[tuple[Scope, str], frozenset[int]] = {}
        self.served: Endpoints = set()
        self.holds: dict[str, int] = {}
        self.claimed: set[str] = set()

    def remember(self) -> None:
        """Look at what is served and held before a step."""
        self.served = self.world.endpoints()
        self.holds = {hold.id: hold.held for hold in self.world.reducer.list_holds()}

    def said(self, *updates: StoreUpdate) -> None:
        self.remember()
        frozen = EVERYTHING in self.world.reducer.frozen
        finish(self.world.reducer.reduce(updates))
        if frozen and EVERYTHING in self.world.reducer.frozen and not any(isinstance(each, Accept) for each in updates):
            self.lost_nothing()

    def lost_nothing(self) -> None:
        """Of a resource that somebody claimed, as what is accepted or was confirmed goes when it is registered anew."""
        assert {each for each in self.served if each[0] in self.claimed} <= self.world.endpoints()

    def endpoints_of(self, scope: Scope) -> Endpoints:
        """What a registry named last of one scope."""
        return {
            (f"nacos/{name}.{self.suffix}", instance.address)
            for (each, name), found in self.truth.items()
            if each == scope
            for instance in instances(*(offset(scope, name) + number for number in found))
        }

    def registered(self) -> Endpoints:
        """Every endpoint that a registry named last."""
        return set().union(*map(self.endpoints_of, SCOPES))

    def listings(self) -> list[ScopeListing]:
        """What the registries would say now."""
        return [
            listing_of(scope, {name: found for (each, name), found in self.truth.items() if each == scope})
            for scope in SCOPES
        ]

    def must_be_kept(self) -> None:
        """Nothing of a hold may be lost by what has just happened."""
        now = {hold.id: hold.held for hold in self.world.reducer.list_holds()}
        assert self.holds.items() <= now.items()

    @initialize(sizes=st.lists(st.integers(0, 12), min_size=8, max_size=8))
    def begin(self, sizes: list[int]) -> None:
        for scope in SCOPES:
            self.listing(
                scope,
                {name: frozenset(range(sizes[index + 4 * SCOPES.index(scope)])) for index, name in enumerate(NAMES)},
            )

    @rule(scope=scopes, content=st.dictionaries(names, numbers))
    def listing(self, scope: Scope, content: dict[str, frozenset[int]]) -> None:
        before = self.endpoints_of(scope)
        for name in NAMES:
            self.truth.pop((scope, name), None)
        self.truth.update({(scope, name): found for name, found in content.items()})
        self.said(listing_of(scope, content))
        after = self.endpoints_of(scope)
        if is_massive(len(before), len(after)):
            assert before <= self.world.endpoints()

    @rule(scope=scopes)
    def comes_back_empty(self, scope: Scope) -> None:
        self.listing(scope, {})

    @rule(scope=scopes, name=names, found=numbers)
    def reading(self, scope: Scope, name: str, found: frozenset[int]) -> None:
        self.truth[scope, name] = found
        addresses = (offset(scope, name) + number for number in sorted(found))
        self.said(ServiceReading(ServiceKey(scope, name), instances(*addresses)))

    @rule(scope=scopes, seconds=st.sampled_from([1.0, 20.0, 300.0]))
    def confirmation(self, scope: Scope, seconds: float) -> None:
        self.world.now += seconds
        self.said(ScopeConfirmed(scope))

    @rule(seconds=st.sampled_from([0.5, 10.0, 61.0, 10_000.0]))
    def outage(self, seconds: float) -> None:
        """Failures are no updates: all that happens is time."""
        self.world.now += seconds
        self.said()
        self.must_be_kept()

    @rule(seconds=st.sampled_from([0.0, 61.0, 10_000.0]), is_read=st.booleans())
    def restart(self, seconds: float, is_read: bool) -> None:
        """Another process goes on; its registries may be away, or have nothing new to say."""
        self.remember()
        version = self.world.version
        finish(self.world.restart(seconds))
        assert version == self.world.version
        self.must_be_kept()
        if is_read:
            self.said(*self.listings(), SourceSynced("nacos"))
            self.must_be_kept()

    @rule(seconds=st.sampled_from([0.0, 61.0]), where=st.sampled_from([SCOPE, TARGETS[2]]), data=st.data())
    def double_fault(self, seconds: float, where: Scope, data: st.DataObject) -> None:
        """The registries are away when another process begins, and come back knowing a part: nothing is lost by that.

        Nor by a scope that could be read from the start, beyond what it lacks itself.
        """
        finish(self.world.restart(seconds))
        self.said(RegistryAway(where))
        self.must_be_kept()
        before = {scope: self.endpoints_of(scope) for scope in SCOPES if covers(where, scope)}
        for place, found in list(self.truth.items()):
            known = data.draw(st.frozensets(st.sampled_from(sorted(found)))) if found else found
            self.truth[place] = known if covers(where, place[0]) else found
        self.said(*self.listings(), SourceSynced("nacos"))
        for scope, each in before.items():
            assert each <= self.world.endpoints(), scope
        self.world.now += 1
        self.said()
        self.must_be_kept()

    @rule()
    def rename(self) -> None:
        """A reload gives everything other names; what left lately has nothing to do with it."""
        self.world.now += 61
        self.said()
        before = [self.endpoints_of(scope) for scope in SCOPES]
        self.remember()
        self.suffix = next(each for each in CONVERSIONS if each != self.suffix)
        finish(self.world.convert_otherwise("nacos", CONVERSIONS[self.suffix], *self.listings(), SourceSynced("nacos")))
        for each in before:
            if len(each) >= POLICY.mass_min:
                assert each <= self.world.endpoints()

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        hold = data.draw(st.sampled_from(sorted(self.holds)))
        self.said(Accept(hold))

    @rule(hold=st.integers(1, 5))
    def reject(self, hold: int) -> None:
        self.said(Reject(str(hold)))
        self.must_be_kept()

    @rule(what=st.sampled_from(TARGETS))
    def freeze(self, what: Scope) -> None:
        self.said(Freeze(what))
        self.must_be_kept()
        self.lost_nothing()

    @rule(what=st.sampled_from(TARGETS))
    def thaw(self, what: Scope) -> None:
        self.said(Thaw(what))

    @invariant()
    def what_is_claimed_is_remembered(self) -> None:
        """Run after each step: it is what was claimed before the next one."""
        self.claimed = {name for name, _ in self.registered()}

    @invariant()
    def additions_flow(self) -> None:
        assert self.registered() <= self.world.endpoints()

    @invariant()
    def what_is_held_is_served(self) -> None:
        held = sum(hold.held for hold in self.world.reducer.list_holds())
        assert len(self.registered()) + held <= self.world.count()

    @invariant()
    def what_goes_was_taken_away_by_a_registry(self) -> None:
        assert not (self.served - self.world.endpoints()) & self.registered()

    @invariant()
    def the_metric_tells_what_is_held(self) -> None:
        held = sum(hold.held for hold in self.world.reducer.list_holds())
        assert held == (self.world.metric("held_endpoints") or 0)

    def teardown(self) -> None:
        """Without holds the same truth gives the same bytes, whatever came before."""
        for target in self.world.reducer.frozen:
            finish(self.world.reducer.reduce([Thaw(target)]))
        for hold in self.world.reducer.list_holds():
            finish(self.world.reducer.reduce([Accept(hold.id)]))
        for _ in range(2):
            self.world.now += 1000
            finish(self.world.reducer.reduce([]))
        fresh = GuardedWorld(POLICY, CONVERSIONS[self.suffix])
        for (scope, name), found in sorted(self.truth.items(), reverse=True):
            addresses = (offset(scope, name) + number for number in sorted(found, reverse=True))
            finish(fresh.reducer.reduce([ServiceReading(ServiceKey(scope, name), instances(*addresses))]))
        assert fresh.version == self.world.version


def is_massive(before: int, after: int) -> bool:
    """Whether one statement that leaves so many endpoints of a scope has to be held, whatever came before it."""
    return before - after >= POLICY.mass_min and before - after > POLICY.mass_ratio * before


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
