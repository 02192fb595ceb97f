"""Whatever an API of Kubernetes sends, or stands in its secrets: it is read, left out alone, or refused by its name."""

import base64
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.errors import SettingsError
from meshregistry.kubernetes.access import Access, AccessError, read_kubeconfig
from meshregistry.kubernetes.book import ClusterBook
from meshregistry.kubernetes.client import ClusterError, read_event, read_page
from meshregistry.kubernetes.follower import Shelf, decode_each, read_version
from meshregistry.kubernetes.objects import Pod
from meshregistry.kubernetes.settings_objects import ConfigMap, ObjectNames, RegistrySource, SettingsObjects
from meshregistry.kubernetes.shelves import NodeShelf, PodShelf, SecretShelf
from meshregistry.kubernetes.watch import ClusterOptions
from meshregistry.settings.load import load_settings
from meshregistry.settings.registry_source import patch_settings
from meshregistry.telemetry.metrics import Metrics
from tests.support.garbage import bodies, spoilt, values
from tests.support.kubernetes_api import kubeconfig

POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "a"}, "resourceVersion": "7"},
    "spec": {"nodeName": "node", "hostNetwork": False},
    "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]},
}
SECRET = {
    "metadata": {"name": "s", "labels": {"istio/multiCluster": "true"}, "resourceVersion": "8"},
    "data": {"remote": base64.b64encode(kubeconfig("https://api:6443", token="t").encode()).decode()},
}
CONFIG_MAP = {"metadata": {"name": "c"}, "data": {"cfg_meshregistry": "profile: istio"}, "binaryData": {"x": "AA=="}}
KINDS: dict[str, dict[str, Any]] = {"pod": POD, "secret": SECRET, "config_map": CONFIG_MAP}
KEYS = ("metadata", "name", "labels", "spec", "status", "data", "binaryData", "items", "resourceVersion", "podIPs")
PAGE = json.dumps({"metadata": {"resourceVersion": "9", "continue": "c"}, "items": [POD, SECRET]}).encode()
EVENT = json.dumps({"type": "MODIFIED", "object": POD}).encode()
ERROR = json.dumps({"type": "ERROR", "object": {"code": 410, "message": "gone"}}).encode()

objects = bodies(*KEYS) | st.sampled_from([*KINDS.values()]).map(json.dumps).map(str.encode).flatmap(spoilt)
odd_texts = st.text(max_size=30) | st.sampled_from(["é", "=", "AA", "\ud800", "AA==\n", "!!!!"])
encoded = st.binary(max_size=30).map(base64.b64encode).map(bytes.decode)


def shelf(kind: str, bad: list[None]) -> Shelf:
    """Return a shelf of a kind that notes what it cannot read."""

    def note() -> None:
        bad.append(None)

    book = ClusterBook()
    if kind == "pods":
        return PodShelf(book, lambda _: None, note)
    return NodeShelf(book, lambda _: None, note) if kind == "nodes" else SecretShelf(lambda: None, note)


@given(bodies(*KEYS, "continue") | spoilt(PAGE))
def test_a_page_of_a_list_is_one_or_an_error_of_its_cluster(body: bytes) -> None:
    with suppress(ClusterError):
        page = read_page(body)
        assert all(isinstance(item, msgspec.Raw) for item in page.items or ())


@given(bodies("type", "object", "code") | st.sampled_from([EVENT, ERROR]).flatmap(spoilt))
def test_a_line_of_a_watch_is_a_change_or_an_error_of_its_cluster(line: bytes) -> None:
    with suppress(ClusterError):
        event = read_event(line)
        assert event.type != "ERROR"
        assert isinstance(read_version(event.object), str)


@pytest.mark.parametrize("kind", ["pods", "nodes", "secrets"])
@given(st.lists(objects, max_size=4), st.sampled_from(["ADDED", "MODIFIED", "DELETED", "", "x"]))
def test_an_object_that_cannot_be_read_is_counted_alone(kind: str, items: list[bytes], change: str) -> None:
    bad: list[None] = []
    kept = shelf(kind, bad)
    raws = [msgspec.Raw(item) for item in items]
    kept.replace([*raws, msgspec.Raw(json.dumps(POD).encode())])
    for raw in raws:
        kept.apply(change, raw)
        assert isinstance(read_version(raw), str)

    assert len(bad) <= 2 * sum(len(item) + 1 for item in items)
    assert 1 == len(decode_each([msgspec.Raw(json.dumps(POD).encode())], Pod, lambda: bad.append(None)))


@given(st.dictionaries(st.text(max_size=5), odd_texts | encoded, max_size=4))
def test_a_secret_gives_the_kubeconfigs_that_can_be_read(data: dict[str, str]) -> None:
    """A value that is no base64, or no text, costs itself."""
    bad: list[None] = []
    kept = SecretShelf(lambda: None, lambda: bad.append(None))
    body = json.dumps({"metadata": {"name": "s"}, "data": {**data, "good": "Z29vZA=="}}).encode()
    with suppress(UnicodeEncodeError):
        kept.replace([msgspec.Raw(body)])
    if not any("\ud800" in text for text in (*data, *data.values())):
        assert kept.clusters.get("good") == "good" or "good" in data
        assert len(bad) + len(kept.clusters) == len({**data, "good": ""})


DOCUMENT = yaml.safe_load(kubeconfig("https://api:6443", token="t"))
FIELDS = (
    "current-context",
    "contexts",
    "clusters",
    "users",
    "name",
    "context",
    "cluster",
    "user",
    "server",
    "token",
    "username",
    "password",
    "certificate-authority-data",
    "client-certificate-data",
    "client-key-data",
    "tokenFile",
    "exec",
    "insecure-skip-tls-verify",
)
PUT = [
    "&a ",
    "*a ",
    "<<: *a",
    "!!bool ",
    "!!int ",
    "- ",
    "{",
    "[" * 3000,
    "2001-99-99",
    "\t",
    "1:" * 2000 + "1",
    "\x00",
]


@st.composite
def kubeconfigs(draw: st.DrawFn) -> str:
    """Return kubeconfigs with odd values in known fields, and texts with something put into them."""
    if draw(st.booleans()):
        tree = json.loads(json.dumps(DOCUMENT))
        owner = draw(st.sampled_from([tree, tree["clusters"][0]["cluster"], tree["users"][0]["user"]]))
        owner[draw(st.sampled_from(FIELDS))] = draw(values(*FIELDS) | odd_texts | encoded)
        return json.dumps(tree)
    text = kubeconfig("https://api:6443", token="t")
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(PUT) | st.text(max_size=20)) + text[at:]


@given(kubeconfigs() | st.text(max_size=60) | bodies(*FIELDS).map(lambda body: body.decode("utf-8", "replace")))
def test_a_kubeconfig_is_an_access_or_an_error_that_names_it(text: str) -> None:
    try:
        access = read_kubeconfig(text, None)
    except AccessError:
        return
    assert isinstance(access, Access)
    assert access.server.startswith(("https://", "http://"))
    assert access.token_file == ""


def test_a_kubeconfig_of_few_bytes_takes_no_time_however_often_it_repeats_itself() -> None:
    """Aliases merged into each other are milliards of keys, and a number of base 60 takes minutes to compute."""
    merged = "a: &a {x: 1}\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{', '.join([f'*{chr(97 + n)}'] * 20)}]}}\n" for n in range(10)
    )
    with pytest.raises(AccessError):
        read_kubeconfig(merged, None)
    for text in ("a: " + "1:" * 60_000 + "1\n", "a: !!int " + "1:" * 60_000 + "1\n", "a: " + "x" * 200_000):
        with pytest.raises(AccessError):
            read_kubeconfig(text, None)


def names() -> SettingsObjects:
    return SettingsObjects(ObjectNames("n", "c"), ClusterOptions(), Metrics())


@given(st.none() | st.dictionaries(st.sampled_from(["cfg_meshregistry", "x"]), odd_texts | encoded, max_size=2))
def test_a_config_map_has_settings_or_says_that_it_has_none(binary: dict[str, str] | None) -> None:
    kept = names()
    kept.config_map = ConfigMap(binary_data=binary)
    told = ""
    try:
        assert kept.config() is None or binary is not None
    except ValueError as error:
        told = str(error)
    assert told in ("", "ConfigMap c has no usable cfg_meshregistry")


@given(objects)
def test_a_config_map_or_registry_source_is_read_or_left_out(body: bytes) -> None:
    for kind in (ConfigMap, RegistrySource):
        decode_each([msgspec.Raw(body)], kind, lambda: None)


SETTINGS = load_settings("zookeeper_source: {enabled: true, address: ['z:1']}", {}).settings


@given(values("zookeeper", "availableInterfaces", "abnormalInstanceIPs", "globalAbnormalInstanceIPs", "interface"))
def test_a_patch_of_the_settings_is_laid_over_them_or_refused(spec: object) -> None:
    for each in (spec, {"zookeeper": spec}):
        with suppress(SettingsError):
            patch_settings(SETTINGS, each)
