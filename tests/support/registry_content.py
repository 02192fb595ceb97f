"""Random registry content, the worst included, as hypothesis strategies."""

from hypothesis import strategies as st

from meshregistry.model.instance import Instance, Scope, ServiceKey, sort_pairs
from meshregistry.model.policy import ConversionPolicy, ExtraMeta, MergedPorts, Profile
from meshregistry.model.relabel import NamePart, PartKind, RelabelStep, ServiceNaming
from meshregistry.model.selection import EndpointSelector, LabelRequirement, Operator, Selection
from meshregistry.model.service_entry import Location

texts = st.text(st.characters(exclude_categories=()), max_size=30)
"""Any text, lone surrogates and controls included."""

_ordinary = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]", fullmatch=True)
names = (
    _ordinary
    | texts
    | st.sampled_from(["Order_Service", "a/b", "订单", "n" * 300, "a..b", ".", "7", "x.7", "a." * 150])
)
addresses = (
    st.ip_addresses().map(str)
    | texts
    | st.sampled_from(["db.example.com", "010.0.0.1", "bad_host", "", "fe80::1%eth0", "unix:///tmp/x", "a.7", "h."])
)
ports = st.integers(1, 65535) | st.integers(-(2**40), 2**40) | st.sampled_from([0, 80, 8080, 65535, 65536, 70000])
keys = texts | st.sampled_from(
    [
        "app",
        "k8sNs",
        "istio-locality",
        "instanceId",
        "@class",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.istio.io/subzone",
        "security.istio.io/tlsMode",
        "istio.io/rev",
        "projectCode",
        "protocol",
        "secure",
        "gRPC_port",
        "preserved.register.source",
        "weight",
        "a" * 64,
        "b" * 64 + ".com/key",
    ]
)
values = (
    texts
    | _ordinary
    | st.sampled_from(["dubbo", "tri", "true", "DUBBO", "9090", "8080", "0", "nan", "-1"])
    | st.sampled_from(["", "a.b_c", "a:b", "a/b", "-a", "My_NS", "7", "v" * 5000, "x." * 100 + "x"])
)
metadata = st.dictionaries(keys, values, max_size=6).map(sort_pairs)

instances = st.builds(
    Instance,
    address=addresses,
    port=ports,
    cluster=st.sampled_from(["DEFAULT", "B"]),
    healthy=st.booleans(),
    enabled=st.booleans(),
    weight=st.floats() | st.just(1.0),
    metadata=metadata,
    port_enabled=st.booleans(),
    secure_port=st.sampled_from([0, 0, 8443, 8080]) | ports,
    zone=st.sampled_from(["", "a"]) | texts,
    aliases=st.lists(names, max_size=2).map(tuple),
)
requirements = st.builds(LabelRequirement, keys, st.sampled_from(Operator), st.lists(values, max_size=2).map(tuple))
selectors = st.builds(
    EndpointSelector,
    match_labels=metadata,
    match_expressions=st.lists(
        st.builds(LabelRequirement, keys, st.sampled_from(Operator), st.lists(values, max_size=2).map(tuple)),
        max_size=2,
    ).map(tuple),
    has_label_part=st.booleans(),
    exclude_ips=st.lists(st.ip_addresses().map(str), max_size=2).map(tuple),
    exclude_cidrs=st.sampled_from([(), ("10.0.0.0/8",), ("2001:db8::/32",)]),
)
selections = st.builds(
    Selection,
    source=st.lists(selectors, max_size=2).map(tuple),
    serviced=st.lists(st.tuples(names, st.lists(selectors, max_size=2).map(tuple)), max_size=2).map(tuple),
    empty_excludes_all=st.booleans(),
    always_source=st.booleans(),
    by_address=st.booleans(),
)
relabel_steps = st.builds(
    RelabelStep,
    keys,
    keys,
    st.booleans(),
    st.sampled_from(["", "made"]),
    metadata,
)
name_parts = (
    st.builds(NamePart, st.just(PartKind.INSTANCE), st.sampled_from(["service", "ip", "port"]))
    | st.builds(NamePart, st.just(PartKind.METADATA), keys)
    | st.builds(NamePart, st.just(PartKind.STATIC), texts)
)
namings = st.builds(ServiceNaming, st.lists(name_parts, max_size=3).map(tuple), st.sampled_from(["", ".", "-"]))
service_keys = st.builds(
    ServiceKey, st.builds(Scope, st.just("nacos"), st.sampled_from(["", "east"]), texts, texts), names
)


def policies(profile: Profile) -> st.SearchStrategy[ConversionPolicy]:
    """Return policies of a profile, those that no settings file should ask for included."""
    return st.builds(
        ConversionPolicy,
        source=st.just("nacos"),
        profile=st.just(profile),
        svc_protocol=st.sampled_from(["HTTP", "dubbo", "tri", "Thrift"]) | texts,
        generic_protocol=st.booleans(),
        svc_port=st.sampled_from([0, 80, 8080, 70000]),
        instance_port_as_svc_port=st.booleans(),
        default_service_ns=st.sampled_from(["nacos", "", "My_NS"]) | texts,
        resource_ns=st.sampled_from(["nacos", ""]) | texts,
        ns_host=st.booleans(),
        k8s_domain_suffix=st.booleans(),
        dom_suffix=st.sampled_from(["", "nsf"]) | texts,
        location=st.sampled_from(Location),
        drop_unhealthy=st.booleans(),
        drop_host_names=st.booleans(),
        selection=st.just(Selection()) | selections,
        relabel=st.lists(relabel_steps, max_size=2).map(tuple),
        service_naming=st.none() | namings,
        grouped_services=st.booleans(),
        project_code=st.booleans(),
        host_with_group=st.booleans(),
        host_with_namespace=st.booleans(),
        host_aliases=st.lists(
            st.tuples(st.sampled_from(["orders.nacos.svc.cluster.local"]), st.lists(names, max_size=2).map(tuple)),
            max_size=1,
        ).map(tuple),
        alias_hosts=st.booleans(),
        extra_metas=st.lists(
            st.tuples(st.sampled_from(["orders.nacos"]), st.builds(ExtraMeta, metadata, metadata)), max_size=1
        ).map(tuple),
        merged_ports=st.none() | st.builds(MergedPorts, names, names, st.booleans(), st.booleans()),
        instance_protocols=st.booleans(),
        expose_secure_port=st.booleans(),
        weight_key=st.sampled_from(["", "weight"]),
        zone_key=st.sampled_from(["", "zone"]),
        default_region=st.sampled_from(["", "east"]),
        meta_key_cluster=st.sampled_from(["", "cluster"]),
        locality_labels=st.tuples(*[st.sampled_from(["", "app", "k8sNs"])] * 3),
        endpoint_relabel_items=st.lists(st.tuples(keys, keys), max_size=2).map(tuple),
        skip_validate_label_value=st.booleans(),
        entry_label_keys=st.lists(st.sampled_from(["app", "$host", "app:name:append", "a:istio.io/rev"])).map(tuple),
        revision=st.sampled_from(["", "stable"]),
        meta_key_group=st.sampled_from(["", "group", "k8sNs"]),
        meta_key_namespace=st.sampled_from(["", "ns"]),
        vip_range=st.sampled_from(["", "241.0.0.0/8", "fd00::/64"]),
        max_label_value_bytes=st.sampled_from([0, 10, 4096]),
        max_labels_bytes=st.sampled_from([0, 40, 32768]),
    )
