"""A body is read up to a bound, in the parts in which it arrives."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest

from meshregistry.errors import SourceDataError
from meshregistry.sources.bodies import read_parts

pytestmark = pytest.mark.anyio


def answer(*parts: bytes) -> aiohttp.ClientResponse:
    """An answer whose body arrives in these parts."""

    async def arrive() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return cast("aiohttp.ClientResponse", SimpleNamespace(content=SimpleNamespace(iter_any=arrive)))


async def test_a_body_as_long_as_the_bound_is_read_part_by_part() -> None:
    assert [b"first", b"second"] == await read_parts(answer(b"first", b"second"), 11, "nacos")


async def test_an_empty_body_has_no_parts() -> None:
    assert [] == await read_parts(answer(), 11, "nacos")


async def test_a_body_beyond_the_bound_is_an_error_of_the_place() -> None:
    with pytest.raises(SourceDataError, match=r"^http://nacos/list: body longer than 10 bytes$"):
        await read_parts(answer(b"first", b"second"), 10, "http://nacos/list")
