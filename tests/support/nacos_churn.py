"""Random registrations over HTTP and by connections that come and go, for a while."""

import asyncio
import random

from tests.support.nacos_grpc import NacosGrpc, connected, instance_json
from tests.support.nacos_rig import NacosRig

_SERVICES = 8
_PAUSE_S = 0.05

Row = tuple[str, int, float, tuple[tuple[str, str], ...]]
"""Address, port, weight, metadata."""


async def churn_by_http(rig: NacosRig, number: int, duration_s: float) -> None:
    """Register, change and deregister instances of addresses of this worker's own."""
    dice = random.Random(number)
    known: set[tuple[str, str, int]] = set()
    deadline = asyncio.get_running_loop().time() + duration_s
    while asyncio.get_running_loop().time() < deadline:
        instance = (f"svc-{dice.randrange(_SERVICES)}", f"10.1.{number}.{dice.randrange(6)}", 80)
        if instance in known and dice.random() < 0.5:
            known.discard(instance)
            await rig.deregister(*instance)
        else:
            known.add(instance)
            metadata = {"version": f"v{dice.randrange(3)}"}
            await rig.register(*instance, weight=float(dice.randrange(1, 5)), metadata=metadata)
        await asyncio.sleep(_PAUSE_S)


async def churn_by_connections(rig: NacosRig, number: int, duration_s: float) -> None:
    """Register batches over connections and close these, with all that hangs on them."""
    dice = random.Random(100 + number)
    deadline = asyncio.get_running_loop().time() + duration_s
    headers = {"accessToken": await rig.token()} if rig.username else {}
    while asyncio.get_running_loop().time() < deadline:
        async with connected(rig.base_url, rig.namespace, headers) as client:
            for _ in range(dice.randrange(1, 6)):
                await _register_batch(client, f"svc-{dice.randrange(_SERVICES)}", number, dice)
                await asyncio.sleep(_PAUSE_S)


async def list_everything(client: NacosGrpc) -> dict[str, list[Row]]:
    """Return what the server itself says of the client's namespace, services without instances included."""
    listed = await client.ask_naming("ServiceListRequest", pageNo=1, pageSize=10_000)
    everything = {}
    for name in listed.body["serviceNames"]:
        answer = await client.ask_naming("ServiceQueryRequest", name, cluster="", healthyOnly=False)
        everything[name] = sorted(
            (host["ip"], host["port"], host["weight"], tuple(sorted(host["metadata"].items())))
            for host in answer.body["serviceInfo"]["hosts"]
        )
    return everything


async def _register_batch(client: NacosGrpc, service: str, number: int, dice: random.Random) -> None:
    lasts = dice.sample(range(20), dice.randrange(1, 4))
    instances = [instance_json(f"10.2.{number}.{last}", 80, metadata={"batch": str(last)}) for last in lasts]
    answer = await client.ask_naming("BatchInstanceRequest", service, type="batchRegisterInstance", instances=instances)
    assert 200 == answer.body["resultCode"], answer
