"""What is remembered of each resource from one decision to the next."""

from meshregistry.model.service_entry import ServiceEntry
from meshregistry.store.guard import Decision, History, Rule
from meshregistry.store.upkeep import Upkeep
from meshregistry.store.world import NOBODY
from tests.support.guarded_world import SCOPE
from tests.unit.store.test_departures import claim

ORDERS = "nacos/orders"
ENTRY = ServiceEntry("nacos", "orders", ("orders",))
SERVED = Decision(ENTRY, History(ENTRY, ENTRY))
WAITING = Decision(ENTRY, History(ENTRY, ENTRY, 5.0), 15.0, Rule.EMPTY_GRACE)


def test_the_last_owner_stays_until_the_resource_is_served_no_longer() -> None:
    upkeep = Upkeep()
    assert NOBODY == upkeep.own(ORDERS, ())
    assert SCOPE == upkeep.own(ORDERS, [claim(SCOPE, "10.0.0.1")])
    upkeep.keep(ORDERS, SERVED, is_frozen=False)

    assert (SCOPE, {ORDERS}, set()) == (upkeep.own(ORDERS, ()), upkeep.owned_by({"nacos"}), upkeep.owned_by({"eureka"}))
    upkeep.keep(ORDERS, Decision(None, None), is_frozen=False)
    assert (NOBODY, {}, set()) == (upkeep.own(ORDERS, ()), upkeep.histories, upkeep.owned_by({"nacos"}))


def test_a_decision_that_waits_is_due_at_its_time_and_not_while_its_scope_is_frozen() -> None:
    upkeep = Upkeep()

    assert None is upkeep.keep(ORDERS, WAITING, is_frozen=False)
    assert ([ORDERS], 15.0, {ORDERS: Rule.EMPTY_GRACE}) == (upkeep.list_waiting(), upkeep.timers.next(), upkeep.rules)
    assert Rule.EMPTY_GRACE is upkeep.keep(ORDERS, WAITING, is_frozen=True)
    assert ([ORDERS], None) == (upkeep.list_waiting(), upkeep.timers.next())
    assert Rule.EMPTY_GRACE is upkeep.keep(ORDERS, SERVED, is_frozen=False)
    assert ([], None, {}) == (upkeep.list_waiting(), upkeep.timers.next(), upkeep.rules)
