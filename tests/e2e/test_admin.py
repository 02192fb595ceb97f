"""An operator at one of two replicas: what the command line decides there counts at the other, too, and for good."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.admin_rig import short_folder
from tests.support.nacos_rig import SimRig
from tests.support.service_process import TIMEOUT_S, ServiceProcess, pair_of, served_by

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: orders, namespace: shop}
spec:
  hosts: [orders.shop]
  ports: [{number: 8080, protocol: HTTP, name: http}]
  resolution: STATIC
  endpoints: [{address: 10.9.0.1}]
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


async def operate(replica: ServiceProcess, *words: str) -> str:
    """Run `meshregistry admin` as a process against a replica; returns what it prints."""
    socket = str(replica.data_dir / "admin.sock")
    command = (sys.executable, "-m", "meshregistry", "admin", "--socket", socket, *words)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(TIMEOUT_S):
        out, error = await process.communicate()
    assert (0, b"") == (process.returncode, error)
    return out.decode()


async def journal(replica: ServiceProcess) -> list[tuple[str, str]]:
    """Return what an operator decided according to a replica's journal, and the details."""
    _, body = await replica.get("/meshregistry/journal?limit=1000")
    return [(each["what"], each["detail"]) for each in json.loads(body)["entries"] if each["why"] == "operator"]


async def test_what_is_decided_at_one_replica_counts_at_both(registry: SimRig, folder: Path) -> None:
    first, second = pair = pair_of(folder, registry.base_url, registry.namespace)
    async with first.running(), second.running():
        for each in pair:
            await each.until_fresh()
            await each.until_page("/metrics", "meshregistry_siblings 1.0")
            await each.until_page("/metrics", "meshregistry_admin_listening 1.0")
        for number in range(1, 16):
            await registry.deregister(f"service-{number}", f"10.0.0.{number}", 8080)
        for each in pair:
            await each.until_page("/metrics", "meshregistry_held_endpoints 15.0")
        served = await served_by(first.ads)
        assert (20, served) == (len(served), await served_by(second.ads))

        (hold,) = re.findall(r"^hold (\S+) ", await operate(first, "holds"), re.MULTILINE)
        assert "15 endpoints" in await operate(first, "--by", "ann", "accept", hold)

        for each in pair:
            await each.until_page("/metrics", "meshregistry_held_endpoints 0.0")
            await each.until_page("/metrics", 'meshregistry_guard_decisions_total{verdict="accepted"} 1.0')
            ((what, detail),) = await journal(each)
            assert ("accepted", True) == (what, "ann (uid " in detail)
            await each.until_page("/metrics", 'meshregistry_service_entry_total{source="nacos"} 5.0')
        assert await served_by(first.ads) == await served_by(second.ads)

        # A freeze that one of them has taken outlives that one's end by kill -9: it was saved, and the other knows it.
        assert "frozen: nacos\n" == await operate(second, "freeze", "nacos")
        for each in pair:
            await each.until_page("/metrics", "meshregistry_frozen_targets 1.0")
        await second.end(signal.SIGKILL)
        assert (second.data_dir / "admin.sock").is_socket()
        await second.start()
        await second.until_page("/metrics", "meshregistry_frozen_targets 1.0")
        await second.until_page("/metrics", "meshregistry_admin_listening 1.0")
        await operate(second, "thaw", "nacos")
        for each in pair:
            await each.until_page("/metrics", "meshregistry_frozen_targets 0.0")

        # What the others decide while one is away counts when it is back, over its own file and snapshot.
        await operate(second, "freeze", "nacos")
        await first.until_page("/metrics", "meshregistry_frozen_targets 1.0")
        await second.until_saved("freeze")
        await second.end(signal.SIGKILL)
        await operate(first, "thaw", "nacos")
        await operate(first, "freeze", "everything")
        await second.start()
        await second.until_page("/metrics", "meshregistry_frozen_targets 1.0")
        await second.until_page("/metrics", "meshregistry_siblings 1.0")
        await second.until_page("/metrics", "meshregistry_admin_listening 1.0")
        frozen = [line for line in (await operate(second, "holds")).splitlines() if line.startswith("frozen")]
        assert ["frozen: everything"] == frozen
        assert [] == await journal(second)  # it came with the world of the first, and nothing had to be undone


async def test_a_full_reading_is_made_by_both_replicas_long_before_its_time(registry: SimRig, folder: Path) -> None:
    first, second = pair = pair_of(folder, registry.base_url, registry.namespace, period_s=3600.0)
    async with first.running(), second.running():
        for each in pair:
            await each.until_fresh()
            await each.until_page("/metrics", "meshregistry_siblings 1.0")
            await each.until_page("/metrics", "meshregistry_admin_listening 1.0")
        await registry.register("new", "10.0.1.1", 8080)

        assert "asked for a full reading: nacos\n" == await operate(first, "read", "nacos")

        for each in pair:
            await each.until_page("/metrics", 'meshregistry_service_entry_total{source="nacos"} 21.0')
            assert ["read_again"] == [what for what, _ in await journal(each)]


async def test_serving_anyway_serves_at_both_replicas_what_was_read_and_says_what_is_missing(
    registry: SimRig, folder: Path
) -> None:
    await registry.stop()
    (folder / "entries").mkdir()
    (folder / "entries" / "orders.yaml").write_text(ENTRY)
    files = f"k8s_source: {{enabled: true, enable_config_file: true, config_path: {folder}/entries}}\n"
    first, second = pair = [ServiceProcess(folder / name, registry.base_url, registry.namespace) for name in ("a", "b")]
    for each in pair:
        each.siblings, each.edit = pair, lambda text: files + text
    async with first.running(), second.running():
        for each in pair:
            await each.until_page("/metrics", "meshregistry_siblings 1.0")
            await each.until_page("/metrics", "meshregistry_admin_listening 1.0")
            await each.until(lambda status, body: body.endswith("source not ready nacos"))
        assert "nothing is served before it has been read: nacos\n" == await operate(first, "holds")

        assert "served without: nacos\n" == await operate(first, "--by", "ann", "serve-anyway")

        for each in pair:
            _, body = await each.until(lambda status, body: status == 200)
            assert "served without having been read in whole: nacos\n" == body == await operate(each, "holds")
            assert {"orders"} == (await served_by(each.ads)).keys()
            ((what, detail),) = await journal(each)
            assert ("serve_anyway", True) == (what, detail.startswith("sources nacos, ann (uid "))

        await registry.start()
        for each in pair:
            await each.until(lambda status, body: (status, body) == (200, ""))
            assert 21 == len(await served_by(each.ads))
            assert "everything is served already\n" == await operate(each, "serve-anyway")


async def test_a_freeze_before_anything_was_read_outlives_a_kill_right_after_the_answer(
    registry: SimRig, folder: Path
) -> None:
    await registry.stop()
    replica = ServiceProcess(folder / "a", registry.base_url, registry.namespace)
    async with replica.running():
        await replica.until_page("/metrics", "meshregistry_admin_listening 1.0")
        assert "frozen: nacos\n" == await operate(replica, "freeze", "nacos")
        await replica.end(signal.SIGKILL)

        await replica.start()
        await replica.until_page("/metrics", "meshregistry_frozen_targets 1.0")
        await replica.until_page("/metrics", "meshregistry_admin_listening 1.0")
        assert "frozen: nacos" in await operate(replica, "holds")
