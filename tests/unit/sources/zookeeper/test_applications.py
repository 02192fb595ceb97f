"""Applications that register as a whole: who offers what, and what Spring Cloud's come to."""

import json

from meshregistry.model.instance import Scope
from meshregistry.sources.zookeeper.applications import ApplicationBoard, Place, Revision
from meshregistry.sources.zookeeper.curator import CuratorNode
from meshregistry.sources.zookeeper.dubbo.applications import ExportedService

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"


def dubbo(address: str, *, name: str = "shop", revision: str = "r1", port: int = 20880) -> CuratorNode:
    metadata = {
        "dubbo.endpoints": json.dumps([{"protocol": "dubbo", "port": port}]),
        "dubbo.metadata.revision": revision,
    }
    return CuratorNode(name, address, address, port, 0, True, metadata, 1)


def spring(address: str, *, name: str = "web", port: int = 80) -> CuratorNode:
    return CuratorNode(name, address, address, port, 0, True, {}, 1)


def place(**nodes: tuple[CuratorNode, ...]) -> Place:
    return Place({name.replace("__", "/"): each for name, each in nodes.items()}, is_discovery_root=True)


def put(board: ApplicationBoard, path: str, found: Place | None) -> frozenset[str]:
    return board.offer(board.put_place(path, found))


def test_an_application_is_a_service_itself() -> None:
    board = ApplicationBoard("")
    assert {"shop"} == put(board, "/services/shop", place(shop=(dubbo("10.0.0.1"), dubbo("10.0.0.2"))))
    assert ["10.0.0.1", "10.0.0.2"] == [offer.address for offer in board.offers("shop")]
    assert {"shop"} == put(board, "/services/shop", None)
    assert ((), frozenset(), frozenset()) == (board.offers("shop"), board.offered, board.applications)


def test_metadata_says_exactly_what_is_offered() -> None:
    board = ApplicationBoard("")
    put(board, "/services/shop", place(shop=(dubbo("10.0.0.1"), dubbo("10.0.0.2", revision="r2"))))
    assert {Revision("shop", "r1"), Revision("shop", "r2")} == board.unknown_revisions(["shop"])

    board.put_metadata(Revision("shop", "r1"), (ExportedService(ORDERS, "dubbo", 0, (("version", "1"),)),))
    board.put_metadata(Revision("shop", "r2"), None)
    assert {ORDERS} == board.offer(["shop"])
    assert [("10.0.0.1", True)] == [(offer.address, offer.is_exact) for offer in board.offers(ORDERS)]
    assert (frozenset(), True) == (board.unknown_revisions(["shop"]), board.needs_mappings)


def test_the_mapping_guesses_for_instances_without_metadata() -> None:
    board = ApplicationBoard("")
    put(board, "/services/shop", place(shop=(dubbo("10.0.0.1"),)))
    assert {"shop", "other"} == board.put_mapping(ORDERS, ["shop", "other"])
    assert {ORDERS} == board.offer(["shop", "other"])
    assert [("10.0.0.1", False)] == [(offer.address, offer.is_exact) for offer in board.offers(ORDERS)]

    assert {"shop"} == board.put_mapping(ORDERS, ["other"])
    assert {ORDERS} == board.offer(["shop"])
    assert () == board.offers(ORDERS)


def test_several_applications_offer_one_interface() -> None:
    board = ApplicationBoard("")
    board.put_mapping(ORDERS, ["shop", "mall"])
    put(board, "/services/shop", place(shop=(dubbo("10.0.0.1"),)))
    put(board, "/services/mall", place(mall=(dubbo("10.0.0.2", name="mall"),)))
    assert ["mall", "shop"] == [offer.application for offer in board.offers(ORDERS)]
    assert {ORDERS, "mall"} == put(board, "/services/mall", None)
    assert ["shop"] == [offer.application for offer in board.offers(ORDERS)]


def test_missing_metadata_is_looked_for_again_and_unused_forgotten() -> None:
    board = ApplicationBoard("")
    put(board, "/services/shop", place(shop=(dubbo("10.0.0.1"),)))
    board.put_metadata(Revision("shop", "r1"), None)
    board.put_metadata(Revision("shop", "old"), ())
    assert not board.forget_missing_metadata("mall")
    assert board.forget_missing_metadata("shop")
    assert {Revision("shop", "r1")} == board.unknown_revisions(["shop"])

    board.put_metadata(Revision("shop", "r1"), ())
    board.forget_unused_metadata()
    assert not board.needs_mappings
    put(board, "/services/shop", place(shop=(dubbo("10.0.0.1", revision="old"),)))
    assert {Revision("shop", "old")} == board.unknown_revisions(["shop"])


def test_spring_cloud_applications_are_published_once_and_by_what_changed() -> None:
    board = ApplicationBoard("east")
    board.put_place("/services/web", place(web=(spring("10.0.0.1"),), shop=(dubbo("10.0.0.9"),)))
    board.put_place("/services/team", place(team__cart=(spring("10.0.0.2"),)))
    first = board.compare_spring(frozenset(), 1.0)
    assert first is not None
    board.adopt_spring(first)
    assert ({"web", "team.cart"}, Scope("zookeeper", "east", "services", "")) == (set(first.services), first.scope)
    assert board.compare_spring(frozenset(), 2.0) is None

    board.put_place("/services/web", place(web=(spring("10.0.0.3"),)))
    second = board.compare_spring(frozenset(), 3.0)
    assert second is not None
    assert (frozenset({"web", "team.cart"}), {"web"}) == (second.names, set(second.services))


def test_an_empty_tree_is_published_once() -> None:
    board = ApplicationBoard("")
    listing = board.compare_spring(frozenset(), 1.0)
    assert listing is not None
    board.adopt_spring(listing)
    assert board.compare_spring(frozenset(), 2.0) is None


def test_what_cannot_be_read_or_understood_keeps_what_is_known() -> None:
    board = ApplicationBoard("")
    board.put_place("/services/web", place(web=(spring("10.0.0.1"),)))
    board.put_place("/services/team", place(team__cart=(spring("10.0.0.2"),)))
    board.adopt_spring(board.compare_spring(frozenset(), 1.0))  # type: ignore[arg-type]
    board.put_place("/services/web", place(web=(spring("10.0.0.1", port=0),)))
    board.put_place("/services/team", None)
    listing = board.compare_spring(frozenset({"/services/team"}), 2.0)

    assert listing is None
    assert {"web", "team.cart"} == set(board.spring_services())
    gone = board.compare_spring(frozenset(), 3.0)
    assert gone is not None
    assert (frozenset({"web"}), {}, frozenset({"web"})) == (gone.names, gone.services, gone.unread)


def test_spring_instances_are_judged_once_for_every_change_of_their_node() -> None:
    board = ApplicationBoard("")
    spoilt = place(web=(spring("10.0.0.1"), spring("10.0.0.2", port=0), spring("no address")))
    for _ in range(2):
        board.put_place("/services/web", spoilt)
        board.compare_spring(frozenset(), 1.0)
    assert {"port": 1, "address": 1} == board.take_bad()
    assert {} == board.take_bad()
    board.put_place("/services/web", place(web=(spring("10.0.0.1"), spring("10.0.0.2", port=0))))
    assert {"port": 1} == board.take_bad()


def test_applications_that_become_one_name_are_one_service() -> None:
    board = ApplicationBoard("")
    board.put_place("/services/team", place(team__cart=(spring("10.0.0.2"),)))
    board.put_place("/services/team.cart", Place({"team.cart": (spring("10.0.0.1"),)}, is_discovery_root=True))
    listing = board.compare_spring(frozenset(), 1.0)
    assert listing is not None
    assert ["10.0.0.1", "10.0.0.2"] == [each.address for each in listing.services["team.cart"]]
