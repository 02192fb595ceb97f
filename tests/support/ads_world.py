"""A small world for tests of the ADS server: resources that are recognised by a mark, and answers read back.

Answers are decoded by Google's runtime with the classes of xds-protos, which share nothing with the server's writer.
"""

import typing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from envoy.service.discovery.v3 import discovery_pb2 as pb
from google.protobuf.any_pb2 import Any

from meshregistry.model.service_entry import Kind, ServiceEntry, ServicePort
from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.store.store import SnapshotStore
from meshregistry.wire.resource import Resource, ResourceEncoder
from meshregistry.wire.sidecar import encode_sidecar
from tests.support.pb2_decoder import message_class

SERVICE_ENTRY = "networking.istio.io/v1/ServiceEntry"
OLD_SERVICE_ENTRY = "networking.istio.io/v1alpha3/ServiceEntry"
SIDECAR = "networking.istio.io/v1/Sidecar"
OLD_SIDECAR = "networking.istio.io/v1alpha3/Sidecar"
GATEWAY = "networking.istio.io/v1/Gateway"
MESH_CONFIG = "core/v1alpha1/MeshConfig"
STUB = "stub"
RESOURCE_URL = "type.googleapis.com/istio.mcp.v1alpha1.Resource"
BODY_URL = "type.googleapis.com/istio.networking.v1alpha3."
"""Before the kind."""

_CREATED = datetime(2100, 1, 1, tzinfo=UTC)
_ENCODER = ResourceEncoder(_CREATED)

Marks = dict[str, str]
"""Resource name → mark, or `STUB`."""


def full_name(short: str) -> str:
    """Return the resource name of a short one: `a` → `ns/a`, `o_a` → `o/a`; wildcards and long names stay."""
    if "/" in short or "*" in short:
        return short
    namespace, _, name = short.rpartition("_")
    return f"{namespace or 'ns'}/{name}"


def make_resource(name: str, mark: object = 1, revision: str = "") -> Resource:
    """Return a resource whose content is its mark."""
    namespace, _, short = full_name(name).partition("/")
    labels = (("istio.io/rev", revision),) if revision else ()
    return _ENCODER.encode(
        ServiceEntry(namespace, short, (f"{mark}.{short}.demo",), (ServicePort(80, "HTTP", "http"),), labels=labels)
    )


def make_sidecar(name: str, mark: object) -> Resource:
    """Return a Sidecar whose content is its mark."""
    namespace, _, short = full_name(name).partition("/")
    listener = EgressListener((f"*/{mark}.{short}.demo",))
    return encode_sidecar(Sidecar(namespace, short, (("app", short),), (listener,)), _CREATED)


def make_store(*resources: Resource, complete: bool = True) -> SnapshotStore:
    """Return a store that holds ServiceEntries back until it is complete."""
    store = SnapshotStore([Kind.SERVICE_ENTRY])
    store.commit(Kind.SERVICE_ENTRY, resources, ())
    if complete:
        store.complete()
    return store


def commit(store: SnapshotStore, marks: dict[str, object], revision: str = "") -> None:
    """Set resources to their marks, or remove them for None, in one commit."""
    store.commit(
        Kind.SERVICE_ENTRY,
        [make_resource(name, mark, revision) for name, mark in marks.items() if mark is not None],
        [full_name(name) for name, mark in marks.items() if mark is None],
    )


def commit_sidecars(store: SnapshotStore, marks: dict[str, object]) -> None:
    """Set Sidecars to their marks, or remove them for None, in one commit."""
    store.commit(
        Kind.SIDECAR,
        [make_sidecar(name, mark) for name, mark in marks.items() if mark is not None],
        [full_name(name) for name, mark in marks.items() if mark is None],
    )


@dataclass(frozen=True)
class Answer:
    """What a response says, without what differs from run to run."""

    url: str
    resources: Marks
    removed: tuple[str, ...] = ()
    nonce: str = field(default="", compare=False)
    version: str = field(default="", compare=False)
    size: int = field(default=0, compare=False)


def read_answer(dialect: str, data: bytes) -> Answer:
    """Decode a response strictly and check what must hold of each: resource form, names, versions."""
    if dialect == "sotw":
        sotw = pb.DiscoveryResponse.FromString(data)
        bodies = [item for item in sotw.resources if _decode(item).HasField("body")]
        resources = dict(_read_resource(item, _kind_of(sotw.type_url)) for item in bodies)
        removed = tuple(_read_tombstone(item) for item in sotw.resources if not _decode(item).HasField("body"))
        assert len(sotw.resources) == len({*resources, *removed}), "no name occurs twice"
        return Answer(sotw.type_url, resources, removed, sotw.nonce, sotw.version_info, len(data))
    delta = pb.DeltaDiscoveryResponse.FromString(data)
    resources = {}
    for item in delta.resources:
        name, mark = _read_resource(item.resource, _kind_of(delta.type_url))
        assert (item.name, mark != STUB) == (name, True)
        assert item.version == _decode(item.resource).metadata.version
        resources[name] = mark
    assert len(delta.resources) == len(resources), "no name occurs twice"
    return Answer(
        delta.type_url, resources, tuple(delta.removed_resources), delta.nonce, delta.system_version_info, len(data)
    )


def _decode(item: Any) -> typing.Any:
    return message_class("istio.mcp.v1alpha1.Resource").FromString(item.value)


def _kind_of(url: str) -> str:
    return url.rpartition("/")[2]


def _read_resource(item: Any, kind: str) -> tuple[str, str]:
    resource = _decode(item)
    name, body = resource.metadata.name, resource.body
    assert name.count("/") == 1
    assert all(name.split("/"))
    assert resource.metadata.version
    if not body.value:
        assert item.type_url == "/istio.mcp.v1alpha1.Resource"
        assert body.type_url == "/istio.networking.v1alpha3.ServiceEntry"
        return name, STUB
    assert (item.type_url, body.type_url) == (RESOURCE_URL, BODY_URL + kind)
    assert resource.metadata.HasField("create_time")
    spec: typing.Any = message_class(f"istio.networking.v1alpha3.{kind}").FromString(body.value)
    hosts = spec.egress[0].hosts if kind == "Sidecar" else spec.hosts
    return name, hosts[0].removeprefix("*/").split(".")[0]


def _read_tombstone(item: Any) -> str:
    metadata = _decode(item).metadata
    assert item.type_url == RESOURCE_URL
    assert metadata.HasField("create_time"), "the incremental client refuses a response without it"
    return str(metadata.name)


def write_request(
    dialect: str,
    url: str,
    *,
    nonce: str = "",
    version: str = "",
    names: tuple[str, ...] = (),
    unsubscribe: tuple[str, ...] = (),
    initial: dict[str, str] | None = None,
    error: str = "",
    node: tuple[str, dict[str, str]] | None = None,
) -> bytes:
    """Encode a request of either dialect; `names` are the whole list in SotW and those to subscribe in delta."""
    request: pb.DiscoveryRequest | pb.DeltaDiscoveryRequest
    if dialect == "sotw":
        request = pb.DiscoveryRequest(type_url=url, response_nonce=nonce, version_info=version, resource_names=names)
    else:
        request = pb.DeltaDiscoveryRequest(
            type_url=url,
            response_nonce=nonce,
            resource_names_subscribe=names,
            resource_names_unsubscribe=unsubscribe,
            initial_resource_versions=initial or {},
        )
    if error:
        request.error_detail.code = 3
        request.error_detail.message = error
    if node is not None:
        request.node.id = node[0]
        request.node.metadata.update(node[1])
    data: bytes = request.SerializeToString()
    return data
