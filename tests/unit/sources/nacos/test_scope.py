"""Listings and pushes of one scope: which of them is newer, what is doubted, what stays."""

from collections.abc import Iterable, Mapping

import msgspec
import pytest

from meshregistry.model.events import ScopeListing, ServiceReading
from meshregistry.model.instance import Instance, Scope
from meshregistry.sources.nacos.instances import InstanceReader
from meshregistry.sources.nacos.memory import Listing, Reading
from meshregistry.sources.nacos.scope import ScopeReader
from meshregistry.telemetry.metrics import Metrics
from tests.support.source_fakes import ManualClock, RecordingSink

pytestmark = pytest.mark.anyio

DIGEST = 7
"""Of every item in a listing: what is remembered by it would not be read again."""


class _Scope:
    """A scope with a clock in hand, and what is known of it when its updates are applied as the store does."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.sink = RecordingSink()
        self.holds = False
        self.is_watched = True
        place = Scope("nacos", "", "public", "DEFAULT_GROUP")
        self.reader = InstanceReader()
        self.scope = ScopeReader(place, self.reader, lambda: self.holds, Metrics(), self.clock.clock)

    async def take(
        self, services: Mapping[str, Iterable[int]], *, started_at: float | None = None, nameless: int = 0
    ) -> None:
        """Take a listing of services with the last parts of their addresses, asked for now or earlier."""
        now = self.clock.time
        fresh = {
            name: Reading(self.reader.read_list(_body(*lasts)), item_digest=DIGEST) for name, lasts in services.items()
        }
        began = now if started_at is None else started_at
        listing = Listing(frozenset(services), fresh, {}, now, 0, nameless, began)
        await self.scope.take_listing(listing, self.sink, lambda name, moment: self.is_watched)

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
    def missed(self) -> object:
        return self.scope.describe()["missed_events_total"]


def _body(*lasts: int) -> bytes:
    hosts = [{"ip": f"10.0.0.{last}", "port": 80} for last in lasts]
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


async def test_what_is_not_watched_is_as_listed() -> None:
    scope = _Scope()
    scope.is_watched = False
    await scope.take({"orders": [1], "users": [2, 3]})
    await scope.take({"users": [3]})

    assert ({"users": [3]}, 0) == (scope.services, scope.missed)


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
    scope.holds = True
    await scope.take({"orders": [9]})
    await scope.push("users")
    assert {"orders": [1, 9], "users": [2]} == scope.services
    assert 2 == scope.scope.describe()["held_instances"]
    assert not any(scope.scope.memory.has_item(name, DIGEST) for name in ("orders", "users"))

    scope.holds = False
    scope.clock.time += 1.0
    await scope.take({"orders": [9], "users": []})
    assert {"orders": [9], "users": []} == scope.services
    assert 0 == scope.scope.describe()["held_instances"]


async def test_a_change_that_is_listed_and_not_pushed_in_time_is_counted_once() -> None:
    scope = _Scope()
    await scope.take({"orders": [1], "users": [2]})
    await scope.take({"orders": [1, 3], "users": [2, 4]})
    await scope.push("users", 2, 4)
    for _ in range(2):
        scope.clock.time += 4.0
        await scope.take({"orders": [1, 3], "users": [2, 4]})

    assert 1 == scope.missed
