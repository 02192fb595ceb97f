"""What single answers make of the view: hashes that differ, names that lack, repetitions, holds, parts."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from meshregistry.errors import SourceDataError, SourceUnavailable
from meshregistry.model.instance import Instance
from meshregistry.sources.eureka.client import Node, NotFound
from meshregistry.sources.eureka.options import HoldOptions
from meshregistry.sources.polling import PollOptions
from tests.support.eureka_model import EurekaModel, Fault, Lease, record
from tests.support.eureka_rig import ModelRig

pytestmark = pytest.mark.anyio

ONE, TWO = Instance("10.0.0.1", 8080), Instance("10.0.0.2", 8080)


def application(name: str | None, *ids: str, action: str = "ADDED", app: str | None = None) -> dict[str, Any]:
    """Return an application whose instances `o1`, `o2`, … have the addresses 10.0.0.1, 10.0.0.2, …."""
    leases = {id_: Lease(f"10.0.0.{id_[1:]}", "UP", 1) for id_ in ids}
    instances = [record(name or "", id_, lease, action) for id_, lease in leases.items()]
    return {"name": name, "instance": [{**each, "app": name if app is None else app} for each in instances]}


def answer(hash_: str, *applications: object, version: str = "1") -> bytes:
    """Return an answer that lists applications."""
    listed = {"versions__delta": version, "apps__hashcode": hash_, "application": applications}
    return json.dumps({"applications": listed}).encode()


def say(model: EurekaModel, **answers: bytes) -> None:
    """Let a model answer `full` to `/apps` and `delta` to `/apps/delta` from now on."""
    given = {"/apps": answers["full"], "/apps/delta": answers.get("delta", b"")}

    async def get(node: Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        model.asked.append(path)
        return [given[path]]

    model.get = get  # type: ignore[method-assign]


def counted(rig: ModelRig, reason: str) -> float:
    """Return how many bad records were counted for a reason."""
    labels = {"source": "eureka", "reason": reason}
    return rig.metrics.registry.get_sample_value("meshregistry_source_bad_records_total", labels) or 0.0


def fill(model: EurekaModel, count: int = 20) -> None:
    """Register `count` instances of an application, one of another."""
    for number in range(count):
        model.register("ORDERS", f"o{number}", f"10.0.1.{number}")
    model.register("USERS", "u1", "10.0.0.1")


# Hashes.


async def test_a_full_answer_that_disagrees_with_its_hash_is_read_again_soon_three_times_and_then_believed() -> None:
    rig = ModelRig(polling=PollOptions(refresh_period_s=30.0), delta_period_s=20.0)
    say(rig.model, full=answer("UP_7_", application("ORDERS", "o1")), delta=answer("UP_1_", version="2"))
    periods = []
    for _ in range(5):
        assert await rig.poll() is None
        periods.append(rig.period_s)

    assert {"ORDERS": (ONE,)} == rig.view.services
    assert ["0/apps"] * 4 + ["0/apps/delta"] == rig.asked()
    assert [5.0, 5.0, 5.0, 20.0, 20.0] == periods
    assert 4 == rig.page["inconsistent_full_total"]
    assert {"first": 1, "inconsistent": 3} == rig.page["full_fetches_total"]


async def test_changes_that_repeat_themselves_are_skipped_and_are_no_silence() -> None:
    rig = ModelRig()
    say(rig.model, full=answer("UP_1_", application("ORDERS", "o1")), delta=answer("UP_1_", version="2"))
    for _ in range(60):
        assert await rig.poll() is None

    assert {"first": 1} == rig.page["full_fetches_total"]
    assert (59, 58) == (rig.page["deltas_total"], rig.page["unchanged_skips_total"])


async def test_changes_that_were_applied_are_applied_again_after_a_full_answer_that_lacks_them() -> None:
    """A server caches both apart: its full answer may be older than the changes it showed before."""
    rig = ModelRig()
    old, changes = answer("UP_1_", application("ORDERS", "o1")), application("ORDERS", "o2")
    say(rig.model, full=old, delta=answer("UP_2_", changes, version="2"))
    await rig.poll()
    await rig.poll()
    assert {"ORDERS": (ONE, TWO)} == rig.view.services
    rig.server.read_again()
    await rig.poll()
    assert {"ORDERS": (ONE,)} == rig.view.services
    await rig.poll()

    assert {"ORDERS": (ONE, TWO)} == rig.view.services
    assert 0 == rig.page["hash_mismatches_total"]


@pytest.mark.parametrize("length", [10, 2 * 1024 * 1024])
async def test_an_answer_that_breaks_off_keeps_everything_and_names_the_peer(length: int) -> None:
    rig = ModelRig()
    say(rig.model, full=answer("UP_1_", application("ORDERS", "o1")))
    await rig.poll()
    long = answer("UP_2_", *[application(f"A{number}", "o1") for number in range(4000)])
    say(rig.model, full=long[:length])
    rig.server.read_again()
    error = await rig.poll()

    assert str(error).startswith("http://peer0/eureka/apps: not understood")
    assert {"ORDERS": (ONE,)} == rig.view.services


# Names.


async def test_an_application_without_a_name_lets_nothing_be_gone_and_is_counted() -> None:
    rig = ModelRig()
    both = [application("ORDERS", "o1"), application("USERS", "o2")]
    say(rig.model, full=answer("UP_2_", *both))
    await rig.poll()
    nameless = application(None, "o3", app="")
    say(rig.model, full=answer("UP_2_", both[0], nameless))
    rig.server.read_again()
    await rig.poll()

    assert {"ORDERS": (ONE,), "USERS": (TWO,)} == rig.view.services
    assert 1 == counted(rig, "malformed")
    assert 0 == rig.page["inconsistent_full_total"]


async def test_an_application_without_a_name_among_the_changes_is_not_taken_over() -> None:
    rig = ModelRig()
    orders = application("ORDERS", "o1")
    nameless = application(None, "o2", app="")
    say(rig.model, full=answer("UP_1_", orders), delta=answer("UP_2_", nameless, version="2"))
    await rig.poll()
    await rig.poll()

    assert {"ORDERS": (ONE,)} == rig.view.services
    assert {"first": 1, "mismatch": 1} == rig.page["full_fetches_total"]


async def test_a_bad_registration_is_counted_once_however_often_it_is_read() -> None:
    rig = ModelRig()
    bad = {**application("ORDERS", "o1"), "instance": [{"instanceId": "x", "status": "UP", "ipAddr": "10.0.0.1"}]}
    say(rig.model, full=answer("UP_1_", bad))
    for _ in range(3):
        rig.server.read_again()
        await rig.poll()

    assert 1 == counted(rig, "port")


# Holds.


async def test_while_an_answer_is_held_everything_is_read() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    rig.model.restart()
    await rig.poll()
    rig.asked()
    await rig.poll()

    assert ["0/apps"] == rig.asked()
    assert {"first": 1} == rig.page["full_fetches_total"]


@pytest.mark.parametrize(("left", "is_held"), [(10, True), (11, False)])
async def test_an_answer_with_less_than_half_of_what_is_known_is_held(left: int, is_held: bool) -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    full = answer(f"UP_{left}_", application("ORDERS", *(f"o{number}" for number in range(left))))
    say(rig.model, full=full)
    rig.server.read_again()
    error = await rig.poll()

    assert is_held == isinstance(error, SourceUnavailable)
    assert (20 if is_held else left) == len(rig.view.services["ORDERS"])


async def test_a_few_registrations_may_be_gone_at_once_even_if_they_are_most() -> None:
    rig = ModelRig(hold=HoldOptions(least=4))
    fill(rig.model, count=4)
    await rig.poll()
    say(rig.model, full=answer("UP_2_", application("ORDERS", "o1", "o2")))
    rig.server.read_again()
    assert await rig.poll() is None

    assert 2 == len(rig.view.services["ORDERS"])


async def test_of_peers_that_all_seem_forgetful_the_one_that_knows_most_is_heard() -> None:
    rig = ModelRig(peers=2)
    for model in rig.models:
        fill(model)
    await rig.poll()
    for model in rig.models:
        model.restart()
    rig.models[1].register("STOCK", "s1", "10.0.0.9")
    assert isinstance(await rig.poll(), SourceUnavailable)
    assert (Instance("10.0.0.9", 8080),) == rig.view.services["STOCK"]
    while await rig.poll() is not None:
        pass

    assert "http://peer1/eureka" == rig.page["address"]
    assert {"STOCK"} == rig.view.services.keys()


# Servers that differ.


async def test_changes_are_asked_of_a_peer_that_offers_them_after_one_that_does_not() -> None:
    rig = ModelRig(peers=2, quarantine_s=1e9)
    for model in rig.models:
        fill(model)
    rig.model.fault = Fault.NO_DELTA
    await rig.poll()
    await rig.poll()
    assert "polling" == rig.page["mode"]
    rig.model.fault = Fault.DOWN
    await rig.poll()
    rig.asked()
    await rig.poll()

    assert ["1/apps/delta"] == rig.asked()


@pytest.mark.parametrize(("fault", "period_s"), [(Fault.NONE, 5.0), (Fault.NO_HASH, 30.0)])
async def test_everything_is_read_at_the_period_of_polling_and_changes_at_their_own(
    fault: Fault, period_s: float
) -> None:
    rig = ModelRig(delta_period_s=5.0, polling=PollOptions(refresh_period_s=30.0))
    rig.model.fault = fault
    fill(rig.model)
    await rig.poll()

    assert period_s == rig.period_s


async def test_names_are_looked_up_again_after_their_interval_only() -> None:
    rig = ModelRig(server={"resolve": True}, resolve_period_s=60.0)
    fill(rig.model)
    rig.resolved["peer0"] = ["10.9.0.1"]
    await rig.poll()
    rig.resolved["peer0"] = ["10.9.0.2"]
    await rig.poll()
    seen = [rig.page["address"]]
    await rig.poll(after_s=61)
    await rig.poll()

    assert ["http://peer0/eureka (10.9.0.1)", "http://peer0/eureka (10.9.0.2)"] == [*seen, rig.page["address"]]


# Parts.


async def test_secure_vip_addresses_and_regions_are_asked_for() -> None:
    rig = ModelRig(server={"secure_vips": ("orders",), "regions": ("east", "west/2")})
    fill(rig.model, count=1)
    await rig.poll()

    assert ["0/svips/orders"] == rig.asked()
    assert ["east,west/2"] == rig.model.regions
    assert {"ORDERS"} == rig.view.services.keys()


@pytest.mark.parametrize(("broken", "kind"), [("/apps/orders", SourceDataError), ("/vips/users", NotFound)])
async def test_one_part_that_cannot_be_read_keeps_everything(broken: str, kind: type[Exception]) -> None:
    """An application may be unknown; a VIP address is answered with an empty list, so 404 is not a Eureka's word."""
    rig = ModelRig(server={"applications": ("orders",), "vips": ("users",)})
    fill(rig.model, count=1)
    await rig.poll()
    before, get = dict(rig.view.services), rig.model.get

    async def fail(node: Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        if path == broken:
            raise kind(path)
        return await get(node, path, regions, headers)

    rig.model.get = fail  # type: ignore[method-assign]
    error = await rig.poll()

    assert error is not None
    assert broken in str(error)
    assert before == rig.view.services


async def test_parts_are_asked_for_a_few_at_once() -> None:
    rig = ModelRig(server={"applications": tuple(f"a{number}" for number in range(20))}, concurrency=3)
    get, under_way, most = rig.model.get, 0, 0

    async def watched(node: Node, path: str, regions: str, headers: Mapping[str, str]) -> list[bytes]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return await get(node, path, regions, headers)

    rig.model.get = watched  # type: ignore[method-assign]
    await rig.poll()

    assert 3 == most
