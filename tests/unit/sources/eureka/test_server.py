"""Readings of one registry: changes and everything, peers that fail, forget or disagree, and what is published."""

import asyncio
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshregistry.errors import SourceUnavailable
from meshregistry.model.instance import Instance, Scope
from meshregistry.sources.eureka.options import EurekaServerOptions, HoldOptions, Mode
from meshregistry.sources.eureka.server import configured_scopes
from meshregistry.sources.polling import PollOptions
from tests.support.eureka_model import EurekaModel, Fault
from tests.support.eureka_rig import SCOPE, ModelRig

pytestmark = pytest.mark.anyio

NO_HOLD = HoldOptions(hold_s=0)
ONE, TWO = Instance("10.0.0.1", 8080), Instance("10.0.0.2", 8080)


def fill(*models: EurekaModel, count: int = 20) -> None:
    """Register `count` instances of an application, one of another."""
    for model in models:
        for number in range(count):
            model.register("ORDERS", f"o{number}", f"10.0.1.{number}")
        model.register("USERS", "u1", "10.0.0.1")


# Changes and everything.


async def test_everything_is_read_once_and_then_only_changes() -> None:
    rig = ModelRig()
    rig.model.register("ORDERS", "o1", "10.0.0.1")
    assert await rig.poll() is None
    assert await rig.poll() is None
    rig.model.register("ORDERS", "o2", "10.0.0.2")
    assert await rig.poll() is None

    assert {"ORDERS": (ONE, TWO)} == rig.view.services
    assert ["0/apps", "0/apps/delta", "0/apps/delta"] == rig.asked()
    assert [{"ORDERS": (ONE,)}, {"ORDERS": (ONE, TWO)}] == [each.services for each in rig.view.listings]
    assert 1 == len(rig.view.synced)


async def test_that_it_was_away_before_the_first_reading_is_told_once() -> None:
    rig = ModelRig(peers=2)
    fill(*rig.models)
    for model in rig.models:
        model.fault = Fault.DOWN
    for _ in range(2):
        assert isinstance(await rig.poll(), SourceUnavailable)
    for model in rig.models:
        model.fault = Fault.NONE
    assert await rig.poll() is None
    for model in rig.models:
        model.fault = Fault.DOWN
    assert isinstance(await rig.poll(), SourceUnavailable)

    assert [SCOPE] == [each.scope for each in rig.view.absences]


async def test_one_peer_that_is_away_is_no_registry_that_is() -> None:
    rig = ModelRig(peers=2)
    fill(*rig.models)
    rig.model.fault = Fault.DOWN
    assert await rig.poll() is None

    assert [] == rig.view.absences


async def test_everything_is_fetched_when_an_operator_asks_and_then_changes_again() -> None:
    rig = ModelRig()
    rig.model.register("ORDERS", "o1", "10.0.0.1")
    assert await rig.poll() is None
    rig.server.read_again()
    assert await rig.poll() is None
    assert await rig.poll() is None

    assert ["0/apps", "0/apps", "0/apps/delta"] == rig.asked()
    assert {"first": 1, "operator": 1} == rig.page["full_fetches_total"]


async def test_an_outage_does_not_use_up_what_an_operator_asked_for() -> None:
    rig = ModelRig()
    rig.model.register("ORDERS", "o1", "10.0.0.1")
    assert await rig.poll() is None
    rig.server.read_again()
    rig.model.fault = Fault.DOWN
    assert await rig.poll() is not None
    rig.model.fault = Fault.NONE
    assert await rig.poll() is None

    assert {"first": 1, "operator": 1} == rig.page["full_fetches_total"]
    assert {"ORDERS": (ONE,)} == rig.view.services


async def test_silence_publishes_nothing() -> None:
    rig = ModelRig()
    fill(rig.model)
    for _ in range(200):
        assert await rig.poll() is None

    assert 1 == len(rig.view.listings)


async def test_a_change_names_only_its_application() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    rig.model.set_status("USERS", "u1", "OUT_OF_SERVICE")
    await rig.poll()

    assert {"USERS": ()} == rig.view.listings[-1].services
    assert {"ORDERS", "USERS"} == rig.view.listings[-1].names


async def test_an_application_without_registrations_is_gone() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    rig.model.cancel("USERS", "u1")
    await rig.poll()

    assert {"ORDERS"} == rig.view.listings[-1].names
    assert {"ORDERS"} == rig.view.services.keys()
    assert "delta" == rig.page["mode"]


async def test_what_the_hash_cannot_see_is_found_at_the_next_full_reading() -> None:
    rig = ModelRig(hold=NO_HOLD)
    rig.model.register("ORDERS", "o1", "10.0.0.1")
    await rig.poll()
    rig.model.cancel("ORDERS", "o1")
    rig.model.register("ORDERS", "o2", "10.0.0.2")
    rig.model.queue.clear()
    await rig.poll()
    assert {"ORDERS": (ONE,)} == rig.view.services
    for _ in range(120):
        await rig.poll()

    assert {"ORDERS": (TWO,)} == rig.view.services
    assert {"first": 1, "interval": 1} == rig.page["full_fetches_total"]


async def test_changes_that_do_not_agree_with_the_hash_cost_a_full_reading() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    rig.model.register("USERS", "u2", "10.0.0.2")
    rig.model.queue.clear()
    rig.asked()
    await rig.poll()

    assert ["0/apps/delta", "0/apps"] == rig.asked()
    assert (ONE, TWO) == rig.view.services["USERS"]
    assert 1 == rig.page["hash_mismatches_total"]


async def test_changes_that_never_agree_are_given_up_for_a_while() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    for number in range(6):
        rig.model.register("USERS", f"v{number}", f"10.0.2.{number}")
        rig.model.queue.clear()
        await rig.poll()
    modes = [rig.page["mode"]]
    rig.asked()
    await rig.poll()
    assert ["0/apps"] == rig.asked()

    await rig.poll(after_s=600)
    await rig.poll()
    assert ["polling", "delta"] == [*modes, rig.page["mode"]]


async def test_after_a_long_silence_everything_is_read() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    await rig.poll(after_s=151)

    assert "stale" == rig.page["last_full_reason"]


@pytest.mark.parametrize("fault", [Fault.NO_DELTA, Fault.NO_HASH])
async def test_without_deltas_everything_is_read_at_the_period_of_polling(fault: Fault) -> None:
    rig = ModelRig(delta_period_s=5.0, polling=PollOptions(refresh_period_s=30.0))
    rig.model.fault = fault
    fill(rig.model)
    await rig.poll()
    await rig.poll()
    rig.asked()
    await rig.poll()

    assert ["0/apps"] == rig.asked()
    assert "polling" == rig.page["mode"]


async def test_an_unreadable_delta_costs_a_full_reading() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    rig.model.fault = Fault.BROKEN_DELTA
    rig.model.register("USERS", "u2", "10.0.0.2")

    assert await rig.poll() is None
    assert (ONE, TWO) == rig.view.services["USERS"]


async def test_polling_reads_everything_always() -> None:
    rig = ModelRig(mode=Mode.POLLING)
    fill(rig.model)
    await rig.poll()
    await rig.poll()

    assert ["0/apps", "0/apps"] == rig.asked()
    assert 1 == len(rig.view.listings)


async def test_only_what_is_asked_for_is_read() -> None:
    rig = ModelRig(server={"applications": ("orders", "nobody"), "vips": ("users",)})
    fill(rig.model, count=1)
    rig.model.register("OTHER", "x", "10.0.0.9")
    await rig.poll()

    assert {"ORDERS", "USERS"} == rig.view.services.keys()
    assert ["0/apps/nobody", "0/apps/orders", "0/vips/users"] == sorted(rig.asked())


async def test_an_application_that_is_gone_must_be_denied_by_a_eureka() -> None:
    rig = ModelRig(server={"applications": ("orders",)}, hold=NO_HOLD)
    fill(rig.model)
    await rig.poll()
    for number in range(20):
        rig.model.cancel("ORDERS", f"o{number}")
    await rig.poll()

    assert ["0/apps/orders", "0/apps/orders", "0/vips/none"] == rig.asked()
    assert {} == rig.view.services


async def test_the_statuses_that_count_are_an_option() -> None:
    rig = ModelRig(include_status=frozenset({"UP", "STARTING"}))
    rig.model.register("ORDERS", "o1", "10.0.0.1", "STARTING")
    rig.model.register("ORDERS", "o2", "10.0.0.2", "DOWN")
    await rig.poll()

    assert {"ORDERS": (ONE,)} == rig.view.services
    assert {"DOWN": 1, "STARTING": 1} == rig.page["registrations"]


async def test_leases_that_are_overdue_are_left_out_only_when_asked_for() -> None:
    rig, believing = ModelRig(lease_factor=2.0), ModelRig()
    for each in (rig, believing):
        each.clock.time += 1000
        each.model.register("ORDERS", "o1", "10.0.0.1")
        await each.poll()

    assert {"ORDERS": ()} == rig.view.services
    assert {"ORDERS": (ONE,)} == believing.view.services
    assert (1, 0) == (rig.page["overdue"], believing.page["overdue"])


# Outages and peers.


async def test_an_outage_keeps_everything_and_says_so() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    before = dict(rig.view.services)
    rig.model.fault = Fault.DOWN
    for _ in range(100):
        assert isinstance(await rig.poll(), SourceUnavailable)

    assert before == rig.view.services
    assert (False, 1) == (rig.page["healthy"], len(rig.view.listings))


async def test_a_peer_that_fails_is_replaced_within_the_reading_and_asked_last() -> None:
    rig = ModelRig(peers=3)
    fill(*rig.models)
    await rig.poll()
    rig.model.fault = Fault.DOWN
    rig.asked()
    assert await rig.poll() is None
    assert ["0/apps/delta", "1/apps"] == rig.asked()

    rig.model.fault = Fault.NONE
    assert await rig.poll() is None
    assert ["1/apps/delta"] == rig.asked()
    rig.models[1].fault = Fault.DOWN
    assert await rig.poll() is None
    assert ["1/apps/delta", "2/apps"] == rig.asked()
    assert 1 == len(rig.view.listings)


async def test_a_peer_that_has_just_restarted_empty_is_not_believed_while_another_knows_more() -> None:
    rig = ModelRig(peers=2)
    fill(*rig.models)
    await rig.poll()
    before = dict(rig.view.services)
    rig.model.restart()
    assert await rig.poll() is None

    assert before == rig.view.services
    assert "http://peer1/eureka" == rig.page["address"]
    assert True is rig.page["healthy"]


async def test_the_first_reading_asks_on_when_a_peer_knows_nobody() -> None:
    rig = ModelRig(peers=2)
    fill(rig.models[1])
    assert await rig.poll() is None

    assert {"ORDERS", "USERS"} == rig.view.services.keys()


async def test_a_server_that_restarts_empty_loses_nothing_while_its_clients_register_again() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    before = dict(rig.view.services)
    rig.model.restart()
    assert isinstance(await rig.poll(), SourceUnavailable)
    rig.model.register("ORDERS", "new", "10.0.3.1")
    await rig.poll()
    new = Instance("10.0.3.1", 8080)
    assert {**before, "ORDERS": tuple(sorted((*before["ORDERS"], new)))} == rig.view.services
    fill(rig.model)
    assert await rig.poll() is None

    assert rig.model.services() == rig.view.services
    assert True is rig.page["healthy"]


async def test_a_restarted_server_that_has_half_its_clients_back_keeps_the_others_until_they_are() -> None:
    rig = ModelRig()
    fill(rig.model)
    for _ in range(5):
        await rig.poll()
    before = dict(rig.view.services)
    rig.model.restart()
    fill(rig.model, count=15)
    assert isinstance(await rig.poll(), SourceUnavailable)
    assert before == rig.view.services
    errors = [await rig.poll() for _ in range(20)]

    assert [False] * 17 + [True] * 3 == [error is None for error in errors]
    assert rig.model.services() == rig.view.services


async def test_an_empty_registry_is_believed_after_the_hold() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    rig.model.restart()
    errors = [await rig.poll() for _ in range(20)]

    assert [False] * 18 + [True] * 2 == [error is None for error in errors]
    assert {} == rig.view.services


async def test_an_outage_starts_the_hold_anew() -> None:
    rig = ModelRig()
    fill(rig.model)
    await rig.poll()
    rig.model.restart()
    await rig.poll()
    rig.model.fault = Fault.DOWN
    for _ in range(30):
        await rig.poll()
    rig.model.fault = Fault.NONE
    assert await rig.poll() is not None

    assert rig.view.services


async def test_an_empty_first_answer_is_not_a_complete_registry_until_it_is_repeated() -> None:
    rig = ModelRig()
    assert await rig.poll() is not None
    assert ([], []) == (rig.view.listings, rig.view.synced)
    for _ in range(18):
        await rig.poll()

    assert [frozenset()] == [listing.names for listing in rig.view.listings]
    assert 1 == len(rig.view.synced)


async def test_the_last_instance_that_is_cancelled_is_gone_at_once() -> None:
    rig = ModelRig()
    rig.model.register("ORDERS", "o1", "10.0.0.1")
    await rig.poll()
    rig.model.cancel("ORDERS", "o1")
    assert await rig.poll() is None

    assert {} == rig.view.services


async def test_every_address_of_a_host_is_a_peer() -> None:
    rig = ModelRig(server={"resolve": True})
    fill(rig.model)
    assert isinstance(await rig.poll(), SourceUnavailable)
    rig.resolved["peer0"] = ["10.9.0.1", "10.9.0.2"]
    assert await rig.poll() is None
    rig.resolved.clear()
    assert await rig.poll(after_s=61) is None

    peers = rig.page["peers"]
    assert isinstance(peers, list)
    assert ["http://peer0/eureka (10.9.0.1)", "http://peer0/eureka (10.9.0.2)"] == [each["address"] for each in peers]
    assert "http://peer0/eureka (10.9.0.1)" == rig.page["address"]


async def test_bad_registrations_cost_only_themselves_and_the_hash_still_agrees() -> None:
    rig = ModelRig()
    rig.model.register("ORDERS", "o1", "10.0.0.1")
    rig.model.register("ORDERS", "o2", "")
    get = rig.model._answer

    def without_hosts(path: str) -> bytes:
        return get(path).replace(b'"o2.example"', b'""')

    rig.model._answer = without_hosts  # type: ignore[method-assign]
    await rig.poll()
    await rig.poll()

    assert {"ORDERS": (ONE,)} == rig.view.services
    assert (1, 0, "delta") == (rig.page["bad_records"], rig.page["hash_mismatches_total"], rig.page["mode"])


def test_registries_without_an_id_are_scopes_of_their_own() -> None:
    given = [
        ("", "http://u:p@a/eureka"),
        ("", "http://b/eureka"),
        ("", "http://b"),
        ("c", "http://x"),
        ("", "http://b"),
    ]
    servers = tuple(EurekaServerOptions(registry_id=registry, addresses=(address,)) for registry, address in given)

    assert (
        Scope("eureka", "", "http://a/eureka", ""),
        Scope("eureka", "", "http://b/eureka", ""),
        Scope("eureka", "", "http://b", ""),
        Scope("eureka", "c", "", ""),
        Scope("eureka", "", "http://b#4", ""),
    ) == configured_scopes(servers)


# Whatever happens: once it is quiet, our view is the server's.


class Step(NamedTuple):
    """One thing that happens."""

    kind: str
    peer: int = 0
    application: str = ""
    id: str = ""
    value: str = ""
    seconds: float = 0.0


PEER = st.integers(0, 1)
APPLICATION = st.sampled_from(["A", "B"])
ID = st.sampled_from(["1", "2", "3"])
STEPS = st.one_of(
    st.builds(Step, st.just("register"), PEER, APPLICATION, ID, st.sampled_from(["10.0.0.1", "10.0.0.2"])),
    st.builds(Step, st.just("status"), PEER, APPLICATION, ID, st.sampled_from(["UP", "DOWN", "OUT_OF_SERVICE"])),
    st.builds(Step, st.just("cancel"), PEER, APPLICATION, ID),
    st.builds(Step, st.just("fault"), PEER, value=st.sampled_from(sorted(Fault))),
    st.builds(Step, st.just("restart"), PEER),
    st.builds(Step, st.just("poll"), seconds=st.sampled_from([1.0, 5.0, 30.0, 160.0, 700.0])),
)


def act(model: EurekaModel, step: Step) -> None:
    """Let a step happen to a server."""
    match step.kind:
        case "register":
            model.register(step.application, step.id, step.value)
        case "status":
            model.set_status(step.application, step.id, step.value)
        case "cancel":
            model.cancel(step.application, step.id)
        case "fault":
            model.fault = Fault(step.value)
        case "restart":
            model.restart()


async def live(steps: list[Step], peers: int) -> None:
    """Let everything happen, then be quiet, then compare."""
    rig = ModelRig(peers=peers)
    for step in steps:
        if step.kind != "poll":
            act(rig.models[step.peer % peers], step)
            continue
        before = dict(rig.view.services)
        all_down = all(model.fault is Fault.DOWN for model in rig.models)
        error = await rig.poll(step.seconds)
        assert not all_down or (error is not None and before == rig.view.services)
    for model in rig.models:
        model.fault = Fault.NONE
    rig.models[0].leases = rig.models[-1].leases
    for pause in [700.0] + [5.0] * 30:
        await rig.poll(pause)
    error = await rig.poll()

    assert error is None
    assert rig.model.services() == rig.view.services


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40), st.integers(1, 2))
def test_once_it_is_quiet_the_view_is_the_registry(steps: list[Step], peers: int) -> None:
    asyncio.run(live(steps, peers))


QUIET_STEPS = STEPS.filter(lambda step: step.kind not in ("fault", "restart") and step.seconds < 100)


async def live_with_deltas(steps: list[Step]) -> None:
    """Let everything happen that a healthy server does, and compare after every reading."""
    rig = ModelRig(hold=NO_HOLD, full_period_s=1e9)
    for step in steps:
        act(rig.model, step)
        if step.kind == "poll":
            assert await rig.poll(step.seconds) is None
            assert rig.model.services() == rig.view.services
    assert (0, 0) == (rig.page["hash_mismatches_total"], rig.page["inconsistent_full_total"])
    assert rig.asked().count("0/apps") <= 1


@settings(max_examples=200, deadline=None)
@given(st.lists(QUIET_STEPS, max_size=60))
def test_while_a_server_is_healthy_deltas_alone_keep_the_view_exact(steps: list[Step]) -> None:
    asyncio.run(live_with_deltas(steps))
