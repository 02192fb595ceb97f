"""How a cluster is reached: kubeconfig, in-cluster, or not at all; secrets in no message."""

import base64
from pathlib import Path

import pytest
import trustme
import yaml

from meshregistry.kubernetes.access import AccessError, find_access, read_kubeconfig
from tests.support.kubernetes_api import kubeconfig

SECRET = "hunter2"


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def config(cluster: dict[str, object], user: dict[str, object]) -> str:
    document = yaml.safe_load(kubeconfig("https://api:6443"))
    document["clusters"][0]["cluster"].update(cluster)
    document["users"][0]["user"].update(user)
    return yaml.safe_dump(document)


def test_a_token_is_taken_from_the_current_context() -> None:
    access = read_kubeconfig(kubeconfig("http://api:8080/", token=SECRET), None)

    assert ("http://api:8080", SECRET, None) == (access.server, access.token, access.tls)
    assert SECRET not in repr(access)


def test_certificates_come_from_data_or_from_files(tmp_path: Path) -> None:
    authority = trustme.CA()
    identity = authority.issue_cert("reader")
    chain = identity.cert_chain_pems[0].bytes()
    key = identity.private_key_pem.bytes()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    (tmp_path / "cert.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    data = config(
        {"certificate-authority-data": b64(authority.cert_pem.bytes())},
        {"client-certificate-data": b64(chain), "client-key-data": b64(key)},
    )
    files = config({"certificate-authority": "ca.pem"}, {"client-certificate": "cert.pem", "client-key": "key.pem"})

    for text, folder in ((data, None), (files, tmp_path)):
        access = read_kubeconfig(text, folder)
        assert access.tls is not None
        assert 1 == access.tls.cert_store_stats()["x509_ca"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid YAML"),
        ("[]", "the kubeconfig is not one"),
        ("{}", "no context ''"),
        (config({"server": "api"}, {}), "no server"),
        (config({}, {"exec": {"command": "aws"}}), "by exec"),
        (config({}, {"auth-provider": {"name": "gcp"}}), "by auth-provider"),
        (config({"certificate-authority-data": "%"}, {}), "not base64"),
        (config({"certificate-authority-data": b64(b"no")}, {}), "CA cannot be used"),
        (config({}, {"client-certificate-data": b64(SECRET.encode())}), "client certificate cannot be used"),
        (config({"certificate-authority": "ca.pem"}, {}), "names a file"),
        ("[" * 100_000, "not valid YAML"),
        ("a: " + "x" * 200_000, "longer than 131072"),
        ("a: &a {}\nb: *a", "has aliases"),
        (config({"certificate-authority-data": "é"}, {}), "not base64"),
        ("!!bool x", "not valid YAML"),
        ("9" * 5000, "the kubeconfig is not one"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(text: str, message: str) -> None:
    with pytest.raises(AccessError, match=message) as caught:
        read_kubeconfig(text, None)
    assert SECRET not in str(caught.value)


def test_the_pods_own_account_is_used_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())

    access = find_access("", "", tmp_path)

    assert access is not None
    assert ("https://kubernetes.default.svc", str(tmp_path / "token")) == (access.server, access.token_file)


def test_the_api_server_of_the_settings_wins(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(kubeconfig("http://other:1", token=SECRET))

    access = find_access(str(path), "http://api:8080/", tmp_path)

    assert access is not None
    assert ("http://api:8080", SECRET) == (access.server, access.token)


def test_outside_of_a_cluster_there_is_none(tmp_path: Path) -> None:
    assert None is find_access("", "", tmp_path)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="absent: No such file"):
        find_access(str(tmp_path / "absent"), "", tmp_path)


def test_a_token_of_digits_is_a_token() -> None:
    """YAML takes it for a number, or for a time."""
    for token in ("0123456", "1:20", "2024-01-01"):
        text = kubeconfig("http://api:8080", token=token).replace(f'"{token}"', token)
        assert token == read_kubeconfig(text, None).token
