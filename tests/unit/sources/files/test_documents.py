"""What a file holds: every field that is served, and a fault for every other."""

import pytest

from meshregistry.model.policy import Profile
from meshregistry.model.service_entry import Location, Resolution, ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.model.sidecar import EgressListener, Sidecar
from meshregistry.sources.files.documents import Documents, Reading, read_documents
from meshregistry.sources.files.fields import FileFaultError

FULL = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: orders
  namespace: shop
  labels: {team: mesh}
  annotations: {note: by hand}
  resourceVersion: "7"
  uid: abc
spec:
  hosts: [orders.shop.svc.cluster.local]
  addresses: [10.9.0.1]
  ports:
  - {number: 80, protocol: HTTP, name: http, targetPort: 8080}
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints:
  - address: 10.0.0.2
  - address: 10.0.0.1
    ports: {http: 18080}
    labels: {version: v1}
    network: n1
    locality: cn/hz/a
    weight: 3
    serviceAccount: orders
  exportTo: [".", istio-system]
  subjectAltNames: [spiffe://cluster.local/ns/shop/sa/orders]
status: {}
---
---
apiVersion: networking.istio.io/v1beta1
kind: Sidecar
metadata: {name: web}
spec:
  workloadSelector: {labels: {app: web}}
  egress: [{hosts: ["shop/*", "./*"]}]
---
kind: ConfigMap
"""

SMALL = """
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [a.example], %s}
"""


def test_every_field_is_read() -> None:
    assert Documents(
        (
            ServiceEntry(
                "shop",
                "orders",
                ("orders.shop.svc.cluster.local",),
                (ServicePort(80, "HTTP", "http", 8080),),
                (
                    WorkloadEntry("10.0.0.1", (("http", 18080),), (("version", "v1"),), "cn/hz/a", 3, "n1", "orders"),
                    WorkloadEntry("10.0.0.2"),
                ),
                Resolution.STATIC,
                Location.MESH_INTERNAL,
                ("10.9.0.1",),
                (".", "istio-system"),
                (("team", "mesh"),),
                (("note", "by hand"),),
                ("spiffe://cluster.local/ns/shop/sa/orders",),
            ),
        ),
        (Sidecar("mesh", "web", (("app", "web"),), (EgressListener(("./*", "shop/*")),)),),
        frozenset({"ConfigMap"}),
    ) == read_documents(FULL, Reading("mesh"))


def test_what_is_not_said_has_the_defaults_of_the_api() -> None:
    (entry,) = read_documents(SMALL % "workloadSelector: {labels: {app: a}}", Reading()).entries

    assert (
        ServiceEntry(
            "default",
            "a",
            ("a.example",),
            resolution=Resolution.NONE,
            location=Location.MESH_EXTERNAL,
            workload_selector=(("app", "a"),),
        )
        == entry
    )


def test_an_excluded_kind_is_left_out() -> None:
    found = read_documents(FULL, Reading(excluded_kinds=frozenset({"Sidecar"})))

    assert (1, 0, {"ConfigMap", "Sidecar"}) == (len(found.entries), len(found.sidecars), {*found.other_kinds})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "line 2"),
        ("[1]", r"document\[0\]: expected key: value pairs"),
        ("kind: ServiceEntry\napiVersion: v1", "apiVersion 'v1'"),
        ("kind: ServiceEntry\napiVersion: networking.istio.io/v2", "expected networking.istio.io/"),
        (SMALL % "colour: red", r"document\[0\].spec.colour: not supported"),
        (SMALL % "ports: [{number: eighty}]", r"ports\[0\].number: expected a whole number"),
        (SMALL % "ports: [{number: 80, name: http, protocol: HTTP, x: 1}]", r"ports\[0\].x: not supported"),
        (SMALL % "ports: {number: 80}", "ports: expected a list"),
        (SMALL % "resolution: static", "resolution: expected NONE, STATIC, DNS"),
        (SMALL % "resolution: STATIC, endpoints: [{address: 10.0.0.1, labels: {a: 1}}]", "labels: expected a map"),
        (SMALL % "resolution: STATIC, endpoints: [{address: here}]", "address_invalid here"),
        (SMALL % "resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.x}, {address: c.x}]", "one endpoint"),
        (
            SMALL % "resolution: STATIC, workloadSelector: {labels: {a: b}}, endpoints: [{address: 10.0.0.1}]",
            "only one of",
        ),
        (SMALL % "exportTo: [a, a]", "export_to"),
        (SMALL.replace("a.example", "a_b") % "x: 1", "not supported"),
        (SMALL.replace("a.example", "a_b") % "exportTo: []", "host_invalid a_b"),
        (SMALL.replace("name: a", "name: a, zone: b") % "", "metadata.zone: not supported"),
        (SMALL % "" + "---" + SMALL % "", "default/a: stands here twice"),
        ("kind: Sidecar\napiVersion: networking.istio.io/v1\nmetadata: {name: a}\nspec: {ingress: []}", "ingress"),
        ("kind: Sidecar\napiVersion: networking.istio.io/v1\nmetadata: {name: a}", "spec: missing"),
    ],
)
def test_a_fault_names_its_place(text: str, fault: str) -> None:
    with pytest.raises(FileFaultError, match=fault):
        read_documents(text, Reading())


def test_in_the_slime_profile_only_what_breaks_the_wire_is_a_fault() -> None:
    text = SMALL.replace("a.example", "com.x.Order:g:1") % "ports: [{number: 1, protocol: DUBBO, name: d}]"

    assert ("com.x.Order:g:1",) == read_documents(text, Reading(profile=Profile.SLIME)).entries[0].hosts
    with pytest.raises(FileFaultError):
        read_documents(text, Reading())
