"""Virtual addresses of what is served: nobody shares one, and whoever has to move is built again."""

import msgspec

from meshregistry.model.service_entry import ServiceEntry
from meshregistry.model.virtual_address import derive_address
from meshregistry.store.address_book import AddressBook

NETWORK = "10.0.0.4/30"


def entry(host: str) -> ServiceEntry:
    return ServiceEntry("nacos", host, (host,), addresses=(derive_address(host, NETWORK),))


def colliding_hosts() -> tuple[str, str]:
    """Two hosts of one address, the smaller one first."""
    first = "h0"
    others = (f"h{number}" for number in range(1, 99))
    return first, next(host for host in others if entry(host).addresses == entry(first).addresses)


def test_an_entry_without_an_address_passes_as_it_is() -> None:
    book = AddressBook(NETWORK)
    plain = ServiceEntry("nacos", "a", ("a",))
    assert plain is book.settle("nacos/a", plain)
    assert book.settle("nacos/a", None) is None
    assert (set(), ()) == (book.take_touched(), book.judge("nacos/a", plain))


def test_the_first_host_by_name_keeps_the_address_whoever_came_first() -> None:
    first, second = colliding_hosts()
    book = AddressBook(NETWORK)

    assert entry(second) == book.settle("b", entry(second))
    assert set() == book.take_touched()
    assert entry(first) == book.settle("a", entry(first))
    assert {"b"} == book.take_touched()
    moved = book.settle("b", entry(second))
    assert moved is not None
    assert moved.addresses != entry(first).addresses
    assert ["address_collision"] == [reject.reason for reject in book.judge("b", entry(second))]
    assert () == book.judge("a", entry(first))


def test_an_address_that_becomes_free_goes_back() -> None:
    first, second = colliding_hosts()
    book = AddressBook(NETWORK)
    book.settle("a", entry(first))
    book.settle("b", entry(second))

    assert book.settle("a", None) is None
    assert {"b"} == book.take_touched()
    assert entry(second) == book.settle("b", entry(second))


def test_two_resources_of_one_host_share_its_address_until_both_are_gone() -> None:
    first, second = colliding_hosts()
    book = AddressBook(NETWORK)
    for name in ("a", "b"):
        assert entry(first) == book.settle(name, entry(first))
    book.settle("c", entry(second))
    book.settle("a", msgspec.structs.replace(entry(first), addresses=()))
    assert set() == book.take_touched()
    book.settle("b", None)
    assert {"c"} == book.take_touched()
