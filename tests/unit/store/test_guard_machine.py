"""Random registries, outages, operators and clocks over a whole reducer: what must hold whatever happens."""

from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meshregistry.model.events import ScopeConfirmed, ScopeListing, ServiceReading
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.guard import GuardPolicy
from meshregistry.store.operator import EVERYTHING, Accept, Freeze, Reject, StoreUpdate, Thaw
from tests.support.guarded_world import OTHER_SCOPE, SCOPE, GuardedWorld, instances

SCOPES = (SCOPE, OTHER_SCOPE)
TARGETS = (EVERYTHING, SCOPE, Scope("nacos", "", "", ""))
POLICY = GuardPolicy(empty_grace_s=10, delete_after_s=50, port_grace_s=0, mass_ratio=0.3, mass_min=4, mass_hold_s=100)
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


def resource(name: str) -> str:
    return f"nacos/{name}.nacos"


class GuardMachine(RuleBasedStateMachine):
    """`truth` is what each registry said last of each service."""

    def __init__(self) -> None:
        super().__init__()
        self.world = GuardedWorld(POLICY, ConversionPolicy(source="nacos"))
        self.truth: dict[tuple[Scope, str], frozenset[int]] = {}
        self.served: Endpoints = set()
        self.holds: dict[str, int] = {}

    def said(self, *updates: StoreUpdate) -> None:
        self.served = self.world.endpoints()
        self.holds = {hold.id: hold.held for hold in self.world.reducer.list_holds()}
        finish(self.world.reducer.reduce(updates))

    def registered(self) -> Endpoints:
        """Every endpoint that a registry named last."""
        return {
            (resource(name), instance.address)
            for (scope, name), found in self.truth.items()
            for instance in instances(*(offset(scope, name) + number for number in found))
        }

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
        for name in NAMES:
            self.truth.pop((scope, name), None)
        self.truth.update({(scope, name): found for name, found in content.items()})
        services = {
            name: instances(*(offset(scope, name) + number for number in sorted(found)))
            for name, found in content.items()
        }
        self.said(ScopeListing(scope, frozenset(services), services))

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
        assert self.served <= self.world.endpoints()

    @rule(what=st.sampled_from(TARGETS))
    def thaw(self, what: Scope) -> None:
        self.said(Thaw(what))

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
        fresh = GuardedWorld(POLICY, ConversionPolicy(source="nacos"))
        for (scope, name), found in sorted(self.truth.items(), reverse=True):
            addresses = (offset(scope, name) + number for number in sorted(found, reverse=True))
            finish(fresh.reducer.reduce([ServiceReading(ServiceKey(scope, name), instances(*addresses))]))
        assert fresh.version == self.world.version


TestGuardMachine = GuardMachine.TestCase
TestGuardMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
