"""Listings and pushes of one scope: which of them is newer, what is doubted, what stays."""

from collections.abc import Iterable, Mapping

import msgspec
import pytest

from meshregistry.model.events import ScopeListing, ServiceReading
from meshregistry.model.instance import Instance, Scope
from meshregistry.sources.nacos.absence import SEVERAL
from meshregistry.sources.nacos.hold import Settling
from meshregistry.sources.nacos.instances import InstanceReader
from meshregistry.sources.nacos.memory import Listing, Reading
from meshregistry.sources.nacos.scope import ScopeReader
from meshregistry.telemetry.metrics import Metrics
from tests.support.source_fakes import ManualClock, RecordingSink

pytestmark = pytest.mark.anyio

SETTLE_S = 30.0
DIGEST = 7
"""Of every item in a listing: what is remembered by it would not be read again."""


class _Scope:
    """A scope with a clock in hand, and what is known of it when its updates are applied as the store does."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sink = RecordingSink()
        self.settling = Settling(SETTLE_S, self.clock.clock.now)
        self.is_watched = True
        place = Scope("nacos", "", "public", "DEFAULT_GROUP")
        self.reader = InstanceReader()
        self.metrics = Metrics()
        self.scope = ScopeReader(place, self.reader, self.settling, self.metrics, self.clock.clock)

    async def take(
        self, services: Mapping[str, Iterable[int]], *, started_at: float | None = None, nameless: int = 0
    ) -> None:
        """Take a listing of services with the last parts of their addresses, asked for now or earlier.

        It is doubted as a namespace doubts it that has no other group.
        """
        now = self.clock.time
        fresh = {
            name: Reading(self.reader.read_list(_body(*lasts)), item_digest=DIGEST) for name, lasts in services.items()
        }
        began = now if started_at is None else started_at
        listing = Listing(frozenset(services), fresh, {}, now, 0, nameless, began)

        def is_watched(name: str, moment: float) -> bool:
            return self.is_watched

        losses = await self.scope.count_losses(listing, is_watched)
        is_doubted = losses >= SEVERAL or bool(self.scope.absences)
        await self.scope.take_listing(listing, self.sink, is_watched, is_doubted=is_doubted)

    async def push(self, name: str, *lasts: int) -> bool:
        return await self.scope.take_push(name, _body(*lasts), self.clock.time, self.sink)

    @property
    def services(self) -> dict[str, list[int]]:
        services: dict[str, tuple[Instance, ...]] = {}
        for update in self.sink.updates:
            if isinstance(update, ScopeListing):
                services = {name: each for name, each in services.items() if name in update.names} | dict(
                    update.services
                )
            elif isinstance(update, ServiceReading):
                services[update.key.name] = update.instances
        return {name: [int(each.address.rpartition(".")[2]) for each in found] for name, found in services.items()}

    @property
    def held(self) -> tuple[object, object]:
        """Instances that are published and not shown, and the services in doubt."""
        page = self.scope.describe()
        assert sum(each.held for each in self.scope.memory.known.values()) == page["held_instances"]
        assert (self.held_metric or 0.0) == page["held_instances"]
        return page["held_instances"], page["doubted_services"]

    @property
    def held_metric(self) -> float | None:
        labels = {"source": "nacos", "scope": "nacos/public/DEFAULT_GROUP"}
        return self.metrics.registry.get_sample_value("meshregistry_source_held_instances", labels)

    @property
    def missed(self) -> object:
        return self.scope.describe()["missed_events_total"]


def _body(*lasts: int) -> bytes:
    """Return a list with the last parts of addresses, negative for disabled ones."""
    hosts = [{"ip": f"10.0.0.{abs(last)}", "port": 80, "enabled": last > 0} for last in lasts]
    return msgspec.json.encode({"name": "DEFAULT_GROUP@@any", "hosts": hosts})


@pytest.fixture
def anyio_backend() -> str:
    """Nothing in here depends on the loop."""
    return "asyncio"


@pytest.mark.parametrize("is_watched", [True, False], ids=["watched", "connection lost since"])
async def test_a_push_that_came_during_a_listing_is_newer_than_it(*, is_watched: bool) -> None:
    scope = _Scope()
    scope.is_watched = is_watched
    await scope.take({"orders": [1]})
    started_at = scope.clock.time
    scope.clock.time += 1.0
    await scope.push("orders", 1, 2)
    await scope.push("new", 3)

    await scope.take({"orders": [1]}, started_at=started_at)

    assert {"orders": [1, 2], "new": [3]} == scope.services
    assert 0 == scope.scope.describe()["held_instances"]


async def test_a_service_that_is_empty_and_was_never_seen_is_no_news() -> None:
    scope = _Scope()
    await scope.take({"orders": [1]})

    assert not await scope.push("ghost")
    assert {"orders": [1]} == scope.services
    assert 1 == len(scope.sink.updates)


@pytest.mark.parametrize("later", [{"orders": [1]}, {"orders": [1], "users": []}], ids=["unlisted", "emptied"])
async def test_a_listing_alone_takes_from_a_watched_service_only_after_a_while(later: dict[str, list[int]]) -> None:
    scope = _Scope()
    await scope.take({"orders": [1], "users": [2, 3]})
    seen = []
    for _ in range(3):
        scope.clock.time += 2.0
        await scope.take(later)
        seen.append(scope.services.get("users"))

    assert [[2, 3], [2, 3], later.get("users")] == seen
    assert 1 == scope.missed


async def test_a_push_settles_the_doubt_about_a_listing() -> None:
    scope = _Scope()
    await scope.take({"users": [2, 3]})
    scope.clock.time += 1.0
    await scope.take({"users": [2]})
    assert {"users": [2, 3]} == scope.services

    scope.clock.time += 1.0
    assert await scope.push("users", 2)
    assert ({"users": [2]}, 0) == (scope.services, scope.missed)


@pytest.mark.parametrize("later", [[3, 4], [], [9]], ids=["one less", "emptied", "replaced"])
async def test_what_is_not_watched_loses_in_one_service_what_is_not_listed(later: list[int]) -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1], "users": [2, 3, 4]})
    await scope.take({"orders": [1], "users": later})

    assert ({"orders": [1], "users": later}, 0) == (scope.services, scope.missed)
    assert (0, 0) == scope.held


RESTARTS = {
    "two services short": {"orders": [1, 2], "users": [4], "shop": []},
    "one not listed": {"orders": [1, 2, 3], "users": [4, 5]},
    "nothing listed": {},
}


@pytest.mark.parametrize("shown", RESTARTS.values(), ids=RESTARTS.keys())
async def test_what_looks_like_a_restart_takes_nothing_until_it_has_lasted(shown: dict[str, list[int]]) -> None:
    scope = _Scope()
    scope.is_watched = False
    whole = {"orders": [1, 2, 3], "users": [4, 5], "shop": [6]}
    await scope.take(whole)
    scope.clock.time += 30.0
    began = scope.clock.time
    seen = []
    for pause_s in (0.0, 15.0, 14.9):
        scope.clock.time += pause_s
        await scope.take(shown)
        seen.append(scope.services)
    assert [whole] * 3 == seen
    assert began + SETTLE_S == scope.scope.absences.due_at
    assert (0, 0) < scope.held

    scope.clock.time = began + SETTLE_S
    await scope.take(shown)

    assert shown == scope.services
    assert (0, 0) == scope.held
    assert scope.scope.absences.due_at is None


async def test_what_comes_back_is_released_and_missed_anew_from_then_on() -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1, 2], "users": [3]})
    for shown in ([], [1], []):
        await scope.take({"orders": shown, "users": []})
        scope.clock.time += 20.0

    assert {"orders": [1], "users": []} == scope.services
    await scope.take({"orders": [1], "users": [3]})
    assert {"orders": [1], "users": [3]} == scope.services
    assert (0, 0) == scope.held


async def test_while_something_is_doubted_so_is_whatever_else_goes() -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"a": [1], "b": [2], "c": [3, 4]})
    await scope.take({"a": [], "b": [], "c": [3, 4]})
    scope.clock.time += 10.0
    await scope.take({"a": [], "b": [], "c": [3]})
    assert {"a": [1], "b": [2], "c": [3, 4]} == scope.services

    scope.clock.time += 20.0
    await scope.take({"a": [], "b": [], "c": [3]})
    assert {"a": [], "b": [], "c": [3, 4]} == scope.services

    scope.clock.time += 10.0
    await scope.take({"a": [], "b": [], "c": [3]})
    assert {"a": [], "b": [], "c": [3]} == scope.services


async def test_a_push_ends_what_listings_doubt_and_a_watch_alone_does_not() -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1, 2], "users": [3, 4]})
    await scope.take({"orders": [1], "users": [3]})
    scope.is_watched = True
    scope.clock.time += 10.0
    await scope.take({"orders": [1], "users": [3]})
    assert {"orders": [1, 2], "users": [3, 4]} == scope.services

    await scope.push("orders", 1)
    assert {"orders": [1], "users": [3, 4]} == scope.services
    assert (1, 1) == scope.held


async def test_disabled_instances_are_not_missing_where_the_listing_shows_them() -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1, 2], "users": [3, 4]})
    await scope.take({"orders": [1, -2], "users": [-3, 4]})

    assert {"orders": [1], "users": [4]} == scope.services
    assert (0, 0) == scope.held


async def test_what_is_added_is_published_while_the_rest_is_doubted() -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1], "users": [2]})
    await scope.take({"orders": [9], "new": [8]})

    assert {"orders": [1, 9], "users": [2], "new": [8]} == scope.services


async def test_a_listing_with_a_service_that_cannot_be_named_takes_none_away() -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1], "users": [2]})
    await scope.take({"orders": [3]}, nameless=1)

    assert {"orders": [3], "users": [2]} == scope.services


async def test_while_the_registry_settles_things_are_added_and_none_goes_and_then_the_same_bytes_are_read_anew() -> (
    None
):
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1], "users": [2]})
    scope.settling.begin()
    await scope.take({"orders": [9]})
    await scope.push("users")
    assert {"orders": [1, 9], "users": [2]} == scope.services
    assert 2 == scope.held[0]
    assert not any(scope.scope.memory.has_item(name, DIGEST) for name in ("orders", "users"))

    scope.clock.time += SETTLE_S
    await scope.take({"orders": [9], "users": []})
    assert {"orders": [9], "users": []} == scope.services
    assert (0, 0) == scope.held


async def test_a_change_that_is_listed_and_not_pushed_in_time_is_counted_once() -> None:
    scope = _Scope()
    await scope.take({"orders": [1], "users": [2]})
    await scope.take({"orders": [1, 3], "users": [2, 4]})
    await scope.push("users", 2, 4)
    for _ in range(2):
        scope.clock.time += 4.0
        await scope.take({"orders": [1, 3], "users": [2, 4]})

    assert 1 == scope.missed


async def test_what_is_held_is_measured_from_the_first_hold_until_the_source_ends() -> None:
    scope = _Scope()
    await scope.take({"orders": [1, 2], "users": [3]})
    measured = [scope.held_metric]
    scope.settling.begin()
    for lasts in ((1,), (), (1, 2)):
        await scope.push("orders", *lasts)
        measured.append(scope.held_metric)
    await scope.take({"orders": [1]})
    measured.append(scope.held_metric)
    scope.metrics.forget_source("nacos")

    assert [None, 1.0, 2.0, 0.0, 2.0, None] == [*measured, scope.held_metric]
