"""A real istiod without Kubernetes, for acceptance; the binary is named by ISTIOD_BIN (1.24 to 1.29)."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson

from tests.support.ports import free_ports

START_TIMEOUT_S = 60.0

_MESH = """
configSources:
- address: xds://127.0.0.1:{ads}
defaultConfig:
  discoveryAddress: 127.0.0.1:{grpc}
"""


class Istiod:
    """A running istiod, seen through its debug pages."""

    def __init__(self, grpc: int, http: int, monitoring: int, session: aiohttp.ClientSession) -> None:
        self._grpc = grpc
        self._http = http
        self._monitoring = monitoring
        self._session = session

    async def is_serving(self) -> bool:
        """Tell whether it opened its gRPC port, which it does once every type was answered."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._grpc)
        except OSError:
            return False
        writer.close()
        return True

    async def wait_until_serving(self) -> None:
        """Wait for the gRPC port."""
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await self.is_serving():  # noqa: ASYNC110 - another process opens it
                await asyncio.sleep(0.05)

    async def versions(self) -> dict[str, str]:
        """Return the version of every ServiceEntry it holds, by `namespace/name`."""
        configs = orjson.loads(await self._get(self._http, "/debug/configz"))
        return {
            f"{config['metadata']['namespace']}/{config['metadata']['name']}": config["metadata"]["resourceVersion"]
            for config in configs
            if config["kind"] == "ServiceEntry"
        }

    async def endpoints(self) -> dict[str, set[str]]:
        """Return the endpoint addresses it would send to Envoys, by host."""
        shards = orjson.loads(await self._get(self._http, "/debug/endpointShardz"))
        return {
            host: {
                address
                for shard in namespaces.get("nacos", {}).get("Shards", {}).values()
                for endpoint in shard or ()
                for address in endpoint["Addresses"]
            }
            for host, namespaces in shards.items()
        }

    async def inbound(self) -> dict[str, int]:
        """Return its counters of inbound updates by type: config, eds, svc, svcdelete."""
        text = (await self._get(self._monitoring, "/metrics")).decode()
        found = re.findall(r'pilot_inbound_updates\{type="(\w+)"\} (\S+)', text)
        return {kind: int(float(value)) for kind, value in found}

    async def _get(self, port: int, path: str) -> bytes:
        async with self._session.get(f"http://127.0.0.1:{port}{path}") as answer:
            assert answer.status == 200, path
            return await answer.read()


@asynccontextmanager
async def running_istiod(binary: str, ads: int, folder: Path, revision: str = "default") -> AsyncIterator[Istiod]:
    """Run istiod against a server on port `ads` for as long as the block lasts; its log is in `folder`."""
    grpc, http, monitoring, ctrlz = free_ports(4)
    mesh = folder / "mesh.yaml"
    mesh.write_text(_MESH.format(ads=ads, grpc=grpc))
    environment = {
        **os.environ,
        "POD_NAME": "istiod-probe",
        "POD_NAMESPACE": "istio-system",
        "CLUSTER_ID": "Kubernetes",
        "REVISION": revision,
        "ENABLE_CA_SERVER": "false",
        "PILOT_CERT_PROVIDER": "none",
        "PILOT_DEBOUNCE_AFTER": "20ms",
        "PILOT_DEBOUNCE_MAX": "1s",
    }
    arguments = [
        *("discovery", "--registries=", f"--meshConfig={mesh}", f"--networksConfig={folder / 'none'}"),
        *(f"--httpAddr=127.0.0.1:{http}", f"--monitoringAddr=127.0.0.1:{monitoring}", f"--grpcAddr=127.0.0.1:{grpc}"),
        *("--httpsAddr=", "--secureGRPCAddr=", "--ctrlz_address=127.0.0.1", f"--ctrlz_port={ctrlz}"),
    ]
    with (folder / "istiod.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(binary, *arguments, env=environment, stdout=log, stderr=log)
        try:
            async with aiohttp.ClientSession() as session:
                yield Istiod(grpc, http, monitoring, session)
        finally:
            process.terminate()
            await process.wait()
