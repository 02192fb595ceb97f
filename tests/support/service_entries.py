"""Random ServiceEntries in canonical order, as hypothesis strategies, and their message in Google's runtime."""

from google.protobuf.message import Message
from hypothesis import strategies as st

from meshregistry.model.instance import sort_pairs
from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from tests.support.pb2_decoder import message_class

_UINT32 = (1 << 32) - 1

words = st.text(max_size=20)
"""Any text protobuf can carry: no lone surrogates."""

names = st.text(min_size=1, max_size=20)
lists = st.lists(names, max_size=3).map(tuple)
"""Hosts, addresses, exports: the conversion never makes an empty item, and the writer leaves such out."""

keys = words | st.sampled_from(["a", "aa", "app", "app.kubernetes.io/name"])
equally_long_keys = st.text(min_size=2, max_size=2)
"""No key begins another: of such, Google's C runtime writes the longer first, other than Go's, Java's and we."""

numbers = st.integers(0, _UINT32)
ports = st.builds(ServicePort, number=numbers, protocol=words, name=words, target_port=numbers)


def entries(keys: st.SearchStrategy[str] = keys) -> st.SearchStrategy[ServiceEntry]:
    """Return entries whose maps have such keys."""
    pairs = st.dictionaries(keys, words, max_size=5).map(sort_pairs)
    endpoints = st.builds(
        WorkloadEntry,
        address=words,
        ports=st.dictionaries(keys, numbers, max_size=3).map(lambda found: tuple(sorted(found.items()))),
        labels=pairs,
        locality=words,
        weight=numbers,
        network=words,
        service_account=words,
    )
    return st.builds(
        ServiceEntry,
        namespace=names,
        name=names,
        hosts=st.lists(names, min_size=1, max_size=3).map(tuple),
        ports=st.lists(ports, max_size=3).map(tuple),
        endpoints=st.lists(endpoints, max_size=5).map(tuple),
        resolution=st.sampled_from(Resolution),
        location=st.sampled_from(Location),
        addresses=lists,
        export_to=lists,
        labels=pairs,
        annotations=pairs,
        subject_alt_names=lists,
        workload_selector=pairs,
    )


def spec_message(entry: ServiceEntry) -> Message:
    """Return the `istio.networking.v1alpha3.ServiceEntry` of an entry, built field by field."""
    return message_class("istio.networking.v1alpha3.ServiceEntry")(
        hosts=entry.hosts,
        addresses=entry.addresses,
        ports=[
            {"number": port.number, "protocol": port.protocol, "name": port.name, "target_port": port.target_port}
            for port in entry.ports
        ],
        location=int(entry.location),
        resolution=int(entry.resolution),
        endpoints=[
            {
                "address": endpoint.address,
                "ports": dict(endpoint.ports),
                "labels": dict(endpoint.labels),
                "locality": endpoint.locality,
                "weight": endpoint.weight,
                "network": endpoint.network,
                "service_account": endpoint.service_account,
            }
            for endpoint in entry.endpoints
        ],
        export_to=entry.export_to,
        subject_alt_names=entry.subject_alt_names,
        workload_selector={"labels": dict(entry.workload_selector)} if entry.workload_selector else None,
    )
