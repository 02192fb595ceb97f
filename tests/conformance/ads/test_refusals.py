"""Requests that end their stream are counted, and the log names the client."""

import logging
from dataclasses import replace

import pytest

from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.options import Limits
from tests.support.ads_client import AdsClient
from tests.support.ads_rig import JUNK, NO_PAUSE, NODE, serve
from tests.support.ads_world import SERVICE_ENTRY, make_store, write_request
from tests.support.h2_client import H2Client

pytestmark = pytest.mark.anyio

HELLO = write_request("sotw", SERVICE_ENTRY, nonce=JUNK, node=NODE)


def counted(metrics: Metrics, reason: str) -> float | None:
    """Return how many requests were refused for a reason."""
    return metrics.registry.get_sample_value("meshregistry_ads_bad_requests_total", {"reason": reason})


async def test_an_oversized_request_is_counted_and_its_client_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "meshregistry.xds")
    options, metrics = replace(NO_PAUSE, limits=Limits(max_request_bytes=10_000)), Metrics()
    async with serve(make_store(), options, metrics=metrics) as server, AdsClient(server.port, "sotw") as client:
        await client.send(HELLO)
        await client.send(write_request("sotw", SERVICE_ENTRY, names=("x" * 20_000,)))
        await client.status()

    assert (1.0, None) == (counted(metrics, "limit"), counted(metrics, "protocol"))
    [message] = caplog.messages
    assert "ads.refused" in message
    assert repr(NODE[0]) in message
    assert "at most 10000" in message


async def test_compressed_and_cut_off_requests_are_counted() -> None:
    metrics = Metrics()
    async with serve(make_store(), metrics=metrics) as server, H2Client(server.port) as client:
        await client.send(await client.open(), b"12345", compressed=True)
        await client.send_raw(await client.open(), b"\0\0\0\0\x09abc", end=True)
        await client.read_until("StreamEnded", 2)

    assert (None, 2.0) == (counted(metrics, "limit"), counted(metrics, "protocol"))
