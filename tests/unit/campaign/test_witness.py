"""The judge of the campaign: what it counts as lost and as wrong, and what it does not."""

from collections.abc import Iterable

from tests.campaign.served import Endpoint, Port, Served, World
from tests.campaign.witness import Witness, leave_out_litter

ONE, TWO, NEVER = (Endpoint("nacos", "orders", f"10.0.0.{last}") for last in (1, 2, 3))
SERVED = Served(
    ("orders.nacos.svc.cluster.local",), (Port(80, "HTTP", "http-80", 8080),), 100, (("app", "orders"),), ()
)


def witness_of(owned: set[Endpoint]) -> Witness:
    """Return a witness of a world in which only the first two were ever registered, and in one way."""
    return Witness(1, lambda: owned, lambda endpoint, served: endpoint in {ONE, TWO} and served == SERVED)


def world(endpoints: Iterable[Endpoint]) -> World:
    """Return a world of endpoints that are served as they were registered."""
    return dict.fromkeys(endpoints, (SERVED,))


def test_what_was_held_and_is_missing_while_its_owner_lives_is_lost_once() -> None:
    witness = witness_of({ONE, TWO})
    witness.judge(world([ONE, TWO]), 1.0)
    witness.judge(world([ONE]), 2.0)
    witness.judge(world([ONE]), 3.0)

    assert [TWO] == witness.lost
    assert [] == witness.wrong


def test_what_comes_back_and_goes_again_is_lost_twice() -> None:
    witness = witness_of({ONE})
    for held in ([ONE], [], [ONE], []):
        witness.judge(world(held), 1.0)

    assert [ONE, ONE] == witness.lost


def test_what_was_never_held_is_not_lost() -> None:
    witness = witness_of({ONE, TWO})
    witness.judge(world([ONE]), 1.0)

    assert [] == witness.lost


def test_what_its_owner_gave_up_may_go() -> None:
    owned = {ONE, TWO}
    witness = witness_of(owned)
    witness.judge(world([ONE, TWO]), 1.0)
    owned.discard(TWO)
    witness.judge(world([ONE]), 2.0)

    assert [] == witness.lost


def test_what_nobody_registered_is_wrong() -> None:
    witness = witness_of({ONE})
    witness.judge(world([ONE, NEVER]), 1.0)

    assert [f"nacos orders 10.0.0.3: never registered as {SERVED}"] == witness.wrong


def test_what_nobody_registered_so_is_wrong_each_time_that_it_comes() -> None:
    heavy = SERVED._replace(weight=200)
    witness = witness_of({ONE})
    for served in (SERVED, heavy, heavy, SERVED, heavy):
        witness.judge({ONE: (served,)}, 1.0)

    assert [f"nacos orders 10.0.0.1: never registered as {heavy}"] * 2 == witness.wrong
    assert [] == witness.lost


def test_an_address_that_its_service_has_twice_is_wrong() -> None:
    witness = witness_of({ONE})
    witness.judge({ONE: (SERVED, SERVED)}, 1.0)

    assert ["nacos orders 10.0.0.1: held 2 times"] == witness.wrong


def test_what_is_awaited_is_noted_when_it_is_first_held() -> None:
    witness = witness_of({ONE})
    witness.watch_for(ONE)
    witness.judge({}, 1.0)
    witness.judge(world([ONE]), 2.0)
    witness.judge(world([ONE]), 3.0)

    assert {ONE: 2.0} == witness.seen_at


def test_what_hostile_records_make_is_left_out() -> None:
    litter = Endpoint("nacos", "orders", "192.0.2.1")

    assert world([ONE]) == leave_out_litter(world([ONE, litter]))
