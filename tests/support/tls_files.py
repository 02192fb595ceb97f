"""A certificate authority, a server's files that can be replaced, and what a client needs."""

import asyncio
import ssl
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import grpc
import trustme

from meshregistry.xds.options import AdsOptions, TlsOptions
from tests.support.ads_rig import NO_PAUSE


class TlsFiles:
    """A certificate authority and the files of a server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(folder / "ca.pem")
        self.issue()

    def issue(self, host: str = "localhost", expires_at: datetime | None = None) -> None:
        """Write a new chain and key."""
        issued = self.authority.issue_cert(host, not_after=expires_at)
        (self.folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.folder / "key.pem")

    def tls(self, **fields: object) -> TlsOptions:
        """Return the TLS options of a server with these files."""
        return TlsOptions(str(self.folder / "chain.pem"), str(self.folder / "key.pem"), **fields)  # type: ignore[arg-type]

    def options(self, **fields: object) -> AdsOptions:
        """Return options of a server with these files."""
        return replace(NO_PAUSE, tls=self.tls(**fields))

    def credentials(
        self, client: trustme.LeafCert | None = None, server_ca: bytes | None = None
    ) -> grpc.ChannelCredentials:
        """Return what a client needs, with a certificate of its own if given."""
        authority = server_ca or self.authority.cert_pem.bytes()
        if client is None:
            return grpc.ssl_channel_credentials(authority)
        chain = b"".join(blob.bytes() for blob in client.cert_chain_pems)
        return grpc.ssl_channel_credentials(authority, client.private_key_pem.bytes(), chain)

    def change_authority(self) -> None:
        """Put another authority, which has signed nothing yet, into the place of the old one."""
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(self.folder / "ca.pem")


async def fetch_names(port: int, authority: bytes) -> list[str]:
    """Return the DNS names of the certificate that is presented now; HTTP/2 must be negotiated."""
    context = ssl.create_default_context(cadata=authority.decode())
    context.set_alpn_protocols(["h2"])
    context.check_hostname = False
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    tls = writer.get_extra_info("ssl_object")
    assert "h2" == tls.selected_alpn_protocol()
    writer.transport.abort()
    return [name for _, name in tls.getpeercert()["subjectAltName"]]
