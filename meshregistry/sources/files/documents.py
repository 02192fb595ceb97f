"""From the text of a file to records: every document of it, or a fault. Pure.

Shapes: istio.io networking/v1alpha3 ServiceEntry and Sidecar, which v1beta1 and v1 share, as Kubernetes YAML.
"""

from collections.abc import Container
from typing import NamedTuple

from meshregistry.model.policy import Profile
from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import EgressListener, Sidecar, validate_sidecar
from meshregistry.model.validation import validate_entry
from meshregistry.sources.files.fields import Fields, FileFaultError
from meshregistry.sources.yaml_text import BadYaml, load_documents

_GROUP = "networking.istio.io/"
_VERSIONS = ("v1alpha3", "v1beta1", "v1")
_SERVER_FIELDS = (
    "creationTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Of the metadata: what an API server adds and nobody writes."""

_RESOLUTIONS = {each.name: each.value for each in Resolution}
_LOCATIONS = {each.name: each.value for each in Location}


class Documents(NamedTuple):
    """What a file holds that we serve, and the kinds it holds beside."""

    entries: tuple[ServiceEntry, ...] = ()
    sidecars: tuple[Sidecar, ...] = ()
    other_kinds: frozenset[str] = frozenset()


class Reading(NamedTuple):
    """How files are read."""

    namespace: str = "default"
    """Of resources that name none."""

    profile: Profile = Profile.ISTIO
    excluded_kinds: frozenset[str] = frozenset()


def read_documents(text: str, reading: Reading) -> Documents:
    """Return the resources of a file.

    Raises FileFaultError for the first thing that is wrong: a file is served as it was written or not at all.
    """
    entries: dict[str, ServiceEntry] = {}
    sidecars: dict[str, Sidecar] = {}
    others: set[str] = set()
    for number, data in enumerate(_parse(text)):
        if data is None:
            continue
        document = Fields(data, f"document[{number}]")
        kind = document.text("kind")
        if kind not in ("ServiceEntry", "Sidecar") or kind in reading.excluded_kinds:
            others.add(kind)
            continue
        _check_version(document)
        if kind == "ServiceEntry":
            entry = _read_entry(document, reading)
            _check_new(entries, entry.resource_name)
            entries[entry.resource_name] = entry
        else:
            sidecar = _read_sidecar(document, reading)
            _check_new(sidecars, sidecar.resource_name)
            sidecars[sidecar.resource_name] = sidecar
    return Documents(tuple(entries.values()), tuple(sidecars.values()), frozenset(others))


def _parse(text: str) -> list[object]:
    try:
        return load_documents(text)
    except BadYaml as error:
        raise FileFaultError(str(error)) from None


def _check_new(known: Container[str], name: str) -> None:
    if name in known:
        raise FileFaultError(f"{name}: stands here twice")


def _check_version(document: Fields) -> None:
    version = document.text("apiVersion")
    if version.removeprefix(_GROUP) not in _VERSIONS or not version.startswith(_GROUP):
        raise FileFaultError(f"apiVersion {version!r}: expected {_GROUP} with {', '.join(_VERSIONS)}")
    document.skip("status")


class _Metadata(NamedTuple):
    namespace: str
    name: str
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]


def _read_metadata(document: Fields, reading: Reading) -> _Metadata:
    metadata = document.section("metadata")
    if metadata is None:
        raise FileFaultError("metadata: missing")
    read = _Metadata(
        metadata.text("namespace") or reading.namespace,
        metadata.text("name"),
        metadata.pairs("labels"),
        metadata.pairs("annotations"),
    )
    metadata.skip(*_SERVER_FIELDS)
    metadata.finish()
    return read


def _read_spec(document: Fields) -> Fields:
    spec = document.section("spec")
    document.finish()
    if spec is None:
        raise FileFaultError("spec: missing")
    return spec


def _read_entry(document: Fields, reading: Reading) -> ServiceEntry:
    metadata = _read_metadata(document, reading)
    spec = _read_spec(document)
    selector = spec.section("workloadSelector")
    entry = ServiceEntry(
        metadata.namespace,
        metadata.name,
        spec.texts("hosts"),
        tuple(_read_port(each) for each in spec.sections("ports")),
        tuple(sorted(_read_endpoint(each) for each in spec.sections("endpoints"))),
        Resolution(spec.choice("resolution", _RESOLUTIONS)),
        Location(spec.choice("location", _LOCATIONS)),
        spec.texts("addresses"),
        spec.texts("exportTo"),
        metadata.labels,
        metadata.annotations,
        spec.texts("subjectAltNames"),
        selector.pairs("labels") if selector else (),
    )
    if selector:
        selector.finish()
    spec.finish()
    _judge_entry(entry, reading.profile)
    return entry


def _judge_entry(entry: ServiceEntry, profile: Profile) -> None:
    if entry.workload_selector and entry.endpoints:
        raise FileFaultError(f"{entry.resource_name}: only one of workloadSelector and endpoints is allowed")
    if entry.resolution is Resolution.DNS_ROUND_ROBIN and len(entry.endpoints) > 1:
        raise FileFaultError(f"{entry.resource_name}: DNS_ROUND_ROBIN allows one endpoint")
    validated = validate_entry(entry, profile)
    for reject in validated.rejects:
        raise FileFaultError(f"{entry.resource_name}: {reject.reason} {reject.subject}: istiod would reject it")


def _read_port(fields: Fields) -> ServicePort:
    port = ServicePort(
        fields.number("number"), fields.text("protocol"), fields.text("name"), fields.number("targetPort")
    )
    fields.finish()
    return port


def _read_endpoint(fields: Fields) -> WorkloadEntry:
    endpoint = WorkloadEntry(
        fields.text("address"),
        fields.numbers("ports"),
        fields.pairs("labels"),
        fields.text("locality"),
        fields.number("weight"),
        fields.text("network"),
        fields.text("serviceAccount"),
    )
    fields.finish()
    return endpoint


def _read_sidecar(document: Fields, reading: Reading) -> Sidecar:
    metadata = _read_metadata(document, reading)
    spec = _read_spec(document)
    selector = spec.section("workloadSelector")
    egress = tuple(_read_egress(each) for each in spec.sections("egress"))
    sidecar = Sidecar(
        metadata.namespace,
        metadata.name,
        selector.pairs("labels") if selector else (),
        egress,
        metadata.labels,
        metadata.annotations,
    )
    if selector:
        selector.finish()
    spec.finish()
    for reject in validate_sidecar(sidecar, reading.profile).rejects:
        raise FileFaultError(f"{sidecar.resource_name}: {reject.reason} {reject.subject}: istiod would reject it")
    return sidecar


def _read_egress(fields: Fields) -> EgressListener:
    listener = EgressListener(tuple(sorted(fields.texts("hosts"))))
    fields.finish()
    return listener
