"""What a fuzzy watch told, and what it keeps to itself."""

import msgspec

from meshregistry.sources.nacos.fuzzy import FuzzyWatch, watch_request
from meshregistry.sources.nacos.messages import FuzzyContext, ServiceName
from meshregistry.sources.nacos.protocol import FuzzyNews

A, B, OTHER = ServiceName("G", "a"), ServiceName("G", "b"), ServiceName("H", "a")
GROUPS = frozenset({"G", "H"})


def _news(change: str, *services: ServiceName, namespace: str = "public") -> FuzzyNews:
    return FuzzyNews(tuple(FuzzyContext(f"{namespace}@@{each.group}@@{each.name}", change) for each in services))


def _finished(*services: ServiceName) -> FuzzyWatch:
    watch = FuzzyWatch("public")
    watch.take(_news("ADD_SERVICE", *services))
    watch.take(FuzzyNews((), finished=True))
    return watch


def test_the_request_has_the_list_that_the_server_needs() -> None:
    assert {
        "initializing": True,
        "namespace": "public",
        "groupKeyPattern": "public>>*>>*",
        "receivedGroupKeys": [],
        "watchType": "WATCH",
    } == msgspec.json.decode(watch_request("public").body)


def test_services_come_and_go_and_strangers_are_not_taken() -> None:
    watch = FuzzyWatch("public")

    assert [A, OTHER] == watch.take(_news("ADD_SERVICE", A, OTHER))
    assert [] == watch.take(_news("ADD_SERVICE", B, namespace="dev"))
    assert [] == watch.take(FuzzyNews((FuzzyContext("nonsense", "ADD_SERVICE"),)))
    assert [] == watch.take(_news("DELETE_SERVICE", A))
    assert {OTHER} == watch.services


def test_a_service_that_two_listings_show_and_the_watch_never_told_proves_a_cap() -> None:
    watch = _finished(A)

    assert frozenset() == watch.find_untold([A, B], GROUPS)
    assert {B} == watch.find_untold([A, B], GROUPS)


def test_a_service_that_is_told_after_the_first_listing_proves_nothing() -> None:
    watch = _finished(A)
    watch.find_untold([A, B], GROUPS)
    watch.take(_news("ADD_SERVICE", B))

    assert frozenset() == watch.find_untold([A, B], GROUPS)


def test_nothing_is_proven_before_the_first_listing_of_the_watch_is_complete() -> None:
    watch = FuzzyWatch("public")

    assert [frozenset(), frozenset()] == [watch.find_untold([A], GROUPS) for _ in range(2)]
