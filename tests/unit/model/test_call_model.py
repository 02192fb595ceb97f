"""The call model over time: what is kept, for how long, and what goes."""

import math

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.call_model import ApplicationCalls, CallModel, ServiceCalls
from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.sources.steps import finish

DAY = 86_400.0


def calls(service: str, providers: str = "", consumers: str = "") -> ServiceCalls:
    """One letter is one application."""
    return ServiceCalls(service, frozenset(providers), frozenset(consumers))


def test_consumers_depend_on_what_they_call_and_providers_on_nothing() -> None:
    model = CallModel(DAY)
    assert {"a", "b", "w"} == model.replace("i", [calls("i:g", "ab", "w"), calls("i", "a", "w")], 0.0)
    assert ("i", "i:g") == model.dependencies("w")
    assert () == model.dependencies("a")
    assert model.dependencies("x") is None
    assert {"a", "b", "w"} == model.known_applications()
    assert {
        "a": ApplicationCalls(("i", "i:g"), ()),
        "b": ApplicationCalls(("i:g",), ()),
        "w": ApplicationCalls((), ("i", "i:g")),
    } == finish(model.walk_applications())


def test_with_self_consume_providers_depend_on_what_they_provide() -> None:
    model = CallModel(DAY, self_consume=True)
    model.replace("i", [calls("i", "a", "w")], 0.0)
    assert (("i",), ("i",)) == (model.dependencies("a"), model.dependencies("w"))
    shown = {"a": ApplicationCalls(("i",), ("i",)), "w": ApplicationCalls((), ("i",))}
    assert shown == finish(model.walk_applications())


def test_of_services_with_one_host_the_one_with_the_smallest_key_has_it() -> None:
    """The merge leaves the others out, across interfaces and registries; equal names are one service."""

    def claim(registry: str, name: str, consumers: str) -> ServiceCalls:
        key = ServiceKey(Scope("zookeeper", registry, "dubbo", "I"), name)
        return calls("h", "p", consumers)._replace(claimant=key)

    model = CallModel(0.0)
    model.replace("2", [claim("east", "I::v", "b")], 0.0)
    model.replace("3", [calls("h", "p", "c")], 0.0)
    assert (("h",), ("h",)) == (model.dependencies("b"), model.dependencies("c"))

    assert {"a", "b"} == model.replace("1", [claim("east", "I", "a")], 1.0)
    assert (("h",), None, ("h",)) == tuple(map(model.dependencies, "abc"))
    model.replace("4", [claim("west", "I", "d"), claim("west", "I::v", "e")], 2.0)
    assert (("h",), None) == (model.dependencies("d"), model.dependencies("e"))
    assert {"a", "c", "d", "p"} == finish(model.walk_applications()).keys()

    assert {"a", "b", "d", "e"} == model.replace("1", [], 3.0)
    assert (None, ("h",), None, ("h",)) == tuple(map(model.dependencies, "abde"))


def test_what_says_nothing_new_changes_nothing() -> None:
    model = CallModel(DAY)
    model.replace("i", [calls("i", "a", "w"), calls("j", "a")], 0.0)
    assert frozenset() == model.replace("i", [calls("j", "a"), calls("i", "a", "w")], 1.0)
    assert frozenset() == model.replace("k", [calls("k", "a")], 1.0)
    assert math.inf == model.next_expiry


def test_a_dependency_that_is_gone_stays_for_the_interval() -> None:
    model = CallModel(DAY)
    model.replace("i", [calls("i", "a", "w")], 0.0)
    model.replace("j", [calls("j", "a", "w")], 0.0)
    assert frozenset() == model.replace("i", [calls("i", "a")], 100.0)
    assert (("i", "j"), 100.0 + DAY) == (model.dependencies("w"), model.next_expiry)
    assert ("j",) == finish(model.walk_applications())["w"].consumes
    assert frozenset() == model.expire(99.0 + DAY)
    assert {"w"} == model.expire(100.0 + DAY)
    assert (("j",), math.inf) == (model.dependencies("w"), model.next_expiry)


def test_a_dependency_that_returns_in_time_was_never_gone() -> None:
    model = CallModel(DAY)
    model.replace("i", [calls("i", "a", "w")], 0.0)
    model.replace("i", [calls("i", "a")], 1.0)
    assert frozenset() == model.replace("i", [calls("i", "a", "w")], 2.0)
    assert frozenset() == model.expire(10 * DAY)
    assert ("i",) == model.dependencies("w")


def test_a_dependency_counts_until_its_last_reason_is_gone() -> None:
    model = CallModel(0.0)
    model.replace("i", [calls("s", "a", "w")], 0.0)
    model.replace("j", [calls("s", "a", "w")], 0.0)
    assert frozenset() == model.replace("i", [], 1.0)
    assert ("s",) == model.dependencies("w")
    assert {"a", "w"} == model.replace("j", [], 1.0)


def test_an_application_that_is_gone_loses_its_place_after_the_interval() -> None:
    """Slime never deletes a Sidecar."""
    model = CallModel(DAY)
    model.replace("i", [calls("i", "a", "w")], 0.0)
    model.replace("i", [], 1.0)
    assert {"a", "w"} == model.known_applications()
    assert {"a", "w"} == model.expire(1.0 + DAY)
    assert (None, None, frozenset()) == (model.dependencies("a"), model.dependencies("w"), model.known_applications())
    assert {} == finish(model.walk_applications())


def test_what_is_kept_for_one_application_does_not_hang_on_others() -> None:
    """In Slime an accepted change of one application drops what was kept for all."""
    model = CallModel(DAY)
    model.replace("i", [calls("i", "a", "vw")], 0.0)
    model.replace("i", [calls("i", "a", "w")], 1.0)
    assert {"w"} == model.replace("j", [calls("j", "a", "w")], 2.0)
    assert ("i",) == model.dependencies("v")


_calls = st.builds(
    ServiceCalls, st.sampled_from("stu"), st.frozensets(st.sampled_from("abc")), st.frozensets(st.sampled_from("abc"))
)
_step = st.tuples(st.sampled_from("ij"), st.lists(_calls, max_size=3, unique_by=lambda each: each.service))


@given(st.lists(_step, max_size=12), st.booleans())
def test_after_the_interval_only_what_is_said_is_left(steps: list[tuple[str, list[ServiceCalls]]], own: bool) -> None:
    model, told = CallModel(10.0, self_consume=own), CallModel(10.0, self_consume=own)
    for now, (interface, said) in enumerate(steps):
        model.expire(float(now))
        model.replace(interface, said, float(now))
    for interface, said in dict(steps).items():
        told.replace(interface, said, 0.0)
    for each in (model, told):
        each.expire(1000.0)
    assert told.known_applications() == model.known_applications()
    assert [told.dependencies(each) for each in "abc"] == [model.dependencies(each) for each in "abc"]
    assert finish(told.walk_applications()) == finish(model.walk_applications())
    assert math.inf == model.next_expiry
