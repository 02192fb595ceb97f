"""The exchange of decisions over a real connection: what a sibling sends that is none costs its stream only."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from meshregistry.ledger import DecisionLedger
from meshregistry.model.instance import Scope
from meshregistry.replica.exchange import DecisionExchange
from meshregistry.replica.options import ReplicaOptions
from meshregistry.store.holds import HoldReport
from meshregistry.store.operator import Freeze, OperatorDecision, Thaw
from meshregistry.telemetry.metrics import Metrics
from tests.support.grpc_peer import serving
from tests.support.scripted_sibling import ByteStream, Sibling, answer

pytestmark = pytest.mark.anyio

GOOD = b'{"at":1000.0,"verb":"freeze","by":"ann","target":["nacos","","",""]}'


class Replica:
    """What the exchange sees of its own replica."""

    def __init__(self) -> None:
        self.frozen: Collection[Scope] = ()
        self.taken: list[OperatorDecision] = []
        self.told: Mapping[str, bytes] = {}
        self.heard = asyncio.Event()

    def list_holds(self) -> list[HoldReport]:
        return []

    async def publish(self, update: OperatorDecision) -> None:
        self.taken.append(update)
        if isinstance(update, Freeze | Thaw):
            others = [each for each in self.frozen if each != update.target]
            self.frozen = [*others, update.target] if isinstance(update, Freeze) else others
        self.heard.set()

    async def settle(self) -> None:
        pass

    def publish_decisions(self, decisions: Mapping[str, bytes]) -> None:
        self.told = decisions


async def test_what_a_sibling_decides_while_it_cannot_be_reached_is_done_when_it_can_and_only_the_newest() -> None:
    later = [
        GOOD.replace(b"1000.0", b"1001.0").replace(b"freeze", b"thaw"),
        GOOD.replace(b"nacos", b"eureka").replace(b"1000.0", b"1002.0"),
    ]
    answers = [answer({"freeze/nacos///": GOOD}), answer({"a": later[0], "b": later[1]}), answer({"a": GOOD})]
    nacos, eureka = Scope("nacos", "", "", ""), Scope("eureka", "", "", "")

    async def tell(stream: ByteStream) -> None:
        """Be lost after each answer."""
        await stream.recv_message()
        await stream.send_message(answers.pop(0))

    replica, metrics = Replica(), Metrics()
    async with serving(Sibling(tell)) as port, asyncio.TaskGroup() as tasks, asyncio.timeout(30):
        ledger = DecisionLedger(replica, replica, "", metrics)
        exchange = DecisionExchange(ledger, ReplicaOptions((("127.0.0.1", port),), resolve_interval_s=0.05))
        running = [tasks.create_task(each) for each in (ledger.run(), exchange.run(metrics))]
        while len(replica.taken) < 3 or answers:  # noqa: ASYNC110 - replicas have no event for it
            await asyncio.sleep(0.01)
        for each in running:
            each.cancel()

    assert [Freeze(nacos, "ann"), Thaw(nacos, "ann"), Freeze(eureka, "ann")] == replica.taken


@pytest.mark.parametrize(
    ("bad", "reason"), [(b"\xff\xff", "malformed"), (answer({"a": b"{}"}), "malformed"), (bytes(5000), "too_large")]
)
async def test_what_is_no_decision_ends_the_stream_is_counted_and_the_next_is_heard(bad: bytes, reason: str) -> None:
    answers = [bad, answer({"freeze/nacos///": GOOD})]

    async def tell(stream: ByteStream) -> None:
        await stream.recv_message()
        await stream.send_message(answers.pop(0) if answers else answer({}))
        while await stream.recv_message() is not None:
            pass

    replica, metrics = Replica(), Metrics()
    async with serving(Sibling(tell)) as port, asyncio.TaskGroup() as tasks, asyncio.timeout(30):
        options = ReplicaOptions((("127.0.0.1", port),), resolve_interval_s=0.05, max_message_bytes=4000)
        ledger = DecisionLedger(replica, replica, "", metrics)
        ledger.listen(replica.publish_decisions)
        exchange = DecisionExchange(ledger, options)
        running = [tasks.create_task(each) for each in (ledger.run(), exchange.run(metrics))]
        await replica.heard.wait()
        for each in running:
            each.cancel()

    assert [Freeze(Scope("nacos", "", "", ""), "ann")] == replica.taken
    assert {"freeze/nacos///"} == replica.told.keys()
    counted = metrics.registry.get_sample_value("meshregistry_sibling_decisions_refused_total", {"reason": reason})
    assert 1.0 == counted
