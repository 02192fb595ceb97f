"""What a listing lacks: believed at once, or only when it lasts."""

from meshregistry.model.instance import Instance
from meshregistry.sources.nacos.absence import Absences

ONE, TWO = Instance("10.0.0.1", 80), Instance("10.0.0.2", 80)
SAME_ADDRESS = Instance("10.0.0.1", 81)


def test_what_is_not_doubted_is_believed() -> None:
    absences = Absences(30.0)

    assert () == absences.take("orders", (ONE, TWO), 100.0, is_doubted=False)
    assert (0, None) == (len(absences), absences.due_at)


def test_each_instance_that_is_doubted_must_stay_away_for_the_time_of_its_own() -> None:
    absences = Absences(30.0)
    kept = [
        absences.take("orders", (ONE,), 100.0, is_doubted=True),
        absences.take("orders", (ONE, TWO), 110.0, is_doubted=True),
        absences.take("orders", (ONE, TWO), 130.0, is_doubted=False),
        absences.take("orders", (TWO,), 139.9, is_doubted=False),
    ]

    assert [(ONE,), (ONE, TWO), (TWO,), (TWO,)] == kept
    assert ("orders" in absences, 140.0) == (True, absences.due_at)
    assert () == absences.take("orders", (TWO,), 140.0, is_doubted=False)
    assert "orders" not in absences


def test_one_that_came_back_begins_anew() -> None:
    absences = Absences(30.0)
    absences.take("orders", (ONE,), 100.0, is_doubted=True)
    absences.take("orders", (), 110.0, is_doubted=True)

    assert absences.due_at is None
    assert (ONE,) == absences.take("orders", (ONE,), 130.0, is_doubted=True)


def test_an_instance_is_known_by_address_and_port() -> None:
    absences = Absences(30.0)
    absences.take("orders", (ONE,), 100.0, is_doubted=True)

    assert not absences.are_new("orders", (ONE,))
    assert absences.are_new("orders", (ONE, SAME_ADDRESS))
    assert absences.are_new("users", (ONE,))
    assert not absences.are_new("users", ())


def test_what_is_published_no_more_is_forgotten() -> None:
    absences = Absences(30.0)
    for name in ("orders", "users", "shop"):
        absences.take(name, (ONE,), 100.0, is_doubted=True)
    absences.forget("shop")
    absences.keep_only({"orders"})

    assert [True, False, False] == [name in absences for name in ("orders", "users", "shop")]


def test_with_no_time_to_settle_nothing_is_kept() -> None:
    absences = Absences(0.0)

    assert () == absences.take("orders", (ONE,), 100.0, is_doubted=True)
    assert absences.due_at is None
