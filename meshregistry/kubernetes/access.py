"""How a cluster's API is reached: from a kubeconfig, or as the pod that this process runs in.

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files" and "Accessing the API from a Pod". Programs
that a kubeconfig names for credentials (`exec`) are not run: it may come from a secret of the cluster.
"""

import base64
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from meshregistry.errors import MeshRegistryError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_CLUSTER = "https://kubernetes.default.svc"
_MAX_BYTES = 1 << 20
_MAX_CHARACTERS = 128 << 10
"""Of a kubeconfig; the longest parts of one are certificates."""


class AccessError(MeshRegistryError):
    """A cluster cannot be reached as it is configured; the message names what is wrong, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a cluster's API is and as whom it is asked."""

    server: str
    token: str = field(default="", repr=False)
    token_file: str = ""
    """Read for every request, as tokens of service accounts change; wins over `token`."""

    basic: tuple[str, str] | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


def find_access(kube_config: str, api_server: str, account: Path = SERVICE_ACCOUNT) -> Access | None:
    """Return the access that is configured, else that of the pod, None outside of a cluster. Raises AccessError."""
    if kube_config:
        access = read_kubeconfig(_read(Path(kube_config)).decode("utf-8", "replace"), Path(kube_config).parent)
    elif (account / "token").exists():
        access = Access(_IN_CLUSTER, token_file=str(account / "token"), tls=_trust(ca_file=str(account / "ca.crt")))
    elif api_server:
        access = Access(api_server)
    else:
        return None
    return replace(access, server=(api_server or access.server).rstrip("/"))


class _Loader(yaml.SafeLoader):
    """Reads YAML in a time that its length bounds: no aliases, which merged into each other are milliards of keys.

    Numbers and times stay texts, so that a token of digits is a token, and none of base 60 is computed.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def _read_text(loader: _Loader, node: yaml.Node) -> str:
    return str(loader.construct_scalar(node))  # type: ignore[arg-type]  # what is no scalar is refused there


for _tag in ("int", "float", "timestamp"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _read_text)


def read_kubeconfig(text: str, folder: Path | None) -> Access:
    """Return the access that the current context of a kubeconfig describes; files it names start at `folder`.

    Without a folder files are refused. Raises AccessError.
    """
    if len(text) > _MAX_CHARACTERS:
        raise AccessError(f"the kubeconfig is longer than {_MAX_CHARACTERS} characters")
    try:
        document = yaml.load(text, Loader=_Loader)
    # PyYAML looks nowhere whether a text fits the tag before it (`!!bool x`, `!!int ''`, `!!timestamp x`).
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RecursionError):
        raise AccessError("the kubeconfig is not valid YAML, or has aliases") from None
    root = _mapping(document, "the kubeconfig")
    context = _named(root, "contexts", "context", _text(root, "current-context"))
    cluster = _named(root, "clusters", "cluster", _text(context, "cluster"))
    user = _named(root, "users", "user", _text(context, "user")) if context.get("user") else {}
    server = _text(cluster, "server")
    if not server.startswith(("https://", "http://")):
        raise AccessError("the kubeconfig's cluster has no server")
    for key in ("exec", "auth-provider"):
        if user.get(key):
            raise AccessError(f"the kubeconfig gets its credentials by {key}, which is not supported")
    name = _text(user, "username")
    return Access(
        server.rstrip("/"),
        token=_text(user, "token"),
        token_file=_file(user, "tokenFile", folder),
        basic=(name, _text(user, "password")) if name else None,
        tls=_tls(cluster, user, folder) if server.startswith("https://") else None,
    )


def _tls(cluster: Mapping[str, object], user: Mapping[str, object], folder: Path | None) -> ssl.SSLContext:
    ca = _decode(cluster, "certificate-authority-data")
    context = _trust(ca_data=ca) if ca else _trust(ca_file=_file(cluster, "certificate-authority", folder))
    if cluster.get("insecure-skip-tls-verify") is True:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate, key = (
        _decode(user, f"{name}-data") or _read_named(_file(user, name, folder))
        for name in ("client-certificate", "client-key")
    )
    if certificate:
        _load_identity(context, certificate, key)
    return context


def _trust(*, ca_file: str = "", ca_data: bytes = b"") -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None, cadata=ca_data.decode("ascii") or None)
    except (OSError, ValueError) as error:
        raise AccessError(f"the cluster's CA cannot be used: {error}") from None


def _load_identity(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load what `ssl` takes from files only, without leaving the key on a disk."""
    try:
        with _memory_file(certificate) as chain, _memory_file(key or certificate) as secret:
            # With a password, as OpenSSL would ask the terminal for that of an encrypted key, and wait for it.
            context.load_cert_chain(chain, secret, password="")
    except (OSError, ValueError) as error:
        raise AccessError(f"the client certificate cannot be used: {type(error).__name__}") from None


@contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _named(root: Mapping[str, object], lists: str, kind: str, name: str) -> Mapping[str, object]:
    listed = root.get(lists)
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and item.get("name") == name and isinstance(item.get(kind), dict):
            found: Mapping[str, object] = item[kind]
            return found
    raise AccessError(f"the kubeconfig has no {kind} {name!r}")


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise AccessError(f"{what} is not one")
    return value


def _text(owner: Mapping[str, object], key: str) -> str:
    value = owner.get(key)
    return value if isinstance(value, str) else ""


def _file(owner: Mapping[str, object], key: str, folder: Path | None) -> str:
    name = _text(owner, key)
    if not name:
        return ""
    if folder is None:
        raise AccessError(f"{key} names a file, which a kubeconfig from a secret cannot")
    return str(folder / name)


def _decode(owner: Mapping[str, object], key: str) -> bytes:
    try:
        return base64.b64decode(_text(owner, key), validate=True)
    except ValueError:  # binascii.Error, and a plain one for what is not ASCII
        raise AccessError(f"{key} is not base64") from None


def _read_named(name: str) -> bytes:
    return _read(Path(name)) if name else b""


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise AccessError(f"{path}: {error.strerror}") from None
