"""Who registers for interfaces, remembered beyond the nodes."""

from meshregistry.sources.zookeeper import registrants
from meshregistry.sources.zookeeper.dubbo.applications import Registrant
from meshregistry.sources.zookeeper.registrants import Registrants

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"
ONE, TWO = Registrant("shop", "10.0.0.1", "1"), Registrant("shop", "10.0.0.2", "2")
HOUR_S = 3_600.0


def test_who_is_gone_is_known_for_an_hour_more() -> None:
    memory = Registrants()
    memory.replace(ORDERS, frozenset({ONE, TWO}), 0.0)
    memory.replace(USERS, frozenset({ONE}), 0.0)
    memory.replace(ORDERS, frozenset({TWO}), 5.0)

    assert {ONE, TWO} == memory.known(ORDERS, 4.0 + HOUR_S)
    assert {TWO} == memory.known(ORDERS, 5.0 + HOUR_S)
    assert {ONE} == memory.known(USERS, 5.0 + HOUR_S)


def test_who_comes_back_is_gone_anew_later() -> None:
    memory = Registrants()
    for registered, now in (({ONE}, 0.0), (set(), 1.0), ({ONE}, 2.0), (set(), HOUR_S)):
        memory.replace(ORDERS, frozenset(registered), now)

    assert {ONE} == memory.known(ORDERS, 2 * HOUR_S - 1)
    assert set() == memory.known(ORDERS, 2 * HOUR_S)


def test_the_memory_of_who_is_gone_is_bounded_and_forgets_the_oldest() -> None:
    memory = Registrants()
    most = registrants._MOST_GONE
    for number in range(most + 1):
        memory.replace(str(number), frozenset({ONE}), 0.0)
        memory.replace(str(number), frozenset(), 0.0)

    assert [set(), {ONE}, {ONE}] == [memory.known(str(number), 0.0) for number in (0, 1, most)]


def test_who_is_remembered_for_an_interface_registers() -> None:
    memory = Registrants()
    for interface in (ORDERS, USERS):
        memory.replace(interface, frozenset({ONE}), 0.0)
        memory.replace(interface, frozenset({ONE}), 1.0)
    assert [True, False] == [memory.registers(each) for each in (ONE, TWO)]

    memory.replace(ORDERS, frozenset(), 5.0)
    memory.replace(USERS, frozenset(), 6.0)
    memory.known(ORDERS, 5.0 + HOUR_S)
    assert memory.registers(ONE)
    memory.replace(ORDERS, frozenset({ONE}), 5.0 + HOUR_S)
    memory.known(USERS, 6.0 + HOUR_S)
    assert memory.registers(ONE)
    memory.replace(ORDERS, frozenset(), 7.0 + HOUR_S)
    memory.known(USERS, 7.0 + 2 * HOUR_S)
    assert not memory.registers(ONE)
