"""Which listing in pages may be believed. The pages are cut from a list that may change between two calls."""

from collections.abc import Callable

import pytest

from meshregistry.errors import SourceDataError, SourceUnavailable
from meshregistry.sources.nacos.paging import ONE_PAGE, NamesPage, read_pages

pytestmark = pytest.mark.anyio


class Server:
    """Pages over `names`; `moves` are done one after each call."""

    def __init__(self, *names: str, has_total: bool = True) -> None:
        self.names = list(names)
        self.calls: list[tuple[int, int]] = []
        self.moves: list[Callable[[list[str]], None]] = []
        self._has_total = has_total

    async def read(self, number: int, size: int) -> NamesPage:
        self.calls.append((number, size))
        page = tuple(self.names[(number - 1) * size : number * size])
        total = len(self.names) if self._has_total else None
        if self.moves:
            self.moves.pop(0)(self.names)
        return NamesPage(hash(page), page, len(page), total)

    async def listed(self, size: int, known: frozenset[str] = frozenset()) -> list[str]:
        return [name for page in await read_pages(self.read, size, known) for name in page.names]


async def test_a_short_page_is_the_last() -> None:
    server = Server("a", "b", "c")

    assert ["a", "b", "c"] == await server.listed(2)
    assert [(1, 2), (2, 2)] == server.calls


async def test_a_full_last_page_takes_one_more_call() -> None:
    server = Server("a", "b", "c", "d")

    assert ["a", "b", "c", "d"] == await server.listed(2)
    assert [(1, 2), (2, 2), (3, 2)] == server.calls


async def test_nothing_listed_is_one_call() -> None:
    server = Server()

    assert [] == await server.listed(2)
    assert [(1, 2)] == server.calls


async def test_a_total_that_changes_between_pages_makes_one_page_of_it() -> None:
    server = Server("a", "b", "c")
    server.moves = [lambda names: names.append("d")]

    assert ["a", "b", "c", "d"] == await server.listed(2)
    assert [(1, 2), (2, 2), (3, 2), (1, ONE_PAGE)] == server.calls


async def test_a_service_seen_twice_makes_one_page_of_it() -> None:
    server = Server("a", "b", "c", has_total=False)
    server.moves = [lambda names: names.insert(0, "0")]

    assert ["0", "a", "b", "c"] == await server.listed(2)
    assert (1, ONE_PAGE) == server.calls[-1]


async def test_a_service_skipped_at_a_boundary_is_not_lost() -> None:
    """`a` leaves and `d` comes while the listing is read: the count holds, but `c` moves onto page 1."""
    server = Server("a", "b", "c", "x")

    def move(names: list[str]) -> None:
        names.remove("a")
        names.append("d")

    server.moves = [move]

    assert ["b", "c", "x", "d"] == await server.listed(2, known=frozenset({"a", "b", "c", "x"}))
    assert (1, ONE_PAGE) == server.calls[-1]


async def test_a_service_that_left_before_is_gone_for_good() -> None:
    server = Server("a", "b", "c")

    assert ["a", "b", "c"] == await server.listed(2, known=frozenset({"a", "b", "c", "gone"}))


async def test_one_page_is_believed_without_another_look() -> None:
    server = Server("a")

    assert ["a"] == await server.listed(2, known=frozenset({"a", "gone"}))
    assert [(1, 2)] == server.calls


async def test_a_server_that_ignores_page_numbers_is_not_asked_for_ever() -> None:
    calls = 0

    async def read(_number: int, _size: int) -> NamesPage:
        nonlocal calls
        calls += 1
        return NamesPage(1, ("a", "b"), 2, None)

    assert [("a", "b")] == [page.names for page in await read_pages(read, 2, frozenset())]
    assert 3 == calls


async def test_a_count_that_is_the_length_of_the_page_does_not_end_the_listing() -> None:
    """2.0.0 to 2.0.3."""
    server = Server("a", "b", "c")

    async def read(number: int, size: int) -> NamesPage:
        page = await server.read(number, size)
        return page._replace(total=page.length)

    pages = await read_pages(read, 2, frozenset())

    assert ["a", "b", "c"] == [name for page in pages for name in page.names]


async def test_a_single_page_that_is_not_complete_is_an_error() -> None:
    async def read(_number: int, _size: int) -> NamesPage:
        return NamesPage(1, ("a",), 1, 12)

    with pytest.raises(SourceDataError, match="lists 1 of 12 services"):
        await read_pages(read, 100, frozenset())


async def test_a_listing_without_end_is_an_error() -> None:
    async def read(number: int, size: int) -> NamesPage:
        return NamesPage(number, (), size, None)

    with pytest.raises(SourceDataError, match="more than 1000000"):
        await read_pages(read, 1000, frozenset())


async def test_a_page_that_fails_fails_the_listing() -> None:
    async def read(number: int, _size: int) -> NamesPage:
        if number == 2:
            raise SourceUnavailable("page 2")
        return NamesPage(number, ("a", "b"), 2, None)

    with pytest.raises(SourceUnavailable, match="page 2"):
        await read_pages(read, 2, frozenset())
