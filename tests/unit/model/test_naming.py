import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.grammar import is_fqdn
from meshregistry.model.instance import Scope
from meshregistry.model.naming import make_legal, name_service, name_service_namespace
from meshregistry.model.policy import ConversionPolicy
from tests.support.registry_content import names

ISTIO = ConversionPolicy()
SCOPE = Scope("nacos", "", "public", "DEFAULT_GROUP")


@given(names, st.sampled_from(["", "nacos", "shop-1"]), st.booleans(), st.sampled_from(["", "nsf"]))
def test_every_name_becomes_a_host_name_and_a_kubernetes_name(
    name: str, service_ns: str, with_domain: bool, suffix: str
) -> None:
    policy = ConversionPolicy(k8s_domain_suffix=with_domain, dom_suffix=suffix)
    named = name_service(name, service_ns, policy, SCOPE)
    assert is_fqdn(named.host)
    assert 253 >= len(named.host)
    assert named.name == named.name.lower()
    assert named.host.startswith(named.name)


@given(names | st.none())
def test_every_service_namespace_is_legal(label: str | None) -> None:
    for policy in (ISTIO, ConversionPolicy(k8s_domain_suffix=False)):
        service_ns = name_service_namespace(label, policy)
        assert not service_ns or (is_fqdn(f"orders.{service_ns}") or with_domain(policy, service_ns))
        assert 63 >= len(service_ns)


def with_domain(policy: ConversionPolicy, service_ns: str) -> bool:
    """Whether the cluster domain makes the host legal, as it closes it."""
    return policy.k8s_domain_suffix and is_fqdn(f"orders.{service_ns}.svc.cluster.local")


@given(st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?(?:\.[a-z][a-z0-9]{0,20}){0,3}", fullmatch=True))
def test_legal_text_is_not_touched(text: str) -> None:
    assert text == make_legal(text, 253, closes_host=False)


@given(names)
def test_legal_text_is_a_fixed_point(text: str) -> None:
    legal = make_legal(text, 253, closes_host=True)
    assert legal == make_legal(legal, 253, closes_host=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a/b", "a:b"), ("订单", "库存"), ("n" * 300, "n" * 301), ("a..b", "a...b"), ("\ud800", "\ud801")],
)
def test_repaired_names_stay_apart(one: str, other: str) -> None:
    assert name_service(one, "nacos", ISTIO, SCOPE).host != name_service(other, "nacos", ISTIO, SCOPE).host


def test_case_and_underscores_do_not_keep_names_apart() -> None:
    assert name_service("A_B/c", "nacos", ISTIO, SCOPE).host == name_service("a-b/C", "nacos", ISTIO, SCOPE).host
