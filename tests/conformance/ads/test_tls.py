"""TLS: the optional listener, its reload, client certificates."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from meshregistry.errors import ListenError
from meshregistry.telemetry.metrics import Metrics
from meshregistry.xds.clients import Clients
from meshregistry.xds.listener import Listener
from meshregistry.xds.server import AdsServer
from meshregistry.xds.tls import Certificate
from tests.conformance.ads.test_transport import hello
from tests.conformance.ads.transcripts import got
from tests.support.ads_client import AdsClient
from tests.support.ads_rig import NO_PAUSE, NODE, WireRig, serve
from tests.support.ads_world import SERVICE_ENTRY, commit, make_resource, make_store, read_answer
from tests.support.tls_files import TlsFiles, fetch_names

pytestmark = pytest.mark.anyio

ISTIOD = "istiod.istio-system.svc"
RELOADS = "meshregistry_ads_tls_reloads_total"
EXPIRY = "meshregistry_ads_certificate_expiry_timestamp_seconds"


def shake_hands(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[bool, bool, ssl.SSLSession | None]:
    """Connect; return whether the server says anything, whether the given session was resumed, and the session."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as secure,
        ):
            return bool(secure.recv(1)), bool(secure.session_reused), secure.session
    except (ssl.SSLError, ConnectionError):
        return False, False, None


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


async def test_handshakes_that_fail_or_never_end_leave_nothing_behind(files: TlsFiles) -> None:
    """Until a handshake is over nothing counts the connection, so it may not take long."""
    listener = Listener([], replace(NO_PAUSE, tls=files.tls(handshake_timeout_s=0.2)), Metrics())
    await listener.open()
    for hello_bytes in (b"rubbish", b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(hello_bytes)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert b"" == (await reader.read())[7:]
        writer.transport.abort()
    listener.refuse()
    assert (set(), True) == (listener._handlers, listener._door.is_empty)


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


async def test_a_load_that_fails_once_is_tried_again_by_the_next_handshake(
    files: TlsFiles, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No file descriptor at the moment of the renewal is no reason to present the old certificate for ever."""
    authority, metrics, load = files.authority.cert_pem.bytes(), Metrics(), ssl.SSLContext.load_cert_chain
    failures = [OSError(errno.EMFILE, "Too many open files"), PermissionError(errno.EACCES, "Permission denied")]

    def load_or_fail(*arguments: Any, **more: Any) -> None:
        if failures:
            raise failures.pop()
        load(*arguments, **more)

    async with serve(make_store(), files.options(), metrics=metrics) as server:
        files.issue("renewed.example")
        monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load_or_fail)
        with caplog.at_level(logging.INFO, "meshregistry.xds.tls"):
            names = [await fetch_names(server.port, authority) for _ in range(4)]
    counted = [metrics.registry.get_sample_value(RELOADS, {"result": result}) for result in ("failure", "success")]
    assert [["localhost"], ["localhost"], ["renewed.example"], ["renewed.example"]] == names
    assert ["ads.tls.reload_failed", "ads.tls.reloaded"] == [line.message.split()[0] for line in caplog.records]
    assert [2.0, 1.0] == counted


async def test_files_that_cannot_be_looked_at_are_told_of_once_each_time(
    files: TlsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    """A transition is a line, a handshake is none."""
    authority, key = files.authority.cert_pem.bytes(), files.folder / "key.pem"
    async with serve(make_store(), files.options()) as server:
        with caplog.at_level(logging.INFO, "meshregistry.xds.tls"):
            for _ in range(2):
                key.rename(files.folder / "away.pem")
                assert [["localhost"]] * 2 == [await fetch_names(server.port, authority) for _ in range(2)]
                (files.folder / "away.pem").rename(key)
                assert ["localhost"] == await fetch_names(server.port, authority)
    assert ["ads.tls.reload_failed"] * 2 == [line.message.split()[0] for line in caplog.records]


async def test_the_expiry_of_the_certificate_in_use_is_a_metric(files: TlsFiles) -> None:
    """It is that of the file that is presented, and a renewal moves it without waiting for a client."""
    metrics, path = Metrics(), str(files.folder / "chain.pem")
    files.issue(expires_at=datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC))
    certificate = Certificate(files.tls(), metrics)
    before = metrics.registry.get_sample_value(EXPIRY, {"certificate": path})
    files.issue(expires_at=datetime(2055, 1, 1, tzinfo=UTC))
    certificate.refresh()
    after = metrics.registry.get_sample_value(EXPIRY, {"certificate": path})
    assert (datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp(), datetime(2055, 1, 1, tzinfo=UTC).timestamp()) == (
        before,
        after,
    )


async def test_an_authority_that_is_taken_away_is_trusted_no_longer(files: TlsFiles) -> None:
    """Its clients are refused from the next handshake on, those of the new one accepted; the open stream goes on."""
    options = files.options(client_ca=str(files.folder / "ca.pem"), require_client_certificate=True)
    old = files.credentials(files.authority.issue_cert(ISTIOD))
    server_ca, store = files.authority.cert_pem.bytes(), make_store(make_resource("a"))
    async with serve(store, options) as server, AdsClient(server.port, "sotw", old) as client:
        rig = WireRig("sotw", store, client, NODE)
        await rig.ask(SERVICE_ENTRY)
        assert [got(a=1)] == await rig.take()
        files.change_authority()
        async with AdsClient(server.port, "sotw", old) as late:
            await late.send(hello("sotw"))
            assert grpc.StatusCode.UNAVAILABLE is (await late.status())[0]
        new = files.credentials(files.authority.issue_cert(ISTIOD), server_ca)
        async with AdsClient(server.port, "sotw", new) as renewed:
            await renewed.send(hello("sotw"))
            assert got(a=1) == read_answer("sotw", await renewed.receive())
        commit(store, {"a": 2})
        assert [got(a=2)] == await rig.take()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_outlives_the_authority_that_it_was_made_under(
    files: TlsFiles, version: ssl.TLSVersion
) -> None:
    """A resumed session shows no certificate, so it would be a way past the removal."""
    options = files.options(client_ca=str(files.folder / "ca.pem"), require_client_certificate=True)
    own = files.authority.issue_cert(ISTIOD)
    context = ssl.create_default_context(cadata=files.authority.cert_pem.bytes().decode())
    context.minimum_version = context.maximum_version = version
    own.configure_cert(context)
    async with serve(make_store(), options) as server:
        *first, session = await asyncio.to_thread(shake_hands, server.port, context)
        *second, _ = await asyncio.to_thread(shake_hands, server.port, context, session)
        files.change_authority()
        *third, _ = await asyncio.to_thread(shake_hands, server.port, context, session)
    assert ([True, False], [True, True], [False, False]) == (first, second, third)


async def test_renewed_certificates_of_both_sides_fit(files: TlsFiles) -> None:
    """A client that comes after the renewal, with a certificate of its own, is served."""
    options = files.options(client_ca=str(files.folder / "ca.pem"), require_client_certificate=True)
    async with serve(make_store(make_resource("a")), options) as server:
        files.issue("localhost")
        credentials = files.credentials(files.authority.issue_cert(ISTIOD))
        async with AdsClient(server.port, "sotw", credentials) as client:
            await client.send(hello("sotw"))
            assert got(a=1) == read_answer("sotw", await client.receive())


async def test_an_encrypted_key_is_an_error_and_no_question(files: TlsFiles) -> None:
    """OpenSSL would ask the terminal for its password, and wait."""
    key = serialization.load_pem_private_key((files.folder / "key.pem").read_bytes(), None)
    (files.folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(OSError):
        Certificate(files.tls(), Metrics())


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
