"""TLS of the whole service: client certificates, siblings, certificates replaced while streams are open."""

import asyncio
from pathlib import Path

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2

from meshregistry.sim.nacos.views import Dialect
from tests.support.ads_client import TIMEOUT_S, AdsClient
from tests.support.ads_world import SERVICE_ENTRY, write_request
from tests.support.nacos_rig import SimRig
from tests.support.service_process import ServiceProcess, pair_of
from tests.support.tls_files import TlsFiles, fetch_names

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=False)]

ISTIOD = "istiod.istio-system.svc"
SIBLING = "meshregistry.mesh-operator.svc"


async def receive(client: AdsClient) -> tuple[str, int]:
    """Return the nonce of the next answer and how many resources it has."""
    answer = discovery_pb2.DiscoveryResponse.FromString(await client.receive())
    return answer.nonce, len(answer.resources)


def secure(replica: ServiceProcess, files: TlsFiles) -> None:
    """Give a replica the files, and demand client certificates with one of two names."""
    folder = files.folder
    own = files.authority.issue_cert(SIBLING)
    (folder / "own.pem").write_bytes(b"".join(blob.bytes() for blob in own.cert_chain_pems))
    own.private_key_pem.write_to_path(folder / "own-key.pem")
    replica.mcp = (
        f", tls: {{certificate: {folder}/chain.pem, key: {folder}/key.pem, client_ca: {folder}/ca.pem, "
        f"require_client_certificate: true, client_names: [{ISTIOD}, {SIBLING}]}}"
    )
    replica.replicas = (
        f", ca: {folder}/ca.pem, certificate: {folder}/own.pem, key: {folder}/own-key.pem, server_name: localhost"
    )


async def test_only_named_clients_are_served_and_a_new_certificate_drops_nobody(tmp_path: Path) -> None:
    files, rig = TlsFiles(tmp_path), SimRig(Dialect.V2, auth=False)
    await rig.start()
    await rig.register("orders", "10.0.0.1", 8080)
    first, second = pair = pair_of(tmp_path, rig.base_url, rig.namespace)
    for each in pair:
        secure(each, files)
    istiod = files.credentials(files.authority.issue_cert(ISTIOD))
    stranger = files.credentials(files.authority.issue_cert("stranger.example"))
    request = write_request("sotw", SERVICE_ENTRY, node=("istiod", {}))
    async with first.running(), second.running():
        for each in pair:
            await each.until_fresh()
            await each.until_page("/metrics", "meshregistry_siblings 1.0")
        for credentials, status in ((files.credentials(), "UNAVAILABLE"), (stranger, "PERMISSION_DENIED")):
            async with AdsClient(first.ads, "sotw", credentials) as client:
                await client.send(request)
                assert getattr(grpc.StatusCode, status) is (await client.status())[0]
        async with AdsClient(first.ads, "sotw", istiod) as client:
            await client.send(request)
            nonce, count = await receive(client)
            await client.send(write_request("sotw", SERVICE_ENTRY, nonce=nonce))
            files.issue("renewed.example")
            async with asyncio.timeout(TIMEOUT_S):
                names = await fetch_names(first.ads, files.authority.cert_pem.bytes())
            await rig.register("users", "10.0.0.2", 8080)

            assert (1, ["renewed.example"], 2) == (count, names, (await receive(client))[1])
    await rig.stop()
