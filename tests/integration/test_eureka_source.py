"""The Eureka source against the simulator and real servers: one suite, the same expectations."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from meshregistry.model.instance import Instance
from meshregistry.sim.eureka.codecs import XSTREAM, Codec
from meshregistry.sim.eureka.faults import BodyFault, Fault
from meshregistry.sources.eureka import HoldOptions, Mode
from tests.support.beside import beside
from tests.support.eureka_live import EurekaRig, Row, SimRig
from tests.support.eureka_view import MODES, EurekaView, reading, server_options
from tests.support.source_view import TIMEOUT_S

pytestmark = [
    pytest.mark.anyio,
    # The unit tests run the source on both loops; here a second one would show nothing else.
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

ONE, TWO = Instance("10.0.0.1", 8080), Instance("10.0.0.2", 8080)


@pytest.fixture(params=MODES.values(), ids=list(MODES))
def mode(request: pytest.FixtureRequest) -> Mode:
    """By changes and by everything: what is published is the same."""
    chosen: Mode = request.param
    return chosen


# What is registered is what is published.


async def test_an_instance_appears_changes_and_disappears(eureka_rig: EurekaRig, mode: Mode) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(eureka_rig), mode=mode) as view:
        await view.until_services({"ORDERS": (ONE,)})

        await eureka_rig.register("ORDERS", "o2", "10.0.0.2")
        await eureka_rig.register("users", "u1", "10.0.0.3")
        users = (Instance("10.0.0.3", 8080),)
        await view.until_services({"ORDERS": (ONE, TWO), "USERS": users})

        await eureka_rig.add_metadata("ORDERS", "o1", "version", "v2")
        changed = Instance("10.0.0.1", 8080, metadata=(("version", "v2"),))
        await view.until_services({"ORDERS": (changed, TWO), "USERS": users})

        await eureka_rig.cancel("ORDERS", "o1")
        await view.until_services({"ORDERS": (TWO,), "USERS": users})

        await eureka_rig.cancel("ORDERS", "o2")
        await view.until_services({"USERS": users})

    assert {("eureka", "", "", "")} == {listing.scope for listing in view.listings}
    assert 1 == len(view.synced)


async def test_only_instances_in_service_are_published(eureka_rig: EurekaRig, mode: Mode) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    await eureka_rig.register("ORDERS", "o2", "10.0.0.2")
    await eureka_rig.register("ORDERS", "o3", "10.0.0.3", status="DOWN")
    async with reading(server_options(eureka_rig), mode=mode) as view:
        await view.until_services({"ORDERS": (ONE, TWO)})

        await eureka_rig.override("ORDERS", "o1", "OUT_OF_SERVICE")
        await view.until_services({"ORDERS": (TWO,)})

        assert 200 == await eureka_rig.renew("ORDERS", "o1")
        await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
        await eureka_rig.override("ORDERS", "o2", "DOWN")
        await view.until_services({"ORDERS": ()})
        assert {"DOWN": 2, "OUT_OF_SERVICE": 1} == view.page["registrations"]

        await eureka_rig.clear_override("ORDERS", "o1")
        await eureka_rig.register("ORDERS", "o3", "10.0.0.3")
        await view.until_services({"ORDERS": (ONE, Instance("10.0.0.3", 8080))})


async def test_other_statuses_are_taken_by_option(eureka_rig: EurekaRig) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1", status="STARTING")
    await eureka_rig.register("ORDERS", "o2", "10.0.0.2", status="OUT_OF_SERVICE")
    async with reading(server_options(eureka_rig), include_status=frozenset({"STARTING"})) as view:
        await view.until_services({"ORDERS": (ONE,)})


async def test_a_lease_that_is_not_renewed_ends(eureka_rig: EurekaRig, mode: Mode) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(eureka_rig), mode=mode) as view:
        async with _registering(eureka_rig, "ORDERS", "o2", "10.0.0.2"):
            await view.until_services({"ORDERS": (ONE, TWO)})
        await view.until_services({"ORDERS": (ONE,)})


async def test_ports_addresses_zones_and_aliases_are_read_as_registered(eureka_rig: EurekaRig, mode: Mode) -> None:
    secure = {"$": 8443, "@enabled": "true"}
    off = {"$": 8080, "@enabled": "false"}
    amazon = {"@class": "com.netflix.appinfo.AmazonInfo", "name": "Amazon", "metadata": {"availability-zone": "us-1c"}}
    await eureka_rig.register("SECURE", "s", "10.0.1.1", port=off, securePort=secure)
    await eureka_rig.register("BOTH", "b", "10.0.1.2", securePort=secure)
    await eureka_rig.register("AWS", "i-1", "10.0.1.3", dataCenterInfo=amazon)
    await eureka_rig.register("VIPS", "v", "10.0.1.4", vipAddress="a.vip,b.vip:80", metadata={"n": 5, "on": True})
    await eureka_rig.register("NAMED", "n", "svc.internal")
    async with reading(server_options(eureka_rig), mode=mode) as view:
        await view.until_services(
            {
                "SECURE": (Instance("10.0.1.1", 8080, port_enabled=False, secure_port=8443),),
                "BOTH": (Instance("10.0.1.2", 8080, secure_port=8443),),
                "AWS": (Instance("10.0.1.3", 8080, zone="us-1c"),),
                "VIPS": (
                    Instance("10.0.1.4", 8080, metadata=(("n", "5"), ("on", "true")), aliases=("a.vip", "b.vip")),
                ),
                "NAMED": (Instance("svc.internal", 8080),),
            }
        )


async def test_single_applications_and_vips_are_read_and_nothing_else(eureka_rig: EurekaRig) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    await eureka_rig.register("USERS", "u1", "10.0.0.2", vipAddress="people")
    await eureka_rig.register("STOCK", "s1", "10.0.0.3")
    await eureka_rig.register("TILLS", "t1", "10.0.0.4", secureVipAddress="vault")
    chosen = server_options(
        eureka_rig, applications=("orders", "none"), vips=("people", "nobody"), secure_vips=("vault", "people")
    )
    async with reading(chosen) as view:
        users = Instance("10.0.0.2", 8080, aliases=("people",))
        tills = Instance("10.0.0.4", 8080, aliases=("vault",))
        await view.until_services({"ORDERS": (ONE,), "USERS": (users,), "TILLS": (tills,)})
        await eureka_rig.cancel("ORDERS", "o1")
        await view.until_services({"USERS": (users,), "TILLS": (tills,)})
        assert "part" == view.page["mode"]


async def test_changes_alone_keep_the_view_while_a_server_is_well(eureka_rig: EurekaRig) -> None:
    await eureka_rig.register("ORDERS", "o0", "10.0.1.0")
    async with reading(server_options(eureka_rig)) as view:
        await view.until_rows({"ORDERS": [("10.0.1.0", 8080)]})
        await _churn(eureka_rig, 60)
        await _until_alike(view, eureka_rig)
        page = view.page

    assert {"first": 1} == page["full_fetches_total"]
    assert 0 == page["hash_mismatches_total"]
    assert "delta" == page["mode"]


async def test_an_empty_registry_is_complete_only_after_the_hold(eureka_rig: EurekaRig) -> None:
    async with reading(server_options(eureka_rig), hold=HoldOptions(hold_s=0.5)) as view:
        await view.until(lambda view: view.page["held_for_s"] is not None)
        assert [] == view.synced
        await view.until(lambda view: bool(view.synced))
        assert {} == view.services


async def test_a_wrong_password_is_an_error_that_says_so_and_shows_nothing(eureka_rig: EurekaRig) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(eureka_rig, password="wr0ng")) as view:
        await view.next_reading(failed=True)
        page = view.page

    assert {} == view.services
    assert False is page["healthy"]
    assert "401" in str(page["last_error"])
    assert "wr0ng" not in str(page)


async def test_user_and_password_may_stand_in_the_address(eureka_rig: EurekaRig) -> None:
    await eureka_rig.register("ORDERS", "o1", "10.0.0.1")
    address = eureka_rig.addresses[0].replace("//", "//eureka:p%40ss%2Fword@")
    async with reading(server_options(eureka_rig, addresses=(address,), username="", password="")) as view:
        await view.until_services({"ORDERS": (ONE,)})
        page = view.page

    assert "p%40ss" not in str(page)
    assert "p@ss" not in str(page)


# Peers.


async def test_peers_show_the_same_whichever_is_told(eureka_peers: EurekaRig, mode: Mode) -> None:
    await eureka_peers.register("ORDERS", "o1", "10.0.0.1", at=0)
    await eureka_peers.register("ORDERS", "o2", "10.0.0.2", at=1)
    async with (
        reading(server_options(eureka_peers), mode=mode) as view,
        reading(server_options(eureka_peers, addresses=eureka_peers.addresses[::-1]), mode=mode) as other,
    ):
        for each in (view, other):
            await each.until_services({"ORDERS": (ONE, TWO)})
        await eureka_peers.override("ORDERS", "o1", "OUT_OF_SERVICE", at=1)
        for each in (view, other):
            await each.until_services({"ORDERS": (TWO,)})


async def test_self_preservation_keeps_what_is_not_renewed(eureka_peers: EurekaRig) -> None:
    short = {"renewalIntervalInSecs": 1, "durationInSecs": 1}
    await eureka_peers.register("ORDERS", "o1", "10.0.0.1", leaseInfo=short)
    async with reading(server_options(eureka_peers)) as view:
        await view.until_services({"ORDERS": (ONE,)})
        await asyncio.sleep(3.0)  # leases and evictions are the server's time
        await view.next_reading()
        assert {"ORDERS": (ONE,)} == view.services


async def test_dying_and_forgetful_peers_cost_nothing(eureka_peers: EurekaRig) -> None:
    """One peer dies, then both; they come back knowing nobody, and their clients register again one after the other."""
    await eureka_peers.register("ORDERS", "o1", "10.0.0.1")
    await eureka_peers.register("USERS", "u1", "10.0.0.3")
    users = (Instance("10.0.0.3", 8080),)
    await eureka_peers.until_rows({"ORDERS": [("10.0.0.1", 8080)], "USERS": [("10.0.0.3", 8080)]}, at=1)
    async with reading(server_options(eureka_peers), hold=HoldOptions(hold_s=90.0)) as view:
        await view.until_services({"ORDERS": (ONE,), "USERS": users})

        await eureka_peers.kill(0)
        await eureka_peers.register("ORDERS", "o2", "10.0.0.2", at=1)
        both = {"ORDERS": (ONE, TWO), "USERS": users}
        await view.until_services(both)
        assert True is view.page["healthy"]

        await eureka_peers.kill(1)
        await view.next_reading(failed=True)
        await eureka_peers.start(0, 1)
        await view.until(lambda view: view.page["held_for_s"] is not None)
        await eureka_peers.register("ORDERS", "o1", "10.0.0.1")
        await eureka_peers.register("USERS", "u1", "10.0.0.3")
        await view.next_reading(failed=True)
        assert both == view.services

        await eureka_peers.register("ORDERS", "o2", "10.0.0.2", at=1)
        await view.until(lambda view: view.page["held_for_s"] is None and bool(view.page["healthy"]))
        await eureka_peers.register("STOCK", "s1", "10.0.0.4")
        await view.until_services({**both, "STOCK": (Instance("10.0.0.4", 8080),)})

    lost = [listing for listing in view.listings if not {"ORDERS", "USERS"} <= listing.names]
    emptied = [listing for listing in view.listings if () in listing.services.values()]
    assert ([], []) == (lost, emptied)


async def test_a_peer_that_comes_back_has_what_the_other_knows(eureka_peers: EurekaRig) -> None:
    await eureka_peers.register("ORDERS", "o1", "10.0.0.1")
    await eureka_peers.until_rows({"ORDERS": [("10.0.0.1", 8080)]}, at=1)
    async with reading(server_options(eureka_peers), quarantine_s=0.2) as view:
        await view.until_services({"ORDERS": (ONE,)})
        await eureka_peers.kill(0)
        await eureka_peers.register("ORDERS", "o2", "10.0.0.2", at=1)
        await view.until_services({"ORDERS": (ONE, TWO)})
        await eureka_peers.start(0)
        await eureka_peers.until_rows({"ORDERS": [("10.0.0.1", 8080), ("10.0.0.2", 8080)]}, at=0)
        await eureka_peers.kill(1)
        await view.until(lambda view: view.page["address"] == eureka_peers.addresses[0])
        await view.next_reading()
        assert {"ORDERS": (ONE, TWO)} == view.services


# Faults.


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=401), "401"),
        (Fault(status=403), "403"),
        (Fault(status=503), "503"),
        (Fault(location="/sim/nowhere"), "404"),
        (Fault(location="/eureka/apps"), "redirects"),
        (Fault(body=BodyFault.EMPTY), ""),
        (Fault(body=BodyFault.TRUNCATED), ""),
        (Fault(body=BodyFault.NOT_JSON), ""),
        (Fault(body=BodyFault.HTML), "web page"),
        (Fault(body=BodyFault.XML), "XML"),
        (Fault(drop="before"), ""),
        (Fault(drop="within"), ""),
        (Fault(delay_s=1.0), ""),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
@pytest.mark.simulator_only
async def test_each_spoilt_answer_keeps_everything(
    simulated_eureka: SimRig, fault: Fault, error: str, mode: Mode
) -> None:
    """A 200 that is cut short, compressed as it is, is an error like any other."""
    await simulated_eureka.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(simulated_eureka), mode=mode, request_timeout_s=0.5) as view:
        await view.until_services({"ORDERS": (ONE,)})
        simulated_eureka.sim.set_faults(fault)
        await view.until(lambda view: view.page["healthy"] is False)
        text = str(view.page["last_error"])
        await simulated_eureka.cancel("ORDERS", "o1")
        await simulated_eureka.register("USERS", "u1", "10.0.0.2")
        assert {"ORDERS": (ONE,)} == view.services
        simulated_eureka.sim.set_faults()
        await view.until_services({"USERS": (TWO,)})

    assert error in text


@pytest.mark.simulator_only
async def test_a_redirect_to_another_server_is_followed(simulated_eureka: SimRig) -> None:
    await simulated_eureka.register("ORDERS", "o1", "10.0.0.1")
    simulated_eureka.sim.set_faults(Fault(path="/gateway/apps", location="/eureka/apps"))
    address = simulated_eureka.addresses[0].replace("/eureka", "/gateway")
    async with reading(server_options(simulated_eureka, addresses=(address,)), mode=Mode.POLLING) as view:
        await view.until_services({"ORDERS": (ONE,)})


@pytest.mark.simulator_only
async def test_stale_deltas_are_found_by_their_hash(simulated_eureka: SimRig) -> None:
    await simulated_eureka.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(simulated_eureka)) as view:
        await view.until_services({"ORDERS": (ONE,)})
        await view.next_reading()
        await simulated_eureka.register("ORDERS", "o2", "10.0.0.2")
        await view.until_services({"ORDERS": (ONE, TWO)})
        simulated_eureka.sim.node.registry.forget_changes()
        await simulated_eureka.cancel("ORDERS", "o1")
        simulated_eureka.sim.node.registry.forget_changes()
        await view.until_services({"ORDERS": (TWO,)})
        page = view.page

    labels = {"source": "eureka", "reason": "mismatch"}
    counted = view.metrics.registry.get_sample_value("meshregistry_source_full_fetches_total", labels)
    assert 1 <= page["hash_mismatches_total"] == counted  # type: ignore[operator]


@pytest.mark.simulator_only
async def test_what_the_hash_cannot_see_is_found_at_the_full_fetch(simulated_eureka: SimRig) -> None:
    await simulated_eureka.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(simulated_eureka), full_period_s=1.0) as view:
        await view.until_services({"ORDERS": (ONE,)})
        registry = simulated_eureka.sim.node.registry
        record = next(registry.leases()).record
        registry.forget_all()
        await simulated_eureka.register("ORDERS", "o2", "10.0.0.2")
        registry.forget_changes()
        await view.until_services({"ORDERS": (TWO,)})
        page = view.page

    assert "o1" == record.id
    assert 0 == page["hash_mismatches_total"]
    assert "interval" in page["full_fetches_total"]  # type: ignore[operator]


@pytest.mark.simulator_only
@pytest.mark.parametrize("codec", [XSTREAM, Codec(numeric_version=True), Codec(no_hash=True)], ids=repr)
async def test_every_dialect_says_the_same(simulated_eureka: SimRig, codec: Codec, mode: Mode) -> None:
    simulated_eureka.sim.node.set_codec(codec)
    await simulated_eureka.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(simulated_eureka), mode=mode) as view:
        await view.until_services({"ORDERS": (ONE,)})
        await simulated_eureka.register("ORDERS", "o2", "10.0.0.2")
        await simulated_eureka.register("USERS", "u1", "10.0.0.3")
        users = (Instance("10.0.0.3", 8080),)
        await view.until_services({"ORDERS": (ONE, TWO), "USERS": users})
        await simulated_eureka.override("ORDERS", "o1", "DOWN")
        await simulated_eureka.cancel("USERS", "u1")
        await view.until_services({"ORDERS": (TWO,)})
        page = view.page

    assert 0 == page["hash_mismatches_total"]
    assert ("polling" if mode is Mode.POLLING or codec.no_hash else "delta") == page["mode"]


@pytest.mark.simulator_only
async def test_without_deltas_everything_is_read(simulated_eureka: SimRig) -> None:
    simulated_eureka.sim.node.offers_deltas = False
    await simulated_eureka.register("ORDERS", "o1", "10.0.0.1")
    async with reading(server_options(simulated_eureka)) as view:
        await view.until_services({"ORDERS": (ONE,)})
        await simulated_eureka.register("ORDERS", "o2", "10.0.0.2")
        await view.until_services({"ORDERS": (ONE, TWO)})
        assert "polling" == view.page["mode"]


@asynccontextmanager
async def _registering(rig: EurekaRig, application: str, id_: str, ip: str) -> AsyncIterator[None]:
    """Register with a short lease again and again, so that it is read also on a busy machine; then no more."""
    short = {"renewalIntervalInSecs": 1, "durationInSecs": 2}

    async def register() -> None:
        while True:
            await rig.register(application, id_, ip, leaseInfo=short)
            await asyncio.sleep(0.5)

    async with beside(register()):
        yield


async def _until_alike(view: EurekaView, rig: EurekaRig) -> None:
    """Wait until the view is what the server shows, whose full answer may still be an older one from its cache."""
    rows: dict[str, list[Row]] = {}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            alike = 0
            while alike < 3:
                rows = await rig.rows()
                alike = alike + 1 if rows == view.rows else 0
                await view.next_reading(2)
    except TimeoutError:
        assert rows == view.rows


async def _churn(rig: EurekaRig, steps: int) -> None:
    """Change the registry in an order that is the same each time."""
    dice = random.Random(7)
    known: dict[str, Row] = {"o0": ("10.0.1.0", 8080)}
    for number in range(1, steps):
        id_ = dice.choice(list(known))
        match dice.choice(["register", "register", "cancel", "override", "back"]):
            case "register":
                known[f"o{number}"] = (f"10.0.1.{number}", 8080)
                await rig.register("ORDERS", f"o{number}", f"10.0.1.{number}")
            case "cancel" if len(known) > 1:
                del known[id_]
                await rig.cancel("ORDERS", id_)
            case "override":
                await rig.override("ORDERS", id_, "OUT_OF_SERVICE")
            case "back":
                await rig.clear_override("ORDERS", id_)
