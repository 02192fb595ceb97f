"""What is said of a gRPC connection that a server ends."""

from typing import NoReturn

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from meshregistry.sources.nacos.channel import ChannelOptions, NacosChannel
from meshregistry.sources.nacos.messages import ConnectionLost
from meshregistry.sources.nacos.nodes import GrpcAddress
from meshregistry.sources.nacos.payload import Payload

pytestmark = pytest.mark.anyio

OPTIONS = ChannelOptions(connect_timeout_s=1.0, request_timeout_s=1.0, max_body_bytes=1000, tls=None)


class Refusing:
    """A channel whose every call ends with a status."""

    def __init__(self, message: str) -> None:
        self._message = message

    def request(self, *_: object) -> "Refusing":
        return self

    async def __aenter__(self) -> NoReturn:
        raise GRPCError(Status.UNAVAILABLE, self._message)

    async def __aexit__(self, *_: object) -> None:
        """Nothing was opened."""


async def refused(message: str) -> str:
    """Return what is said when a server answers a call so."""
    channel = NacosChannel(GrpcAddress("nacos", 9848), OPTIONS)
    channel._channel = Refusing(message)  # type: ignore[assignment]
    with pytest.raises(ConnectionLost) as told:
        await channel.call(Payload("ServiceQueryRequest", b"{}"), {"accessToken": "swordfish"})
    return str(told.value)


async def test_the_text_of_a_status_is_told_in_one_short_line_without_what_was_sent() -> None:
    assert "UNAVAILABLE no way" == await refused("no\nway")
    assert "UNAVAILABLE *** is refused" == await refused("swordfish is refused")
    assert 200 > len(await refused("x" * 100_000))


async def test_nothing_of_a_secret_is_left_where_the_text_is_cut_off() -> None:
    for length in range(120, 170):
        assert "sword" not in await refused("x" * length + "swordfish")
