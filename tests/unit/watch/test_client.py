"""The istiod model against a scripted server on the loopback interface."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from meshregistry.watch.client import Backoff, ClientOptions, Conduct, IstiodClient, Seams, answer
from meshregistry.watch.codec import Codec, IstiodCodec
from meshregistry.watch.families import ISTIOD_118, ISTIOD_124
from meshregistry.watch.model import Action, ConfigKey
from meshregistry.watch.observations import Observation, ResponseApplied, StreamLost, StreamOpened
from meshregistry.watch.resources import Node, Request
from meshregistry.watch.transport import DialOptions
from tests.support.beside import beside
from tests.support.pb2_decoder import Pb2Codec
from tests.support.scripted_ads import answer_everything, idle, serving
from tests.support.watch_builders import body_bytes, full, response_bytes, service_entry, stub

pytestmark = pytest.mark.anyio

ORDERS = ConfigKey("ServiceEntry", "demo", "orders")


@dataclass
class Recorder:
    """Collects what the client observes and the pauses it takes."""

    seen: list[Observation] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    paused: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        """Do not wait, but let others run."""
        self.pauses_s.append(seconds)
        self.paused.set()
        await asyncio.sleep(0)

    def losses(self) -> list[str]:
        """Why streams ended."""
        return [observation.reason for observation in self.seen if isinstance(observation, StreamLost)]

    async def wait_for_losses(self, count: int) -> None:
        """Return once so many streams were lost."""
        while len(self.losses()) < count:
            self.paused.clear()
            await self.paused.wait()


@asynccontextmanager
async def running(
    port: int,
    recorder: Recorder,
    options: Callable[[ClientOptions], ClientOptions] = lambda options: options,
    codec: Codec | None = None,
) -> AsyncIterator[IstiodClient]:
    """A client that runs while the block does."""
    seams = Seams(codec or IstiodCodec(), recorder.sleep, lambda: 0.5)
    dial = DialOptions("127.0.0.1", port, connect_timeout_s=5)
    client = IstiodClient(options(ClientOptions(dial)), recorder.seen.append, seams)
    async with beside(client.run()):
        yield client


@pytest.mark.parametrize("codec", [IstiodCodec(), Pb2Codec()], ids=["istiod", "pb2"])
async def test_it_asks_for_every_type_at_once_and_acknowledges_every_answer(codec: Codec) -> None:
    acks: list[discovery_pb2.DiscoveryRequest] = []
    done = asyncio.Event()

    async def script(stream: Stream[bytes, bytes]) -> None:
        await answer_everything(stream, ads)
        acks.extend(await ads.read(stream, len(ISTIOD_124.types)))
        done.set()
        await idle(stream)

    async with serving(script) as ads, running(ads.port, Recorder(), codec=codec) as client:
        await client.wait_until(lambda model: model.synced)
        await done.wait()
        assert [ORDERS] == list(client.model.configs)
    first = ads.requests[: len(ISTIOD_124.types)]
    assert list(ISTIOD_124.types) == [request.type_url for request in first] == [ack.type_url for ack in acks]
    assert [True] + [False] * 14 == [request.HasField("node") for request in first]
    assert [f"n{index}" for index in range(15)] == [ack.response_nonce for ack in acks]
    assert {True} == {ack.HasField("node") for ack in acks}
    assert {"v1"} == {ack.version_info for ack in acks}
    assert not any(ack.HasField("error_detail") for ack in acks)


async def test_events_and_their_effects_are_observed() -> None:
    async def script(stream: Stream[bytes, bytes]) -> None:
        await answer_everything(stream, ads)
        await stream.send_message(response_bytes(stub("demo/orders"), full("demo/new")))
        await idle(stream)

    recorder = Recorder()
    async with serving(script) as ads, running(ads.port, recorder) as client:
        await client.wait_until(lambda model: len(model.configs) == 2)
    opened, *applied = recorder.seen
    assert StreamOpened(15) == opened
    last = applied[-1]
    assert isinstance(last, ResponseApplied)
    assert [Action.SKIPPED, Action.CREATED] == [event.action for event in last.handled.events]
    assert ["none", "full"] == [effect.push for effect in last.effects]
    assert () == last.missing_types


async def test_it_keeps_its_store_and_asks_anew_after_the_stream_ended() -> None:
    async def one_answer(stream: Stream[bytes, bytes]) -> None:
        await answer_everything(stream, ads)
        await ads.read(stream, len(ISTIOD_124.types))

    async def silence(stream: Stream[bytes, bytes]) -> None:
        await ads.read(stream, len(ISTIOD_124.types))
        reconnected.set()
        await idle(stream)

    reconnected = asyncio.Event()
    recorder = Recorder()
    async with serving(one_answer, silence) as ads, running(ads.port, recorder) as client:
        await reconnected.wait()
        assert client.model.synced
        assert [ORDERS] == list(client.model.configs)
    again = ads.requests[-15:]
    assert list(ISTIOD_124.types) == [request.type_url for request in again]
    assert {""} == {request.version_info for request in again}
    assert [True] + [False] * 14 == [request.HasField("node") for request in again]
    assert ["closed by the server with status OK"] == recorder.losses()
    assert [0.5] == recorder.pauses_s


async def test_the_status_of_a_failed_stream_is_named() -> None:
    async def drain(stream: Stream[bytes, bytes]) -> None:
        await ads.read(stream, 1)
        raise GRPCError(Status.UNAVAILABLE, "server draining")

    recorder = Recorder()
    async with serving(drain) as ads, running(ads.port, recorder):
        await recorder.wait_for_losses(1)
    assert "UNAVAILABLE server draining" == recorder.losses()[0]


async def test_streams_ended_at_once_are_retried_without_growth() -> None:
    async def slam(stream: Stream[bytes, bytes]) -> None:
        raise GRPCError(Status.UNAVAILABLE, "no")

    recorder = Recorder()
    async with serving(slam) as ads, running(ads.port, recorder):
        await recorder.wait_for_losses(4)
    assert {0.5} == set(recorder.pauses_s)


async def test_a_cancellation_is_not_lost_to_a_stream_that_ends_at_the_same_moment() -> None:
    """Several times, because the moment cannot be forced; a lost cancellation hangs the test."""

    async def slam(stream: Stream[bytes, bytes]) -> None:
        raise GRPCError(Status.UNAVAILABLE, "no")

    async with serving(slam) as ads:
        for _ in range(20):
            recorder = Recorder()
            async with running(ads.port, recorder):
                await recorder.wait_for_losses(1)


async def test_an_observers_error_stops_the_client_as_it_is() -> None:
    def broken_pipe(observation: Observation) -> None:
        raise BrokenPipeError("no reader")

    async def script(stream: Stream[bytes, bytes]) -> None:
        await idle(stream)

    async with serving(script) as ads:
        client = IstiodClient(ClientOptions(DialOptions("127.0.0.1", ads.port)), broken_pipe)
        with pytest.raises(BrokenPipeError, match="no reader"):
            await client.run()


async def test_a_refused_connection_is_retried_with_growth() -> None:
    recorder = Recorder()
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        port = placeholder.getsockname()[1]
        async with running(port, recorder):
            await recorder.wait_for_losses(4)
    assert "refused" in recorder.losses()[0].lower() or "connect call failed" in recorder.losses()[0].lower()
    assert [0.5, 0.75, 1.125] == recorder.pauses_s[:3]
    assert not any(isinstance(observation, StreamOpened) for observation in recorder.seen)


async def test_an_undecodable_envelope_ends_the_stream() -> None:
    async def garbage(stream: Stream[bytes, bytes]) -> None:
        await ads.read(stream, 1)
        await stream.send_message(response_bytes(full())[:-1])
        await idle(stream)

    recorder = Recorder()
    async with serving(garbage) as ads, running(ads.port, recorder):
        await recorder.wait_for_losses(1)
    assert recorder.losses()[0].startswith("not a valid DiscoveryResponse")


async def test_a_dropped_connection_ends_the_stream() -> None:
    recorder = Recorder()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(24)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server, running(server.sockets[0].getsockname()[1], recorder):
        await recorder.wait_for_losses(2)
    assert 2 <= len(recorder.losses())
    assert "" not in recorder.losses()


async def test_messages_beyond_four_mebibytes_are_received() -> None:
    large = replace(full(), body=body_bytes(service_entry(subject_alt_names=("x" * (6 << 20),))))

    async def script(stream: Stream[bytes, bytes]) -> None:
        await ads.read(stream, len(ISTIOD_124.types))
        await stream.send_message(response_bytes(large))
        await idle(stream)

    async with serving(script) as ads, running(ads.port, Recorder()) as client:
        await client.wait_until(lambda model: ORDERS in model.configs)


async def test_an_older_family_asks_for_its_own_types() -> None:
    async def script(stream: Stream[bytes, bytes]) -> None:
        await ads.read(stream, len(ISTIOD_118.types))
        done.set()
        await idle(stream)

    done = asyncio.Event()
    node = Node("istiod-0", "istio-system", "10.0.0.9", "canary")
    async with (
        serving(script) as ads,
        running(ads.port, Recorder(), lambda options: replace(options, family=ISTIOD_118, node=node)),
    ):
        await done.wait()
    assert list(ISTIOD_118.types) == [request.type_url for request in ads.requests]
    assert node.id == ads.requests[0].node.id
    assert "canary" == ads.requests[0].node.metadata["ISTIO_REVISION"]


async def test_a_client_that_stops_reading_sends_its_requests_and_applies_nothing() -> None:
    async def script(stream: Stream[bytes, bytes]) -> None:
        await answer_everything(stream, ads)
        done.set()
        await idle(stream)

    done = asyncio.Event()
    async with (
        serving(script) as ads,
        running(ads.port, Recorder(), lambda options: replace(options, conduct=Conduct(stop_reading=True))) as client,
    ):
        await done.wait()
        assert 0 == client.model.counters.responses


@pytest.mark.parametrize("never_ack", [True, False])
async def test_a_client_may_never_acknowledge(never_ack: bool) -> None:
    async def script(stream: Stream[bytes, bytes]) -> None:
        await answer_everything(stream, ads)
        await idle_counting(stream)

    async def idle_counting(stream: Stream[bytes, bytes]) -> None:
        while (data := await stream.recv_message()) is not None:
            acks.append(data)
            if len(acks) == len(ISTIOD_124.types):
                complete.set()

    acks: list[bytes] = []
    complete = asyncio.Event()
    conduct = Conduct(never_ack=never_ack)
    async with (
        serving(script) as ads,
        running(ads.port, Recorder(), lambda options: replace(options, conduct=conduct)) as client,
    ):
        await client.wait_until(lambda model: model.counters.responses == 15)
        if not never_ack:
            await complete.wait()
    assert (0 if never_ack else 15) == len(acks)


async def test_a_client_may_acknowledge_late() -> None:
    async def script(stream: Stream[bytes, bytes]) -> None:
        await answer_everything(stream, ads)
        await ads.read(stream, len(ISTIOD_124.types))
        done.set()
        await idle(stream)

    done = asyncio.Event()
    recorder = Recorder()
    async with (
        serving(script) as ads,
        running(ads.port, recorder, lambda options: replace(options, conduct=Conduct(ack_delay_s=7.0))),
    ):
        await done.wait()
    assert [7.0] * 15 == recorder.pauses_s


class TestAnswer:
    ACK = Request("g/v/K", "v1", "n1", Node())

    def test_istiod_sends_the_ack(self) -> None:
        assert self.ACK == answer(self.ACK, Conduct())
        assert answer(None, Conduct()) is None

    def test_a_refusal_names_its_reason_and_no_version(self) -> None:
        assert replace(self.ACK, version_info="", error="no") == answer(self.ACK, Conduct(nack="no"))

    def test_a_foreign_nonce_replaces_the_servers(self) -> None:
        assert replace(self.ACK, response_nonce="other") == answer(self.ACK, Conduct(foreign_nonce="other"))

    def test_silence(self) -> None:
        assert answer(self.ACK, Conduct(never_ack=True, nack="no")) is None


class TestBackoff:
    def test_it_grows_by_half_to_a_minute(self) -> None:
        backoff = Backoff(lambda: 0.5)
        pauses = [backoff.next_s() for _ in range(14)]
        assert [0.5, 0.75, 1.125, 1.6875] == pauses[:4]
        assert 60.0 == pauses[12] == pauses[13]

    @pytest.mark.parametrize(("jitter", "expected"), [(0.0, 0.25), (0.5, 0.5), (1.0, 0.75)])
    def test_it_is_spread_by_half(self, jitter: float, expected: float) -> None:
        assert expected == Backoff(lambda: jitter).next_s()

    def test_it_starts_again_once_a_stream_was_opened(self) -> None:
        backoff = Backoff(lambda: 0.5)
        backoff.next_s()
        backoff.reset()
        assert 0.5 == backoff.next_s()
