"""What istiod would say about a ServiceEntry of ours, by the istiod model's own rules."""

from meshregistry.model.service_entry import ServiceEntry
from meshregistry.watch.families import FAMILIES, SERVICE_ENTRY
from meshregistry.watch.resources import Endpoint, ServiceEntrySpec, ServicePort
from meshregistry.watch.validation import validate


def list_faults(entry: ServiceEntry) -> list[str]:
    """Return why any istiod would reject the entry or drop its resource; empty if none would."""
    faults = [
        fault
        for family in FAMILIES.values()
        for fault in validate(
            SERVICE_ENTRY, entry.namespace, dict(entry.annotations), _specify(entry), family.behaviour
        )
    ]
    if entry.resource_name.count("/") != 1 or not entry.name or not entry.namespace:
        faults.append(f"the name {entry.resource_name!r} is not one name in one namespace")
    for key, value in (*entry.labels, *entry.annotations):
        (key + value).encode()
    (entry.resource_name + "".join(endpoint.locality for endpoint in entry.endpoints)).encode()
    return faults


def _specify(entry: ServiceEntry) -> ServiceEntrySpec:
    return ServiceEntrySpec(
        hosts=entry.hosts,
        addresses=entry.addresses,
        ports=tuple(ServicePort(each.number, each.protocol, each.name, each.target_port) for each in entry.ports),
        location=entry.location,
        resolution=entry.resolution,
        endpoints=tuple(
            Endpoint(each.address, dict(each.ports), dict(each.labels), "", each.locality, each.weight)
            for each in entry.endpoints
        ),
        export_to=entry.export_to,
    )
