"""Where things are in the trees, and what an event makes worth reading."""

import pytest

from meshregistry.sources.zookeeper.layout import Layout, Task, Topic, clean_path, encode_interface
from meshregistry.sources.zookeeper.session import WatchEvent, WatchKind

LAYOUT = Layout("/a/dubbo", "/services", "consumers", rules=True)
ORDERS = Task(Topic.INTERFACE, "com.acme.Orders")
CREATED, CHANGED, CHILDREN = WatchKind.CREATED, WatchKind.CHANGED, WatchKind.CHILDREN


@pytest.mark.parametrize(
    ("path", "kind", "tasks"),
    [
        ("/a/dubbo", CHILDREN, (Task(Topic.INTERFACES),)),
        ("/a/dubbo", CREATED, (Task(Topic.INTERFACES),)),
        ("/a/dubbo", CHANGED, ()),
        ("/a", CHILDREN, ()),
        ("/a/dubbox/com.acme.Orders", CREATED, ()),
        ("/a/dubbo/com.acme.Orders", CREATED, (ORDERS,)),
        ("/a/dubbo/com.acme.Orders", CHANGED, ()),
        ("/a/dubbo/com.acme.Outer%24Inner/providers", CHILDREN, (Task(Topic.INTERFACE, "com.acme.Outer$Inner"),)),
        ("/a/dubbo/com.acme.Orders/providers/dubbo%3A%2F%2F", CREATED, (ORDERS,)),
        ("/a/dubbo/com.acme.Orders/consumers/consumer%3A", CREATED, (ORDERS,)),
        ("/a/dubbo/com.acme.Orders/configurators", CHILDREN, (ORDERS,)),
        ("/a/dubbo/com.acme.Orders/routers/route", CREATED, ()),
        ("/a/dubbo/shop/10.0.0.1:20880", CHANGED, (Task(Topic.INTERFACE, "shop"),)),
        ("/a/dubbo/mapping/com.acme.Orders", CHANGED, (Task(Topic.MAPPING, "com.acme.Orders"),)),
        ("/a/dubbo/config/mapping/com.acme.Orders/shop", CREATED, (Task(Topic.MAPPING, "com.acme.Orders"),)),
        ("/a/dubbo/mapping", CHILDREN, (Task(Topic.MAPPINGS),)),
        ("/a/dubbo/config", CREATED, (Task(Topic.RULES), Task(Topic.MAPPINGS))),
        ("/a/dubbo/config/dubbo/shop.configurators", CHANGED, (Task(Topic.RULES),)),
        ("/a/dubbo/config/other", CREATED, ()),
        ("/a/dubbo/metadata/shop/r1", CREATED, (Task(Topic.METADATA, "shop"),)),
        ("/a/dubbo/metadata/shop", CREATED, ()),
        ("/services", CHILDREN, (Task(Topic.PLACES),)),
        ("/services/shop/1", CHANGED, (Task(Topic.PLACE, "/services/shop"),)),
        ("/services/team/cart/2", CREATED, (Task(Topic.PLACE, "/services/team"),)),
    ],
)
def test_an_event_asks_for_what_it_concerns(path: str, kind: WatchKind, tasks: tuple[Task, ...]) -> None:
    assert tasks == LAYOUT.locate(WatchEvent(kind, path))


@pytest.mark.parametrize(
    "path",
    [
        "/dubbo/com.acme.Orders/consumers/x",
        "/dubbo/com.acme.Orders/configurators/x",
        "/dubbo/config/dubbo/x.configurators",
        "/dubbo/mapping/com.acme.Orders",
        "/dubbo/metadata/shop/r1",
        "/dubbo/shop/10.0.0.1:20880",
        "/services/shop/1",
    ],
)
def test_what_is_not_wanted_asks_for_nothing(path: str) -> None:
    assert () == Layout("/dubbo", rules=False).locate(WatchEvent(CREATED, path))


def test_trees_are_watched_once() -> None:
    assert ("/a/dubbo", "/services") == LAYOUT.trees
    assert ("/foo",) == Layout("/foo", "/foo").trees
    assert ("/foo",) == Layout("/foo").trees


@pytest.mark.parametrize(
    ("given", "expected"), [("/dubbo/", "/dubbo"), ("dubbo", "/dubbo"), (" /a/b ", "/a/b"), ("", ""), ("/", "")]
)
def test_paths_are_absolute_without_a_slash_at_the_end(given: str, expected: str) -> None:
    assert expected == clean_path(given)


def test_interfaces_are_encoded_as_java_does() -> None:
    assert "a.Outer%24Inner*" == encode_interface("a.Outer$Inner*")
