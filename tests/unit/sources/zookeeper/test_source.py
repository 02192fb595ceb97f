"""The whole source over a tree in memory: what is read when, and what failures come to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from meshregistry.errors import SourceUnavailable
from meshregistry.model.events import RegistryAway, ScopeConfirmed, ScopeListing, SidecarChanges, SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.model.sidecar import SidecarPolicy
from meshregistry.sources.polling import REAL_CLOCK, Clock, PollOptions
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.options import (
    DebounceOptions,
    Mode,
    ResyncOptions,
    SidecarOptions,
    ZooKeeperOptions,
    ZooKeeperServerOptions,
)
from meshregistry.sources.zookeeper.session import AccessRefused, AuthRefused, SessionOptions
from meshregistry.sources.zookeeper.source import ZooKeeperSource
from meshregistry.telemetry.metrics import Metrics
from tests.support.beside import beside
from tests.support.dubbo_names import encode, provider
from tests.support.source_fakes import RecordingSink, SteppedClock
from tests.support.zookeeper_fake import FakeTree

pytestmark = pytest.mark.anyio

ORDERS, USERS = "com.acme.Orders", "com.acme.Users"
SPRING = b'{"name":"web","id":"1","address":"10.0.0.9","port":80,"payload":{"metadata":{}}}'
DUBBO = json.dumps(
    {
        "name": "shop",
        "address": "10.0.0.1",
        "port": 20880,
        "payload": {
            "metadata": {
                "dubbo.endpoints": json.dumps([{"port": 20880, "protocol": "dubbo"}]),
                "dubbo.metadata.revision": "r1",
                "timestamp": "1795370156994",
            }
        },
    }
).encode()
SERVER = ZooKeeperServerOptions(session=SessionOptions(hosts=("zk:2181",)))
RHYTHM = PollOptions(refresh_period_s=0.05, first_retry_s=0.02, jitter=0.0)
QUIET = ResyncOptions(period_s=0.0)


def path_of(address: str, interface: str = ORDERS) -> str:
    return f"/dubbo/{interface}/providers/{provider(f'{address}:20880', interface)}"


class Running:
    """A source, its tree and what it published."""

    def __init__(self, tree: FakeTree, options: ZooKeeperOptions, clock: Clock) -> None:
        self.tree = tree
        self.sink = RecordingSink()
        self.metrics = Metrics()
        self.source = ZooKeeperSource(options, self.metrics, clock, open_session=tree.open_session)

    @property
    def listings(self) -> list[ScopeListing]:
        return [each for each in self.sink.updates if isinstance(each, ScopeListing)]

    @property
    def source_scopes(self) -> set[Scope]:
        """What the source says that it has read."""
        return {each.scope for each in self.sink.updates if isinstance(each, ScopeConfirmed)}

    @property
    def is_synced(self) -> bool:
        return SourceSynced("zookeeper") in self.sink.updates

    @property
    def page(self) -> dict[str, object]:
        return self.source.registries()[0]

    @property
    def addresses(self) -> dict[str, list[str]]:
        return {service: [each.address for each in found] for _, service, found in self.source.instances()}

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - the status page has no event to wait for
                await asyncio.sleep(0.001)


@asynccontextmanager
async def running(tree: FakeTree, clock: Clock = REAL_CLOCK, **changes: object) -> AsyncIterator[Running]:
    fields: dict[str, object] = {"servers": (SERVER,), "polling": RHYTHM, "resync": QUIET, **changes}
    made = Running(tree, ZooKeeperOptions(**fields), clock)  # type: ignore[arg-type]
    async with beside(made.source.run(made.sink)):
        yield made


async def test_a_change_costs_the_reading_of_one_list() -> None:
    tree = FakeTree()
    for number in range(20):
        tree.put(path_of("10.0.0.1", f"com.acme.S{number}"))
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        tree.reads.clear()
        tree.put(path_of("10.0.0.2", "com.acme.S7"))
        await made.until(lambda: len(made.addresses["com.acme.S7"]) == 2)
        await asyncio.sleep(0.02)
        assert ["/dubbo/com.acme.S7/providers"] == tree.reads


MANY = [f"com.acme.S{number:02d}" for number in range(40)]


@pytest.mark.parametrize("changes", [{}, {"recursive": False}, {"mode": Mode.POLLING}], ids=["trees", "nodes", "polls"])
async def test_lists_that_are_asked_for_together_are_read_like_single_ones(changes: dict[str, object]) -> None:
    tree = FakeTree()
    for interface in MANY[1:]:
        tree.put(path_of("10.0.0.1", interface))
    tree.put(f"/dubbo/{MANY[0]}")
    expected = {interface: ["10.0.0.1"] for interface in MANY[1:]}
    async with running(tree, REAL_CLOCK, concurrency=1, **changes) as made:
        await made.until(lambda: made.is_synced)
        assert expected == made.addresses
        assert (0, 0) == (made.page["unread_total"], made.page["missed_events_total"])
        tree.errors[f"/dubbo/{MANY[7]}/providers"] = SourceUnavailable("no answer")
        tree.put(path_of("10.0.0.2", MANY[7]))
        tree.put(path_of("10.0.0.2", MANY[8]))
        await made.until(lambda: not made.page["healthy"] and len(made.addresses[MANY[8]]) == 2)
        assert {**expected, MANY[8]: ["10.0.0.1", "10.0.0.2"]} == made.addresses
        tree.errors.clear()
        await made.until(lambda: made.page["healthy"] and len(made.addresses[MANY[7]]) == 2)
        changed = {interface: ["10.0.0.1", "10.0.0.2"] for interface in MANY[7:9]}
        assert {**expected, **changed} == made.addresses


class Tripwire(list[str]):
    """Reads, the first one of a path with a consequence."""

    def __init__(self, path: str, act: Callable[[], object]) -> None:
        self._path, self._act = path, act

    def append(self, path: str) -> None:
        is_first = path == self._path and path not in self
        super().append(path)
        if is_first:
            self._act()


async def test_what_changes_after_its_list_was_asked_for_with_others_is_read_again() -> None:
    tree = FakeTree()
    for interface in MANY:
        tree.put(path_of("10.0.0.1", interface))
    tree.reads = Tripwire(f"/dubbo/{MANY[9]}/providers", lambda: tree.put(path_of("10.0.0.2", MANY[5])))
    async with running(tree, concurrency=1) as made:
        await made.until(lambda: made.is_synced)
        expected = {interface: ["10.0.0.1"] for interface in MANY}
        assert {**expected, MANY[5]: ["10.0.0.1", "10.0.0.2"]} == made.addresses
        assert 2 == tree.reads.count(f"/dubbo/{MANY[5]}/providers")


async def test_a_change_is_read_between_two_lists_that_were_asked_for_together() -> None:
    tree = FakeTree()
    for interface in MANY:
        tree.put(path_of("10.0.0.1", interface))
    tree.reads = Tripwire(f"/dubbo/{MANY[9]}/providers", lambda: tree.put(path_of("10.0.0.2", MANY[39])))
    async with running(tree, concurrency=1) as made:
        await made.until(lambda: made.is_synced)
        assert ["", MANY[0], MANY[39], *MANY[1:39]] == [each.scope.group for each in made.listings]


async def test_that_nobody_could_be_reached_before_the_first_reading_is_told_once() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.errors["/"] = SourceUnavailable("no answer")
    async with running(tree, settle_s=60.0) as made:
        listener = tree.sessions[0].listener
        for _ in range(2):
            listener.unreachable("refused")
        await made.until(lambda: made.sink.updates)
        tree.errors.clear()
        listener.connected(new_session=True)
        await made.until(lambda: made.is_synced)
        assert made.page["settling"]
        listener.unreachable("refused")
        await asyncio.sleep(0.02)

    scopes = sorted(made.source_scopes)
    assert scopes == [each.scope for each in made.sink.updates if isinstance(each, RegistryAway)]
    assert [RegistryAway] * len(scopes) == list(map(type, made.sink.updates[: len(scopes)]))


async def test_a_first_reading_that_fails_is_told_once_too() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.errors["/"] = SourceUnavailable("no answer")
    async with running(tree, mode=Mode.POLLING) as made:
        await made.until(lambda: made.page["readings_total"] == {"interval": 3})
        tree.errors.clear()
        await made.until(lambda: made.is_synced)
        tree.errors["/"] = SourceUnavailable("no answer")
        await made.until(lambda: not made.page["healthy"])

    scopes = [each.scope for each in made.sink.updates if isinstance(each, RegistryAway)]
    assert sorted(made.source_scopes) == scopes


async def test_of_servers_that_could_be_read_from_the_start_nothing_is_told() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        tree.sessions[0].listener.disconnected("lost")
        tree.sessions[0].listener.unreachable("refused")
        await asyncio.sleep(0.02)

    assert [] == [each for each in made.sink.updates if isinstance(each, RegistryAway)]


async def test_many_changes_of_one_interface_are_few_readings() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        tree.reads.clear()
        for number in range(2, 102):
            tree.put(path_of(f"10.0.0.{number}"))
        await made.until(lambda: len(made.addresses[ORDERS]) == 101)
        assert len(tree.reads) <= 4


async def test_a_list_without_an_answer_fails_the_reading_and_keeps_its_interface() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.put(path_of("10.0.0.2", USERS))
    async with running(tree, mode=Mode.POLLING) as made:
        await made.until(lambda: made.is_synced)
        tree.errors[f"/dubbo/{ORDERS}/providers"] = SourceUnavailable("no answer")
        tree.put(path_of("10.0.0.3"))
        tree.put(path_of("10.0.0.4", USERS))
        await made.until(lambda: not made.page["healthy"])
        await made.until(lambda: made.addresses == {ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2", "10.0.0.4"]})
        assert "1 lists could not be read" in str(made.page["last_error"])
        tree.errors.clear()
        await made.until(lambda: made.page["healthy"])
        assert {ORDERS: ["10.0.0.1", "10.0.0.3"], USERS: ["10.0.0.2", "10.0.0.4"]} == made.addresses


async def test_the_first_reading_is_complete_only_without_transient_failures() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.put(path_of("10.0.0.2", USERS))
    tree.errors[f"/dubbo/{ORDERS}/providers"] = SourceUnavailable("no answer")
    async with running(tree) as made:
        await made.until(lambda: made.addresses == {USERS: ["10.0.0.2"]})
        await asyncio.sleep(0.05)
        assert not made.is_synced
        tree.errors[f"/dubbo/{ORDERS}/providers"] = AccessRefused("not allowed")
        await made.until(lambda: made.is_synced)
        assert (1, {USERS: ["10.0.0.2"]}) == (made.page["unread_total"], made.addresses)


async def test_names_that_are_no_providers_are_named_and_cost_nothing_else() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.put(path_of("10.0.0.2", USERS))
    for name in ("nonsense", encode("consumer://10.0.0.3/x"), encode("dubbo://10.0.0.3:0/x"), "x" * 70_000):
        tree.put(f"/dubbo/{ORDERS}/providers/{name}")
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        bad = {ORDERS: "port=1 scheme=2 size=1 such as consumer%3A%2F%2F10.0.0.3%2Fx"}
        assert (bad, 1, {}) == tuple(made.page[each] for each in ("bad", "bad_total", "unread"))
        assert {ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]} == made.addresses

        for name in made.tree.children(f"/dubbo/{ORDERS}/providers"):
            if name != provider("10.0.0.1:20880", ORDERS):
                tree.remove(f"/dubbo/{ORDERS}/providers/{name}")
        await made.until(lambda: made.page["bad"] == {})
        assert {ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]} == made.addresses


async def test_a_hostile_name_is_told_on_one_line_of_bearable_length(caplog: pytest.LogCaptureFixture) -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.put(f"/dubbo/x%0Azookeeper.connected%20{'y' * 5000}/providers/nonsense")
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        unread = made.page["unread"]

    assert isinstance(unread, dict)
    why = "none of 1 provider names is usable: {'scheme': 1}, such as nonsense"
    assert [why] == [*unread.values()]
    messages = [record.getMessage() for record in caplog.records if "zookeeper.unread" in record.getMessage()]
    assert [True] == [each.endswith(f" error={why}") for each in messages]
    assert [] == [each for each in (*unread, *messages) if "\n" in each or len(each) > 400]


async def test_refused_credentials_are_told_and_empty_nothing() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    async with running(tree, mode=Mode.POLLING) as made:
        await made.until(lambda: made.is_synced)
        tree.errors["/"] = AuthRefused("credentials refused")
        await made.until(lambda: not made.page["healthy"])
        await asyncio.sleep(0.1)
        assert {ORDERS: ["10.0.0.1"]} == made.addresses
        reasons = {"source": "zookeeper", "reason": "auth"}
        assert made.metrics.registry.get_sample_value("meshregistry_source_failures_total", reasons)


async def test_a_lost_connection_is_a_status_and_the_next_one_reads_everything() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        count = len(made.listings)
        tree.sessions[0].listener.disconnected("reset")
        assert (False, "reset") == (made.page["healthy"], made.page["last_error"])
        tree.is_mute = True
        tree.remove(path_of("10.0.0.1"))
        tree.put(path_of("10.0.0.2"))
        await asyncio.sleep(0.02)
        assert count == len(made.listings)
        tree.sessions[0].listener.connected(new_session=False)
        await made.until(lambda: made.addresses == {ORDERS: ["10.0.0.2"]} and made.page["healthy"])
        assert (1, {"connected": 2}) == (made.page["missed_events_total"], made.page["readings_total"])


@pytest.mark.parametrize(
    "changes", [{}, {"recursive": False}, {"mode": Mode.POLLING}], ids=["trees", "nodes", "polling"]
)
async def test_what_is_gone_after_an_outage_stays_until_its_owners_have_had_time(changes: Mapping[str, object]) -> None:
    """They register again one after the other: no service may lose those that are late, nor the last of them."""
    time, tree = SteppedClock(), FakeTree()
    orders, users, web = path_of("10.0.0.1"), path_of("10.0.0.3", USERS), "/services/web/1"
    tree.put(orders)
    tree.put(path_of("10.0.0.2"))
    tree.put(users)
    tree.put(web, SPRING)
    polling = PollOptions(refresh_period_s=1.0, first_retry_s=1.0, jitter=0.0)
    async with running(tree, time.clock, settle_s=60.0, polling=polling, **changes) as made:
        await time.advance(0.0)
        everything = {ORDERS: ["10.0.0.1", "10.0.0.2"], USERS: ["10.0.0.3"], "web": ["10.0.0.9"]}
        assert everything == made.addresses
        session = tree.sessions[0].listener
        session.disconnected("reset")
        tree.is_mute, tree.errors["/"] = True, SourceUnavailable("no connection")
        tree.remove(f"/dubbo/{ORDERS}")
        tree.remove(f"/dubbo/{USERS}")
        tree.remove("/services")
        await time.advance(10.0)
        tree.is_mute = False
        tree.errors.clear()
        session.connected(new_session=False)
        await time.advance(5.0)
        tree.put(path_of("10.0.0.2"))
        tree.put(path_of("10.0.0.4"))
        await time.advance(5.0)
        assert {**everything, ORDERS: ["10.0.0.1", "10.0.0.2", "10.0.0.4"]} == made.addresses
        assert made.page["settling"]
        tree.put(users)
        await time.advance(49.0)
        assert {**everything, ORDERS: ["10.0.0.1", "10.0.0.2", "10.0.0.4"]} == made.addresses
        await time.advance(2.0)
        assert {ORDERS: ["10.0.0.2", "10.0.0.4"], USERS: ["10.0.0.3"]} == made.addresses
        assert not made.page["settling"]


async def test_after_a_moment_without_a_connection_the_servers_are_believed() -> None:
    time, tree = SteppedClock(), FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.put(path_of("10.0.0.2"))
    async with running(tree, time.clock, settle_s=60.0) as made:
        await time.advance(0.0)
        tree.sessions[0].listener.disconnected("reset")
        tree.is_mute = True
        tree.remove(path_of("10.0.0.1"))
        await time.advance(1.0)
        tree.sessions[0].listener.connected(new_session=False)
        await time.advance(0.0)
        assert {ORDERS: ["10.0.0.2"]} == made.addresses


async def test_an_event_that_got_lost_is_found_by_interval_and_counted() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    async with running(tree, resync=ResyncOptions(period_s=0.05)) as made:
        await made.until(lambda: made.is_synced)
        tree.is_mute = True
        tree.put(path_of("10.0.0.2"))
        await made.until(lambda: len(made.addresses[ORDERS]) == 2)
        assert 1 == made.page["missed_events_total"]


@pytest.mark.parametrize(
    "changes", [{}, {"recursive": False}, {"mode": Mode.POLLING}], ids=["trees", "nodes", "polling"]
)
async def test_a_provider_that_rewrites_its_node_is_never_gone(changes: Mapping[str, object]) -> None:
    time, tree = SteppedClock(), FakeTree()
    first = path_of("10.0.0.1").replace("interface", "application%3Dshop%26interface")
    tree.put(first)
    tree.put("/services/shop/10.0.0.1:20880", DUBBO)
    tree.put(f"/dubbo/mapping/{ORDERS}", b"shop")
    polling = PollOptions(refresh_period_s=1.0, first_retry_s=1.0, jitter=0.0)
    async with running(tree, time.clock, polling=polling, **changes) as made:
        await time.advance(0.0)
        assert {ORDERS: ["10.0.0.1"], "shop": ["10.0.0.1"]} == made.addresses
        count = len(made.listings)
        await time.advance(0.9)
        for _ in range(3):
            tree.remove(first)
            await time.advance(0.15)
            tree.put(first)
            await time.advance(0.85)
        assert count == len(made.listings)

        tree.remove(first)
        await time.advance(1.5)
        assert {"shop": ["10.0.0.1"]} == made.addresses
        assert 0 == made.page["missed_events_total"]


@pytest.mark.parametrize("old_comes_first", [True, False])
@pytest.mark.parametrize("mode", Mode)
async def test_processes_of_an_older_release_do_not_serve_what_a_newer_one_has(
    mode: Mode, old_comes_first: bool
) -> None:
    """The mapping of an interface names the application, and its older processes stand beside the newer ones.

    Processes that register as applications only, as in a migration, are offered beside those that register both ways.
    """
    both, new = ("com.acme.A", "com.acme.Z")[:: 1 if old_comes_first else -1]
    tree = FakeTree()
    for address, interfaces in (("10.0.0.1", (both,)), ("10.0.0.2", (both, new)), ("10.0.0.3", ())):
        for interface in interfaces:
            tree.put(path_of(address, interface).replace("interface", "application%3Dshop%26interface"))
        tree.put(f"/services/shop/{address}:20880", DUBBO.replace(b"10.0.0.1", address.encode()))
    for interface in (both, new):
        tree.put(f"/dubbo/mapping/{interface}", b"shop")
    everybody = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    async with running(tree, mode=mode, concurrency=1) as made:
        await made.until(lambda: made.is_synced)
        assert {both: everybody, new: everybody[1:], "shop": everybody} == made.addresses


async def test_a_cron_line_has_everything_read_each_time_it_is_due() -> None:
    time = SteppedClock()
    resync = ResyncOptions(period_s=0.0, cron=("@every 60s", "@every 90s"), jitter_s=0.0)
    tree = FakeTree()
    async with running(tree, time.clock, resync=resync) as made:
        await made.until(lambda: made.is_synced)
        tree.is_mute = True
        tree.put(path_of("10.0.0.1"))
        await time.advance(59.0)
        assert ({"connected": 1}, {}) == (_readings(made), made.addresses)
        await time.advance(1.0)
        assert ({"connected": 1, "cron": 1}, {ORDERS: ["10.0.0.1"]}) == (_readings(made), made.addresses)
        await time.advance(60.0)
        assert {"connected": 1, "cron": 3} == _readings(made)


async def test_replicas_spread_what_a_cron_line_asks_for() -> None:
    time = SteppedClock(dice=0.5)
    resync = ResyncOptions(period_s=0.0, cron=("@every 60s",), jitter_s=20.0)
    async with running(FakeTree(), time.clock, resync=resync) as made:
        await made.until(lambda: made.is_synced)
        await time.advance(69.0)
        assert {"connected": 1} == _readings(made)
        await time.advance(1.0)
        assert {"connected": 1, "cron": 1} == _readings(made)


async def test_an_interface_that_changes_too_often_is_read_later() -> None:
    time = SteppedClock()
    debounce = DebounceOptions(trigger_count=2, duration_s=10.0, delay_s=5.0, max_delay_s=60.0)
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    async with running(tree, time.clock, debounce=debounce) as made:
        await made.until(lambda: made.is_synced)
        await time.advance(1.0)
        tree.put(path_of("10.0.0.2"))
        await time.advance(0.0)
        assert {ORDERS: ["10.0.0.1", "10.0.0.2"]} == made.addresses
        tree.put(path_of("10.0.0.3"))
        tree.put(path_of("10.0.0.4", USERS))
        await time.advance(4.9)
        assert {ORDERS: ["10.0.0.1", "10.0.0.2"], USERS: ["10.0.0.4"]} == made.addresses
        await time.advance(0.1)
        assert {ORDERS: ["10.0.0.1", "10.0.0.2", "10.0.0.3"], USERS: ["10.0.0.4"]} == made.addresses


@pytest.mark.parametrize("mode", Mode)
async def test_the_start_delay_comes_before_the_first_reading(mode: Mode) -> None:
    time = SteppedClock()
    polling = PollOptions(refresh_period_s=3600.0, start_delay_s=30.0, jitter=0.0)
    tree = FakeTree()
    async with running(tree, time.clock, mode=mode, polling=polling) as made:
        await time.advance(29.0)
        assert ([], {}) == (tree.reads, _readings(made))
        await time.advance(1.0)
        assert (1, True) == (sum(_readings(made).values()), made.is_synced)


@pytest.mark.parametrize("mode", Mode)
async def test_an_operator_ends_the_start_delay(mode: Mode) -> None:
    time = SteppedClock()
    polling = PollOptions(refresh_period_s=3600.0, start_delay_s=30.0, jitter=0.0)
    async with running(FakeTree(), time.clock, mode=mode, polling=polling) as made:
        await time.advance(1.0)
        made.source.read_again()
        await made.until(lambda: made.is_synced)
        assert 1 == sum(_readings(made).values())


async def test_without_tree_watches_every_node_is_watched() -> None:
    tree = FakeTree(has_tree_watches=False)
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        assert "nodes" == made.page["watches"]
        tree.put(path_of("10.0.0.1"))
        await made.until(lambda: made.addresses == {ORDERS: ["10.0.0.1"]})
        tree.remove("/dubbo")
        await made.until(lambda: made.addresses == {})
        tree.put(path_of("10.0.0.2"))
        await made.until(lambda: made.addresses == {ORDERS: ["10.0.0.2"]})
        assert 0 == made.page["missed_events_total"]


@pytest.mark.parametrize("has_tree_watches", [True, False])
async def test_an_interface_that_appears_while_everything_is_read_again_was_not_missed(has_tree_watches: bool) -> None:
    tree = LateTree(has_tree_watches=has_tree_watches)
    tree.put(path_of("10.0.0.1"))
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        tree.late = path_of("10.0.0.2", USERS)
        made.source.read_again()
        await made.until(lambda: made.addresses == {ORDERS: ["10.0.0.1"], USERS: ["10.0.0.2"]})
        await made.until(lambda: made.page["readings_total"] == {"connected": 1, "operator": 1})
        assert 0 == made.page["missed_events_total"]


class LateTree(FakeTree):
    """A node of it comes just before the root is listed: its event comes before the list, as servers have it."""

    late = ""

    def children(self, path: str) -> tuple[str, ...]:
        late, self.late = (self.late, "") if path == "/dubbo" else ("", self.late)
        if late:
            self.put(late)
        return super().children(path)


async def test_too_many_changes_have_everything_read() -> None:
    tree = FakeTree()
    async with running(tree, backlog=3, concurrency=1) as made:
        await made.until(lambda: made.is_synced)
        for number in range(10):
            tree.put(path_of("10.0.0.1", f"com.acme.S{number}"))
        await made.until(lambda: len(made.addresses) == 10)
        assert {"connected": 1, "overflow": 1} == made.page["readings_total"]


async def test_every_reading_confirms_what_was_published_and_so_does_a_standing_watch() -> None:
    async with running(FakeTree()) as made:
        await made.until(lambda: made.is_synced)
        confirmed = [each for each in made.sink.updates if isinstance(each, ScopeConfirmed)]
        assert ["dubbo", "services"] == [each.scope.namespace for each in confirmed]
        assert made.sink.updates.index(confirmed[-1]) < made.sink.updates.index(SourceSynced("zookeeper"))
        await made.until(
            lambda: sum(isinstance(each, ScopeConfirmed) for each in made.sink.updates) >= 4,
        )


async def test_consumers_become_sidecars_before_the_source_is_complete() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.put(f"/dubbo/{ORDERS}/consumers/" + encode(f"consumer://10.0.0.9/{ORDERS}?application=shop"))
    sidecars = SidecarOptions(policy=SidecarPolicy(), remove_after_s=0.0)
    async with running(tree, sidecars=sidecars) as made:
        await made.until(lambda: made.is_synced)
        (first,) = [each for each in made.sink.updates if isinstance(each, SidecarChanges)]
        assert made.sink.updates.index(first) < made.sink.updates.index(SourceSynced("zookeeper"))
        assert {"dubbo/shop.dubbo.generated"} == {name for name, each in first.sidecars.items() if each.sidecar}
        assert (("com.acme.orders.dubbo",), {"shop"}) == (
            finish(made.source.calls())["shop"].consumes,
            set(finish(made.source.used_calls())),
        )


async def test_consumers_that_an_acl_hides_cost_no_provider() -> None:
    """What is known of who calls an interface stays until its consumers can be read."""
    tree = FakeTree()
    hidden, never_seen = f"/dubbo/{ORDERS}/consumers", f"/dubbo/{USERS}/consumers"
    tree.errors[never_seen] = AccessRefused(f"{never_seen}: NoAuth")
    tree.put(path_of("10.0.0.1"))
    tree.put(path_of("10.0.0.3", USERS))
    tree.put(f"{hidden}/{encode(f'consumer://10.0.0.8/{ORDERS}?application=web')}")
    sidecars = SidecarOptions(policy=SidecarPolicy(), remove_after_s=0.0)
    async with running(tree, sidecars=sidecars) as made:
        await made.until(lambda: made.is_synced)
        assert {ORDERS: ["10.0.0.1"], USERS: ["10.0.0.3"]} == made.addresses
        tree.errors[hidden] = AccessRefused(f"{hidden}: NoAuth")
        tree.put(f"{hidden}/{encode(f'consumer://10.0.0.9/{ORDERS}?application=shop')}")
        await made.until(lambda: made.page["unread_total"] == 2)
        tree.put(path_of("10.0.0.2"))
        tree.put(path_of("10.0.0.4", USERS))
        await made.until(lambda: made.addresses == {ORDERS: ["10.0.0.1", "10.0.0.2"], USERS: ["10.0.0.3", "10.0.0.4"]})
        made.source.read_again()
        readings = {"connected": 1, "operator": 1}
        await made.until(lambda: made.page["readings_total"] == readings and made.page["healthy"])
        unread = {f"interface {ORDERS}": f"{hidden}: NoAuth", f"interface {USERS}": f"{never_seen}: NoAuth"}
        assert unread == made.page["unread"]
        assert {"web"} == finish(made.source.calls()).keys()
        assert 1 == len([each for each in made.sink.updates if isinstance(each, SidecarChanges)])

        tree.errors.clear()
        await made.until(lambda: made.page["unread"] == {})
        assert {"web", "shop"} == finish(made.source.calls()).keys()


async def test_without_sidecars_no_consumers_are_read() -> None:
    tree = FakeTree()
    tree.put(path_of("10.0.0.1"))
    tree.put(f"/dubbo/{ORDERS}/consumers/x")
    async with running(tree) as made:
        await made.until(lambda: made.is_synced)
        assert [] == [path for path in tree.reads if "consumers" in path]
        calls = (finish(made.source.calls()), finish(made.source.used_calls()))
        assert (False, ({}, {})) == (made.source.reads_consumers, calls)


async def test_an_unread_source_is_complete_after_the_wait_time() -> None:
    tree = FakeTree(errors={"/": SourceUnavailable("no answer")})
    async with running(tree, wait_time_s=0.02) as made:
        await made.until(lambda: SourceSynced("zookeeper", "wait_time") in made.sink.updates)
        assert not made.is_synced


@pytest.mark.parametrize("mode", Mode)
async def test_everything_is_read_when_an_operator_asks(mode: Mode) -> None:
    rarely = PollOptions(refresh_period_s=3600.0, first_retry_s=3600.0, jitter=0.0)
    async with running(FakeTree({path_of("10.0.0.1"): b""}), mode=mode, polling=rarely) as made:
        await made.until(lambda: made.is_synced)
        before = sum(_readings(made).values())

        made.source.read_again()

        await made.until(lambda: sum(_readings(made).values()) == before + 1)
        assert mode is Mode.POLLING or _readings(made)["operator"] == 1


def _readings(made: Running) -> dict[str, int]:
    readings = made.page["readings_total"]
    assert isinstance(readings, dict)
    return readings
