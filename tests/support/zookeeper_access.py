"""Who may do what on the ZooKeepers of the tests: the administrator, the SASL user, certificates."""

import base64
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

SUPER_USER = "super:fixture"
SUPER_DIGEST = "super:" + base64.b64encode(hashlib.sha1(SUPER_USER.encode()).digest()).decode()
"""The administrator of every server of the suite: authenticates as digest and is stopped by no ACL."""

SASL_USER = "bob"
SASL_PASSWORD = "bob-secret"
CLIENT_SUBJECT = "CN=client,OU=tests,O=suite"
"""Who shows `client.pem`, as servers write it: ACLs name him so by the scheme `x509`."""

JAAS_SERVER = f"""Server {{
  org.apache.zookeeper.server.auth.DigestLoginModule required
  user_{SASL_USER}="{SASL_PASSWORD}";
}};
"""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificates of an authority of the suite's own, as PEM files in one folder."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The certificate of the authority, which clients must trust."""
        return self.folder / "ca.pem"

    @classmethod
    def make(cls, folder: Path) -> "TlsFiles":
        """Issue `server.pem` for localhost and `client.pem`, unless they are there."""
        files = cls(folder)
        if not files.authority.exists():
            folder.mkdir(parents=True, exist_ok=True)
            authority = trustme.CA()
            _write(authority.issue_cert("localhost", "127.0.0.1"), folder / "server.pem")
            client = authority.issue_cert(
                "client@localhost", common_name="client", organization_unit_name="tests", organization_name="suite"
            )
            _write(client, folder / "client.pem")
            authority.cert_pem.write_to_path(str(files.authority))
        return files

    @property
    def client(self) -> Path:
        """Certificate and key of a client."""
        return self.folder / "client.pem"

    def server_settings(self) -> list[str]:
        """The lines of zoo.cfg; clients may show a certificate."""
        return [
            f"ssl.keyStore.location={self.folder / 'server.pem'}",
            "ssl.keyStore.type=PEM",
            f"ssl.trustStore.location={self.authority}",
            "ssl.trustStore.type=PEM",
            "ssl.clientAuth=want",
        ]

    def server_context(self) -> ssl.SSLContext:
        """What a server in this process needs."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.folder / "server.pem")
        return context

    def client_context(self) -> ssl.SSLContext:
        """What a client needs that trusts the authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.authority))


def _write(certificate: trustme.LeafCert, path: Path) -> None:
    """Key and chain in one file, the key in the one form that Java reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    parts = [key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())]
    path.write_bytes(b"".join(parts + [each.bytes() for each in certificate.cert_chain_pems]))
