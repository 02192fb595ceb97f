"""Resources as JSON-able dictionaries: the spec as protobuf JSON, the item as Slime prints it, the Kubernetes form.

Protobuf JSON (protobuf language guide, ProtoJSON): lowerCamelCase keys in field order, enums by name, default
values left out. Item shapes: Slime pkg/mcpoverxds/mcpcontroller.go, HandleXdsCache.
"""

from datetime import UTC, datetime

from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.wire.resource import Resource

JsonObject = dict[str, object]

_VERSION_ANNOTATION = "ResourceVersion"


def spec_json(record: ServiceEntry | Sidecar) -> JsonObject:
    """Return the message of a resource as protobuf JSON."""
    return _sidecar_json(record) if isinstance(record, Sidecar) else _entry_json(record)


def _entry_json(entry: ServiceEntry) -> JsonObject:
    spec: JsonObject = {"hosts": entry.hosts} if entry.hosts else {}
    if entry.addresses:
        spec["addresses"] = entry.addresses
    if entry.ports:
        spec["ports"] = [_port_json(port) for port in entry.ports]
    if entry.location:
        spec["location"] = entry.location.name
    if entry.resolution:
        spec["resolution"] = entry.resolution.name
    if entry.endpoints:
        spec["endpoints"] = [_endpoint_json(endpoint) for endpoint in entry.endpoints]
    if entry.export_to:
        spec["exportTo"] = entry.export_to
    if entry.subject_alt_names:
        spec["subjectAltNames"] = entry.subject_alt_names
    if entry.workload_selector:
        spec["workloadSelector"] = {"labels": dict(entry.workload_selector)}
    return spec


def config_item(resource: Resource, type_name: str, created: str, *, with_version: bool = True) -> JsonObject:
    """Return a resource as Slime's `/xdsCache` prints it; `created` is its RFC 3339 creation time.

    `with_version` is Slime's EnableAnnoResVer: whether the version stands among the annotations.
    """
    entry = resource.record
    item: JsonObject = {"type": type_name, "name": entry.name, "namespace": entry.namespace}
    if entry.labels:
        item["labels"] = dict(entry.labels)
    version = {_VERSION_ANNOTATION: resource.version} if with_version else {}
    item["annotations"] = {**dict(entry.annotations), **version}
    item["creationTimestamp"] = created
    item["Spec"] = spec_json(entry)
    item["Status"] = None
    return item


def kubernetes_item(resource: Resource, type_name: str, created: str) -> JsonObject:
    """Return a resource as a Kubernetes object of the type `group/version/kind`."""
    api_version, _, kind = type_name.rpartition("/")
    entry = resource.record
    metadata: JsonObject = {"name": entry.name, "namespace": entry.namespace}
    if entry.labels:
        metadata["labels"] = dict(entry.labels)
    if entry.annotations:
        metadata["annotations"] = dict(entry.annotations)
    metadata["resourceVersion"] = resource.version
    metadata["creationTimestamp"] = created
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata, "spec": spec_json(entry)}


def timestamp_text(instant: datetime) -> str:
    """Return an aware instant as RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _sidecar_json(sidecar: Sidecar) -> JsonObject:
    spec: JsonObject = (
        {"workloadSelector": {"labels": dict(sidecar.workload_labels)}} if sidecar.workload_labels else {}
    )
    if sidecar.egress:
        spec["egress"] = [_egress_json(listener) for listener in sidecar.egress]
    return spec


def _egress_json(listener: EgressListener) -> JsonObject:
    fields: JsonObject = {"port": {"protocol": listener.protocol}} if listener.protocol else {}
    if listener.hosts:
        fields["hosts"] = listener.hosts
    return fields


def _port_json(port: ServicePort) -> JsonObject:
    fields: JsonObject = {
        "number": port.number,
        "protocol": port.protocol,
        "name": port.name,
        "targetPort": port.target_port,
    }
    return {key: value for key, value in fields.items() if value}


def _endpoint_json(endpoint: WorkloadEntry) -> JsonObject:
    fields: JsonObject = {"address": endpoint.address} if endpoint.address else {}
    if endpoint.ports:
        fields["ports"] = dict(endpoint.ports)
    if endpoint.labels:
        fields["labels"] = dict(endpoint.labels)
    if endpoint.network:
        fields["network"] = endpoint.network
    if endpoint.locality:
        fields["locality"] = endpoint.locality
    if endpoint.weight:
        fields["weight"] = endpoint.weight
    if endpoint.service_account:
        fields["serviceAccount"] = endpoint.service_account
    return fields
