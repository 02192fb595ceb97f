"""What a new reading of an interface differs in."""

import pytest

from meshregistry.errors import SourceDataError
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.applications import Offer
from meshregistry.sources.zookeeper.dubbo.rules import Rule, RuleSet
from meshregistry.sources.zookeeper.interfaces import InterfaceBoard, InterfaceNodes, InterfaceReading
from tests.support.dubbo_names import encode, provider

ORDERS = "com.acme.Orders"
ONE, TWO = provider("10.0.0.1:20880", version="1"), provider("10.0.0.2:20880", version="2")


GUESS = Offer(ORDERS, "tri", "10.0.0.1", 50051, "shop", (("application", "shop"),), "1795370156994", False)
"""By default Dubbo 3 registers its interfaces and itself; its mapping knows neither group nor version."""

DISABLED = provider("10.0.0.1:20880", version="1", application="shop", disabled="true")


def nodes(*providers: str, **changes: object) -> InterfaceNodes:
    return InterfaceNodes(providers, (), (), ())._replace(**changes)  # type: ignore[arg-type]


def adopt(board: InterfaceBoard, given: InterfaceNodes, at: float = 1.0) -> InterfaceReading:
    reading = finish(board.compare(ORDERS, given, at))
    assert reading is not None
    board.adopt(ORDERS, reading.published)
    return reading


def test_the_first_reading_is_published_even_if_it_is_empty() -> None:
    listing = adopt(InterfaceBoard("east", frozenset()), nodes()).listing
    assert listing is not None
    assert (("zookeeper", "east", "dubbo", ORDERS), frozenset(), {}) == (listing.scope, listing.names, listing.services)


def test_the_same_nodes_in_any_order_are_nothing_new() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(ONE, TWO))
    assert finish(board.compare(ORDERS, nodes(TWO, ONE), 2.0)) is None


def test_only_services_that_changed_are_published() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(ONE, TWO))
    before = board.services(ORDERS)[f"{ORDERS}::1"]
    listing = adopt(board, nodes(ONE, provider("10.0.0.3:20880", version="2"))).listing
    assert listing is not None
    assert {f"{ORDERS}::1", f"{ORDERS}::2"} == listing.names
    assert {f"{ORDERS}::2"} == listing.services.keys()
    assert before is board.services(ORDERS)[f"{ORDERS}::1"]


def test_nodes_that_say_the_same_are_remembered_and_not_published() -> None:
    board = InterfaceBoard("", frozenset({"pid"}))
    adopt(board, nodes(provider("10.0.0.1:20880", pid="1")))
    assert adopt(board, nodes(provider("10.0.0.1:20880", pid="2"))).listing is None


@pytest.mark.parametrize(
    "change",
    [
        {"overrides": (encode(f"override://0.0.0.0/{ORDERS}?version=1&weight=7"),)},
        {"rules": (RuleSet((Rule((("weight", "7"),)),)),)},
        {"offers": (Offer(ORDERS, "tri", "10.0.0.9", 50051, "shop", (("application", "shop"),), "", True),)},
    ],
)
def test_what_surrounds_the_providers_counts(change: dict[str, object]) -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(ONE))
    assert adopt(board, nodes(ONE, **change)).listing is not None
    assert finish(board.compare(ORDERS, nodes(ONE, **change), 2.0)) is None


def test_nothing_usable_keeps_what_is_known() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(ONE))
    with pytest.raises(SourceDataError):
        finish(board.compare(ORDERS, nodes("nonsense"), 2.0))
    assert {f"{ORDERS}::1"} == board.services(ORDERS).keys()


def test_what_is_forgotten_is_new_again() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(ONE))
    board.forget(ORDERS, 2.0)
    assert (0, {}) == (len(board), board.services(ORDERS))
    assert adopt(board, nodes(ONE)).listing is not None


def test_what_an_application_rewrites_stays_and_nothing_is_guessed() -> None:
    """The node of a disabled provider goes for a moment: what took no calls must not take them then."""
    board = InterfaceBoard("", frozenset())
    before = adopt(board, nodes(DISABLED, offers=(GUESS,))).published.services
    gone = adopt(board, nodes(offers=(GUESS,)), at=5.0)
    assert (before, None, True, 5.2) == (gone.published.services, gone.listing, gone.is_held, gone.again_at)
    back = adopt(board, nodes(DISABLED.replace("disabled", "weight"), offers=(GUESS,)), at=5.1)
    assert ([True], False, None) == (
        [each.enabled for each in back.published.services[f"{ORDERS}::1"]],
        back.is_held,
        back.again_at,
    )


def test_what_an_application_takes_out_goes_and_nothing_is_guessed() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(DISABLED, provider("10.0.0.2:20880", application="other"), offers=(GUESS,)))
    assert {ORDERS, f"{ORDERS}::1"} == board.services(ORDERS).keys()
    assert {f"{ORDERS}::1"} == adopt(board, nodes(offers=(GUESS,)), at=5.0).published.services.keys()
    assert {f"{ORDERS}::1"} == adopt(board, nodes(offers=(GUESS,)), at=5.1).published.services.keys()
    gone = adopt(board, nodes(offers=(GUESS,)), at=5.2)
    assert ({}, False, None) == (gone.published.services, gone.is_held, gone.again_at)
    assert finish(board.compare(ORDERS, nodes(offers=(GUESS,)), 6.0)) is None


def test_a_registration_has_the_word_for_a_minute_after_it_is_gone() -> None:
    """The application's metadata does not know what was switched off since."""
    board = InterfaceBoard("", frozenset())
    params = (("application", "shop"), ("version", "1"))
    offer = Offer(ORDERS, "dubbo", "10.0.0.1", 20880, "shop", params, "1795370156994", True)
    switched_off = adopt(board, nodes(DISABLED, offers=(offer,))).published.services
    for at in (5.0, 64.9):
        gone = adopt(board, nodes(offers=(offer,)), at=at)
        assert (switched_off, None, 65.0) == (gone.published.services, gone.listing, gone.again_at)
    offered = adopt(board, nodes(offers=(offer,)), at=65.0)
    assert [True] == [each.enabled for each in offered.published.services[f"{ORDERS}::1"]]
    assert (False, None) == (offered.is_held, offered.again_at)
    assert finish(board.compare(ORDERS, nodes(offers=(offer,)), 66.0)) is None


def test_a_registration_that_is_back_has_the_word_for_a_minute_more() -> None:
    board = InterfaceBoard("", frozenset())
    params = (("application", "shop"), ("version", "1"))
    offer = Offer(ORDERS, "dubbo", "10.0.0.1", 20880, "shop", params, "1795370156994", True)
    adopt(board, nodes(DISABLED, offers=(offer,)))
    adopt(board, nodes(offers=(offer,)), at=5.0)
    adopt(board, nodes(DISABLED, offers=(offer,)), at=11.0)
    assert 80.0 == adopt(board, nodes(offers=(offer,)), at=20.0).again_at


def test_what_goes_with_its_application_goes_at_once() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(DISABLED, offers=(GUESS,)))
    assert {} == adopt(board, nodes(), at=5.0).published.services


def test_nothing_is_guessed_when_a_new_session_registers_the_application_before_its_interfaces() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(DISABLED, offers=(GUESS,)))
    adopt(board, nodes())
    board.forget(ORDERS, 2.0)
    assert {} == adopt(board, nodes(offers=(GUESS,))).published.services


def test_while_nothing_may_shrink_what_is_missing_stays() -> None:
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(ONE, TWO))
    kept = finish(board.compare(ORDERS, nodes(TWO), 2.0, may_shrink=False))
    assert kept is not None
    assert {f"{ORDERS}::1", f"{ORDERS}::2"} == kept.published.services.keys()
    assert (None, True, None) == (kept.listing, kept.is_held, kept.again_at)
    board.adopt(ORDERS, kept.published)
    assert {f"{ORDERS}::2"} == adopt(board, nodes(TWO), at=3.0).published.services.keys()


def test_a_new_process_that_registers_only_as_an_application_is_offered() -> None:
    """With `register-mode=instance`, on the address of one that registered both ways."""
    board = InterfaceBoard("", frozenset())
    adopt(board, nodes(DISABLED, offers=(GUESS,)))
    new = nodes(offers=(GUESS._replace(timestamp="1795370156995"),))
    assert {ORDERS, f"{ORDERS}::1"} == adopt(board, new, at=5.0).published.services.keys()
    assert {ORDERS} == adopt(board, new, at=5.2).published.services.keys()
