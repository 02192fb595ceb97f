"""The view of one registry: its hash, its drafts, and which instances it publishes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.instance import Instance
from meshregistry.sources.eureka.instances import STATUSES, Registration
from meshregistry.sources.eureka.view import RegistryView, list_instances


def registration(address: str = "10.0.0.1", status: str = "UP", dirty: int = 0) -> Registration:
    """Return a registration."""
    return Registration(status, dirty, Instance(address, 80))


def view_of(*statuses: str) -> RegistryView:
    """Return a view with one registration for each status."""
    view = RegistryView()
    for number, status in enumerate(statuses):
        view.put("A", str(number), registration(status=status))
    return view


@pytest.mark.parametrize(
    ("statuses", "hash_"),
    [
        ([], ""),
        (["UP", "UP"], "UP_2_"),
        (["UP", "DOWN", "UP", "OUT_OF_SERVICE", "OUT_OF_SERVICE", "UP"], "DOWN_1_OUT_OF_SERVICE_2_UP_3_"),
    ],
)
def test_the_hash_is_netflixs(statuses: list[str], hash_: str) -> None:
    assert hash_ == view_of(*statuses).hash


def test_a_draft_leaves_its_original_alone() -> None:
    view = view_of("UP", "UP")
    draft = view.draft()
    draft.remove("A", "0")
    draft.put("B", "1", registration())

    assert (frozenset("A"), "UP_2_", 2) == (view.names, view.hash, len(view.registrations("A")))
    assert (frozenset("AB"), "UP_2_", 1) == (draft.names, draft.hash, len(draft.registrations("A")))
    assert {"A", "B"} == draft.touched


def test_an_equal_registration_and_an_unknown_removal_touch_nothing() -> None:
    draft = view_of("UP").draft()
    draft.put("A", "0", registration())
    draft.remove("A", "7")
    draft.remove("B", "0")

    assert frozenset() == draft.touched


def test_an_application_that_lost_all_may_come_back() -> None:
    draft = view_of("UP").draft()
    draft.remove("A", "0")
    assert frozenset() == draft.names
    draft.put("A", "1", registration())

    assert (["1"], "UP_1_", frozenset("A")) == (list(draft.registrations("A")), draft.hash, draft.touched)


def test_of_two_registrations_with_one_address_the_newer_stays() -> None:
    old = Registration("UP", 1, Instance("10.0.0.1", 80, metadata=(("v", "old"),)))
    new = Registration("UP", 2, Instance("10.0.0.1", 80, metadata=(("v", "new"),)))

    assert (
        (new.instance,) == list_instances({"b": new, "a": old}, {"UP"}) == list_instances({"a": new, "b": old}, {"UP"})
    )


def test_unusable_overdue_and_unwanted_registrations_are_not_published() -> None:
    members = {
        "1": Registration("UP", 0, None, "port"),
        "2": Registration("UP", 0, Instance("10.0.0.2", 80), is_overdue=True),
        "3": registration("10.0.0.3", "DOWN"),
        "4": registration("10.0.0.4"),
    }

    assert (Instance("10.0.0.4", 80),) == list_instances(members, {"UP"})


OPERATIONS = st.lists(
    st.tuples(st.booleans(), st.sampled_from("AB"), st.sampled_from("12"), st.sampled_from(sorted(STATUSES)))
)


@given(OPERATIONS, st.integers(0, 20))
def test_operations_on_drafts_keep_names_counts_and_members_in_step(
    operations: list[tuple[bool, str, str, str]], every: int
) -> None:
    view, expected = RegistryView(), dict[tuple[str, str], str]()
    for number, (adds, application, id_, status) in enumerate(operations):
        if every and number % every == 0:
            view = view.draft()
        if adds:
            view.put(application, id_, registration(status=status))
            expected[application, id_] = status
        else:
            view.remove(application, id_)
            expected.pop((application, id_), None)

    assert {application for application, _ in expected} == view.names
    assert Counter(expected.values()) == dict(view.statuses)
    assert expected == {
        (name, id_): each.status for name in view.names for id_, each in view.registrations(name).items()
    }
