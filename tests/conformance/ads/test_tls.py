"""TLS: the optional listener, its reload, client certificates."""

import asyncio
import logging
from pathlib import Path

import grpc
import pytest
import trustme

from meshregistry.errors import ListenError
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.clients import Clients
from meshregistry.xds.server import AdsServer
from tests.conformance.ads.test_transport import hello
from tests.conformance.ads.transcripts import got
from tests.support.ads_client import AdsClient
from tests.support.ads_rig import NODE, WireRig, serve
from tests.support.ads_world import SERVICE_ENTRY, commit, make_resource, make_store, read_answer
from tests.support.tls_files import TlsFiles, fetch_names

pytestmark = pytest.mark.anyio

ISTIOD = "istiod.istio-system.svc"


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """A server certificate for localhost."""
    return TlsFiles(tmp_path)


async def test_stock_istiod_needs_no_certificate_of_its_own(files: TlsFiles) -> None:
    """T2: mode SIMPLE of istiod 1.26 and later; a certificate is asked for and not required."""
    options = files.options(client_ca=str(files.folder / "ca.pem"))
    async with (
        serve(make_store(make_resource("a")), options) as server,
        AdsClient(server.port, "sotw", files.credentials()) as client,
    ):
        await client.send(hello("sotw"))
        assert got(a=1) == read_answer("sotw", await client.receive())


async def test_failed_handshake_hurts_nobody_else(files: TlsFiles) -> None:
    """T3: plaintext and rubbish on the TLS port."""
    store = make_store(make_resource("a"))
    async with (
        serve(store, files.options()) as server,
        AdsClient(server.port, "sotw", files.credentials()) as client,
    ):
        rig = WireRig("sotw", store, client, NODE)
        await rig.ask(SERVICE_ENTRY)
        await rig.take()
        for rubbish in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(rubbish)
            writer.write_eof()
            async with asyncio.timeout(10):
                await reader.read()
            writer.transport.abort()
        commit(store, {"a": 2})
        assert [got(a=2)] == await rig.take()


async def test_new_certificate_is_used_without_dropping_streams(files: TlsFiles) -> None:
    """Reload: new handshakes see the new chain, the open stream goes on."""
    store = make_store(make_resource("a"))
    authority = files.authority.cert_pem.bytes()
    async with (
        serve(store, files.options()) as server,
        AdsClient(server.port, "sotw", files.credentials()) as client,
    ):
        rig = WireRig("sotw", store, client, NODE)
        await rig.ask(SERVICE_ENTRY)
        await rig.take()
        assert ["localhost"] == await fetch_names(server.port, authority)
        files.issue("renewed.example")
        assert ["renewed.example"] == await fetch_names(server.port, authority)
        commit(store, {"a": 2})
        assert [got(a=2)] == await rig.take()


async def test_half_written_certificate_is_not_used(files: TlsFiles, caplog: pytest.LogCaptureFixture) -> None:
    """The pair in use stays until a whole new one is there; one line tells of it."""
    authority = files.authority.cert_pem.bytes()
    async with serve(make_store(), files.options()) as server:
        other = trustme.CA().issue_cert("other.example")
        other.private_key_pem.write_to_path(files.folder / "key.pem")
        with caplog.at_level(logging.WARNING, "meshregistry.xds.tls"):
            assert ["localhost"] == await fetch_names(server.port, authority)
            assert ["localhost"] == await fetch_names(server.port, authority)
        assert 1 == len(caplog.records)
        files.issue("renewed.example")
        assert ["renewed.example"] == await fetch_names(server.port, authority)


@pytest.mark.parametrize(("identity", "served"), [(ISTIOD, True), ("stranger.example", False)])
async def test_client_certificates_can_be_required_and_named(files: TlsFiles, identity: str, served: bool) -> None:
    """A certificate of the right authority and the wrong name gets PERMISSION_DENIED."""
    options = files.options(
        client_ca=str(files.folder / "ca.pem"), require_client_certificate=True, client_names=(ISTIOD,)
    )
    credentials = files.credentials(files.authority.issue_cert(identity))
    async with (
        serve(make_store(make_resource("a")), options) as server,
        AdsClient(server.port, "sotw", credentials) as client,
    ):
        await client.send(hello("sotw"))
        if served:
            assert got(a=1) == read_answer("sotw", await client.receive())
        else:
            assert grpc.StatusCode.PERMISSION_DENIED is (await client.status())[0]


async def test_required_certificate_that_is_missing_ends_the_handshake(files: TlsFiles) -> None:
    """No stream without one."""
    options = files.options(client_ca=str(files.folder / "ca.pem"), require_client_certificate=True)
    clients = Clients()
    async with (
        serve(make_store(), options, clients) as server,
        AdsClient(server.port, "sotw", files.credentials()) as client,
    ):
        await client.send(hello("sotw"))
        assert grpc.StatusCode.UNAVAILABLE is (await client.status())[0]
        assert 0 == len(clients)


async def test_unusable_certificate_is_an_error_at_start(files: TlsFiles) -> None:
    """Named, and not a warning."""
    (files.folder / "key.pem").unlink()
    server = AdsServer(files.options(), make_store(), Clients(), Metrics())
    with pytest.raises(ListenError, match="No such file"):
        await server.start()
