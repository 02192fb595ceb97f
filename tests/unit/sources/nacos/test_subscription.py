"""The table of subscriptions: what is asked for, what is redone, what is too old."""

from meshregistry.sources.nacos.messages import Content, ServiceName
from meshregistry.sources.nacos.subscription import Subscriptions

A, B, C = (ServiceName("G", name) for name in "abc")
ALL_GROUPS = frozenset({"G"})


def _taken(subscriptions: Subscriptions) -> list[ServiceName]:
    return list(iter(subscriptions.take, None))


def _subscribed(*services: ServiceName, limit: int = 10) -> Subscriptions:
    subscriptions = Subscriptions(limit, linger_s=60.0)
    subscriptions.want(services)
    for service in _taken(subscriptions):
        subscriptions.confirm(service, now=1.0)
    return subscriptions


def test_a_service_is_asked_for_once() -> None:
    subscriptions = Subscriptions(10, linger_s=60.0)
    assert subscriptions.want([A, B])
    assert subscriptions.want([B])

    assert [A, B] == _taken(subscriptions)
    assert not subscriptions.want([A, B])
    assert (2, 2) == (len(subscriptions), subscriptions.waiting)


def test_after_a_lost_connection_everything_is_asked_for_again_once() -> None:
    subscriptions = _subscribed(A, B)
    subscriptions.want([C])
    subscriptions.lose()

    assert (0, 3) == (subscriptions.live, subscriptions.waiting)
    assert [A, B, C] == sorted(_taken(subscriptions))
    assert not subscriptions.is_live_since(A, 99.0)


def test_a_refused_subscription_is_asked_for_again_and_told_of() -> None:
    subscriptions = Subscriptions(10, linger_s=60.0)
    subscriptions.want([A])
    _taken(subscriptions)
    subscriptions.fail(A, "throttled")

    assert {"G/a": "throttled"} == subscriptions.errors(5)
    assert subscriptions.retry()
    assert [A] == _taken(subscriptions)
    subscriptions.confirm(A, 3.0)
    assert ({}, 1) == (subscriptions.errors(5), subscriptions.live)
    assert not subscriptions.retry()


def test_refusals_in_a_row_are_counted_until_nothing_is_refused_or_the_connection_is_new() -> None:
    subscriptions = Subscriptions(10, linger_s=60.0)
    subscriptions.want([A])
    retries = []
    for _ in range(3):
        _taken(subscriptions)
        subscriptions.fail(A, "denied")
        subscriptions.retry()
        retries.append(subscriptions.retries)
    _taken(subscriptions)
    subscriptions.confirm(A, 3.0)
    subscriptions.retry()
    retries.append(subscriptions.retries)
    assert [1, 2, 3, 0] == retries

    subscriptions.fail(A, "denied")
    subscriptions.retry()
    subscriptions.lose()
    assert 0 == subscriptions.retries


def test_what_is_older_than_what_came_before_is_not_accepted_and_equal_times_are() -> None:
    subscriptions = _subscribed(A)

    assert [True, True, False, True] == [
        subscriptions.accept(Content(A, ref_time, b"")) for ref_time in (100, 100, 99, 101)
    ]
    assert not subscriptions.accept(Content(B, 200, b""))


def test_another_node_has_another_clock() -> None:
    subscriptions = _subscribed(A)
    subscriptions.accept(Content(A, 100, b""))
    subscriptions.lose()

    assert subscriptions.accept(Content(A, 50, b""))


def test_a_reply_older_than_what_was_held_when_it_was_asked_for_sets_the_clock_back() -> None:
    subscriptions = _subscribed(A)
    subscriptions.accept(Content(A, 100, b""))
    assert subscriptions.ask_again(A)
    assert ([A], 0, 100) == (_taken(subscriptions), subscriptions.waiting, subscriptions.ref_time(A))

    subscriptions.set_back(Content(A, 40, b""), 100)
    assert [True, False, True] == [subscriptions.accept(Content(A, ref_time, b"")) for ref_time in (40, 39, 41)]


def test_a_reply_does_not_set_the_clock_back_when_something_newer_came_in_between_or_it_is_not_older() -> None:
    subscriptions = _subscribed(A)
    subscriptions.accept(Content(A, 105, b""))
    subscriptions.set_back(Content(A, 104, b""), 100)
    subscriptions.set_back(Content(A, 99, b""), 100)

    assert not subscriptions.accept(Content(A, 104, b""))


def test_what_is_not_subscribed_is_not_asked_for_again() -> None:
    subscriptions = Subscriptions(10, linger_s=60.0)
    subscriptions.want([A])

    assert [False, False] == [subscriptions.ask_again(service) for service in (A, B)]
    assert [A] == _taken(subscriptions)


def test_a_service_that_is_not_listed_any_more_stays_subscribed_for_a_while() -> None:
    subscriptions = _subscribed(A, B)

    assert [] == subscriptions.settle({A}, ALL_GROUPS, now=100.0)
    assert [] == subscriptions.settle({A}, ALL_GROUPS, now=159.0)
    assert [B] == subscriptions.settle({A}, ALL_GROUPS, now=160.0)
    assert (1, 1) == (len(subscriptions), subscriptions.live)


def test_a_service_that_comes_back_in_time_lingers_anew() -> None:
    subscriptions = _subscribed(A)
    subscriptions.settle(set(), ALL_GROUPS, now=100.0)
    subscriptions.settle({A}, ALL_GROUPS, now=130.0)

    assert [] == subscriptions.settle(set(), ALL_GROUPS, now=170.0)


def test_a_listing_of_other_groups_takes_nothing_away() -> None:
    subscriptions = _subscribed(A)
    for now in (100.0, 200.0):
        assert [] == subscriptions.settle(set(), frozenset({"other"}), now)


def test_the_table_is_bounded_and_says_what_is_left_out() -> None:
    subscriptions = _subscribed(A, B, limit=2)
    subscriptions.settle({A, B, C}, ALL_GROUPS, now=1.0)

    assert (2, 1) == (len(subscriptions), subscriptions.beyond_limit)
    assert C not in subscriptions


def test_a_subscription_is_live_only_since_it_was_confirmed() -> None:
    subscriptions = _subscribed(A)

    assert [False, True] == [subscriptions.is_live_since(A, moment) for moment in (0.5, 1.0)]


def test_its_groups_are_those_of_the_services_in_it() -> None:
    other = ServiceName("other", "a")
    subscriptions = _subscribed(A, B, other)
    for now in (100.0, 160.0):
        subscriptions.settle({A}, {"G", "other"}, now)

    assert {"G"} == subscriptions.groups
    subscriptions.settle({A, other}, {"G", "other"}, 170.0)
    assert {"G", "other"} == subscriptions.groups
