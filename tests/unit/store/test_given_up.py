"""Which places resources have given up in a batch."""

from meshregistry.store.given_up import GivenUp
from tests.support.guarded_world import SCOPE
from tests.unit.store.test_departures import claim

ORDERS = "nacos/orders"
HERE, THERE = ("10.0.0.1", 80), ("10.0.0.2", 80)


def test_a_resource_has_given_up_what_none_of_its_claims_still_has() -> None:
    given_up = GivenUp()
    given_up.note({ORDERS}, HERE)
    given_up.note({ORDERS, "nacos/users"}, THERE)

    assert {HERE} == given_up.of(ORDERS, [claim(SCOPE, THERE[0])])
    assert {HERE, THERE} == given_up.of(ORDERS, ())
    assert {THERE} == given_up.of("nacos/users", ())
    assert frozenset() == given_up.of("nacos/carts", ())
    given_up.clear()
    assert frozenset() == given_up.of(ORDERS, ())
