"""Rule nodes by whom they are for."""

from meshregistry.sources.zookeeper.rule_book import RuleBook

WEIGHT = b"configVersion: v2.7\nconfigs:\n- side: provider\n  parameters: {weight: 9}\n"
ORDERS, USERS = "com.acme.Orders", "com.acme.Users"


def test_a_services_rule_concerns_its_interface_only() -> None:
    book = RuleBook()
    assert frozenset({ORDERS}) == book.replace({f"{ORDERS}:1.0:g.configurators": WEIGHT})
    assert (1, ()) == (len(book.rules(ORDERS)), book.rules(USERS))
    assert frozenset() == book.replace({f"{ORDERS}:1.0:g.configurators": WEIGHT})
    assert frozenset({ORDERS}) == book.replace({})
    assert (0, ()) == (len(book), book.rules(ORDERS))


def test_an_applications_rule_concerns_every_interface_and_comes_first() -> None:
    book = RuleBook()
    assert book.replace({"shop.configurators": WEIGHT, f"{ORDERS}::.configurators": WEIGHT}) is None
    application, own = book.rules(ORDERS)
    assert ("shop", "") == (application.rules[0].application, own.rules[0].application)
    assert (application,) == book.rules(USERS)


def test_other_nodes_are_none_and_what_is_not_understood_is_counted() -> None:
    book = RuleBook()
    book.replace({"shop.tag-router": WEIGHT, f"{ORDERS}::.configurators": b"{"})
    assert (1, {"malformed": 1}) == (len(book), book.ignored())
