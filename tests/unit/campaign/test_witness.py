"""The judge of the campaign: what it counts as lost and as wrong, and what it does not."""

from tests.campaign.registry import Endpoint
from tests.campaign.witness import Witness, service_of

ONE, TWO, NEVER = (Endpoint("nacos", "orders", f"10.0.0.{last}") for last in (1, 2, 3))


def witness_of(owned: set[Endpoint]) -> Witness:
    """Return a witness of a world in which only the first two were ever registered."""
    return Witness(1, lambda: owned, {ONE, TWO})


def test_what_was_held_and_is_missing_while_its_owner_lives_is_lost_once() -> None:
    witness = witness_of({ONE, TWO})
    witness.judge({ONE, TWO}, 1.0)
    witness.judge({ONE}, 2.0)
    witness.judge({ONE}, 3.0)

    assert [TWO] == witness.lost
    assert [] == witness.wrong


def test_what_comes_back_and_goes_again_is_lost_twice() -> None:
    witness = witness_of({ONE})
    for held in ({ONE}, set[Endpoint](), {ONE}, set[Endpoint]()):
        witness.judge(held, 1.0)

    assert [ONE, ONE] == witness.lost


def test_what_was_never_held_is_not_lost() -> None:
    witness = witness_of({ONE, TWO})
    witness.judge({ONE}, 1.0)

    assert [] == witness.lost


def test_what_its_owner_gave_up_may_go() -> None:
    owned = {ONE, TWO}
    witness = witness_of(owned)
    witness.judge({ONE, TWO}, 1.0)
    owned.discard(TWO)
    witness.judge({ONE}, 2.0)

    assert [] == witness.lost


def test_what_nobody_registered_is_wrong() -> None:
    witness = witness_of({ONE})
    witness.judge({ONE, NEVER}, 1.0)

    assert [NEVER] == witness.wrong


def test_what_is_awaited_is_noted_when_it_is_first_held() -> None:
    witness = witness_of({ONE})
    witness.watch_for(ONE)
    witness.judge(set(), 1.0)
    witness.judge({ONE}, 2.0)
    witness.judge({ONE}, 3.0)

    assert {ONE: 2.0} == witness.seen_at


def test_a_service_is_the_first_part_of_its_host() -> None:
    assert "shop-001" == service_of("shop-001.nacos.svc.cluster.local")
    assert "shop-001" == service_of("shop-001.dubbo")
