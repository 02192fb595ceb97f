"""Who has newly registered which place: what is remembered, and for how long."""

from meshregistry.model.instance import ServiceKey
from meshregistry.store.newcomers import Newcomers
from tests.support.guarded_world import SCOPE

ORDERS, USERS = ServiceKey(SCOPE, "orders"), ServiceKey(SCOPE, "users")
HERE, THERE = ("10.0.0.1", 80), ("10.0.0.2", 80)


def test_the_oldest_are_forgotten_first() -> None:
    newcomers = Newcomers(most=3)
    newcomers.note(ORDERS, [HERE], 1.0)
    newcomers.note(USERS, [HERE], 2.0)
    newcomers.note(ORDERS, [THERE], 3.0)
    newcomers.note(ORDERS, [HERE], 4.0)
    assert [(HERE, USERS, 2.0), (THERE, ORDERS, 3.0), (HERE, ORDERS, 4.0)] == list(newcomers)

    newcomers.note(USERS, [THERE], 5.0)
    newcomers.forget_before(4.0)

    assert [(HERE, ORDERS, 4.0), (THERE, USERS, 5.0)] == list(newcomers)
    newcomers.forget_before(6.0)
    assert 0 == len(newcomers)
