"""Processes that are killed and started again while no registry answers."""

import asyncio
import signal
from pathlib import Path

import pytest

from meshregistry.sim.nacos.faults import Fault
from meshregistry.store.saved import Terms, decode_world
from meshregistry.watch.model import Action
from tests.support.dark_port import dark_port
from tests.support.nacos_rig import SimRig
from tests.support.service_process import TIMEOUT_S, ServiceProcess, held_by, istiod_at, served_by

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]


@pytest.fixture
def service(registry: SimRig, tmp_path: Path) -> ServiceProcess:
    return ServiceProcess(tmp_path, registry.base_url, registry.namespace)


async def test_killed_with_every_registry_down_it_serves_the_same_again(
    service: ServiceProcess, registry: SimRig
) -> None:
    async with service.running():
        await service.until_fresh()
        before = await served_by(service.ads)
        await service.until_saved("service-20")
    await registry.stop()

    async with service.running():
        assert before == await served_by(service.ads)
        status, body = await service.ready()
        assert (200, True) == (status, body.startswith("stale as of ") and body.endswith(": nacos\n"))
        _, metrics = await service.get("/metrics")
        assert 'meshregistry_snapshot_stale{source="nacos"} 1.0' in metrics
        for page in ("why?host=service-7.nacos.svc.cluster.local", "journal"):
            assert "stale as of " in (await service.get(f"/meshregistry/{page}"))[1]

        await registry.start()
        await registry.deregister("service-7", "10.0.0.7", 8080)
        await service.until_fresh()
    assert 20 == len(before)


async def test_with_every_registry_swallowing_packets_it_serves_the_same_again_without_its_whole_patience(
    service: ServiceProcess, registry: SimRig
) -> None:
    service.edit = lambda text: text + "restore_patience: 1h\n"
    async with service.running():
        await service.until_fresh()
        before = await served_by(service.ads)
        await service.until_saved("service-20")
    port = int(registry.base_url.rpartition(":")[2])
    await registry.stop()

    with dark_port(port):
        async with service.running():
            assert before == await served_by(service.ads)
    log = (service.data_dir.parent / "log").read_text()
    assert "restore.waits_no_more source=nacos reason=unreached" in log
    assert 20 == len(before)


async def test_what_went_while_it_was_down_leaves_through_the_guard(service: ServiceProcess, registry: SimRig) -> None:
    async with service.running():
        await service.until_fresh()
        await service.until_saved("service-20")
        await service.end(signal.SIGTERM)
    await registry.deregister("service-7", "10.0.0.7", 8080)

    async with service.running():
        await service.until_fresh()
        await _until_count(service, 19)
    log = (service.data_dir.parent / "log").read_text()
    assert "guard.changed resource=nacos/service-7.nacos rule=empty_grace before=none" in log


async def test_a_source_that_is_switched_off_at_a_restart_is_a_shrink_that_is_held(
    service: ServiceProcess, registry: SimRig, tmp_path: Path
) -> None:
    async with service.running():
        await service.until_fresh()
        before = await served_by(service.ads)
        await service.until_saved("service-20")
        await service.end(signal.SIGTERM)
    files = f"k8s_source: {{enabled: true, enable_config_file: true, config_path: {tmp_path}/entries}}\n"
    (tmp_path / "entries").mkdir()
    service.edit = lambda text: files + text.replace("enabled: true", "enabled: false")

    async with service.running():
        await service.until_fresh()
        await asyncio.sleep(3)
        assert before == await served_by(service.ads)
        _, metrics = await service.get("/metrics")
        assert "meshregistry_held_endpoints 20.0" in metrics.splitlines()


async def test_what_was_registered_since_the_last_save_is_not_taken_from_an_istiod(
    service: ServiceProcess, registry: SimRig
) -> None:
    async with service.running():
        await service.until_fresh()
        await service.until_saved("service-20")
        await service.end(signal.SIGTERM)
    saved = (service.data_dir / "snapshot.meshregistry").read_bytes()
    await registry.register("service-21", "10.0.0.21", 8080)

    async with service.running(), istiod_at(service.ads) as istiod, asyncio.timeout(TIMEOUT_S):
        await istiod.wait_until(lambda model: "service-21.nacos" in held_by(model))
        await service.end(signal.SIGKILL)
        (service.data_dir / "snapshot.meshregistry").write_bytes(saved)
        registry.sim.set_faults(Fault(delay_s=1.5, times=2))
        await service.start()
        await registry.register("service-22", "10.0.0.22", 8080)
        await istiod.wait_until(lambda model: "service-22.nacos" in held_by(model))
        assert 0 == istiod.model.counters.actions[Action.DELETED]


async def test_a_shrink_that_is_held_is_held_on_after_a_kill_in_the_middle(
    service: ServiceProcess, registry: SimRig
) -> None:
    async with service.running():
        await service.until_fresh()
        before = await served_by(service.ads)
        for number in range(1, 16):
            await registry.deregister(f"service-{number}", f"10.0.0.{number}", 8080)
        await service.until_page("/metrics", "meshregistry_held_endpoints 15.0")
        await _until_saved_holds(service, 15)
        await service.end(signal.SIGKILL)

        await service.start()
        await service.until_fresh()
        await service.until_page("/metrics", "meshregistry_held_endpoints 15.0")
        assert before == await served_by(service.ads)
        _, metrics = await service.get("/metrics")
    assert 'meshregistry_guard_decisions_total{verdict="held"}' not in metrics


@pytest.mark.parametrize("damage", ["cut", "foreign", "flipped"])
async def test_a_damaged_file_is_put_aside_and_told_and_nothing_else(
    service: ServiceProcess, registry: SimRig, damage: str
) -> None:
    async with service.running():
        await service.until_fresh()
        await service.until_saved("service-20")
        await service.end(signal.SIGTERM)
    path = service.data_dir / "snapshot.meshregistry"
    data = path.read_bytes()
    flipped = data[:900] + bytes([data[900] ^ 1]) + data[901:]
    path.write_bytes({"cut": data[:-100], "foreign": b"something else", "flipped": flipped}[damage])

    async with service.running():
        await service.until_fresh()
        assert 20 == len(await served_by(service.ads))
        _, body = await service.ready()
        fault = "foreign" if damage == "foreign" else "corrupt"
        assert f"the saved snapshot was not used: {fault}\n" == body
        assert (service.data_dir / "snapshot.meshregistry.unusable").exists()


async def test_a_directory_that_cannot_be_written_is_told_and_nothing_else(
    service: ServiceProcess, registry: SimRig
) -> None:
    service.data_dir = Path("/proc/nowhere")
    async with service.running():
        await service.until_fresh()
        _, body = await service.until(lambda status, body: bool(body))
        assert body.startswith("the snapshot cannot be saved: ")
        assert 20 == len(await served_by(service.ads))


async def _until_saved_holds(service: ServiceProcess, count: int) -> None:
    path = service.data_dir / "snapshot.meshregistry"
    async with asyncio.timeout(TIMEOUT_S):
        while count != sum(len(hold.claims) for hold in decode_world(path.read_bytes(), Terms({}, {})).holds):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _until_count(service: ServiceProcess, count: int) -> None:
    while len(await served_by(service.ads)) != count:
        pass
