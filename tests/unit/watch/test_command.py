"""The watch command's options."""

import pytest

from meshregistry.watch import WatchOptions, watch
from meshregistry.watch.command import parse_target

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("localhost:16010", ("localhost", 16010)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_a_target_is_split(target: str, expected: tuple[str, int]) -> None:
    assert expected == parse_target(target)


@pytest.mark.parametrize("target", ["", "localhost", "localhost:", "localhost:x", "localhost:0", "h:65536", ":16010"])
def test_a_bad_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match=r"is not HOST:PORT|names no host"):
        parse_target(target)


async def test_an_unknown_family_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown istiod family '1\.0', known are 1\.18, 1\.24, 1\.30"):
        await watch(WatchOptions("localhost:16010", family="1.0"), print)
