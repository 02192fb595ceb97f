"""Names of a service: host, resource name and resource namespace.

Rules: Slime pkg/source/nacos/conversion.go (names, hosts) and polling.go (the resource's namespace). In the istio
profile names are made DNS-legal on top of that.
"""

import re
from typing import NamedTuple

import xxhash

from meshregistry.model.grammar import is_fqdn
from meshregistry.model.instance import Scope
from meshregistry.model.policy import ConversionPolicy, Profile

_CLUSTER_DOMAIN = ".svc.cluster.local"
_NAME_LIMIT = 253
_LABEL_LIMIT = 63
_QUALIFIER_LIMIT = 40
"""Of group, namespace and project code, so that room for the service's own name is left."""

_DIGEST_DIGITS = 8

_replace_illegal = re.compile(r"[^a-z0-9]+").sub
_match_legal = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*").fullmatch


class ServiceName(NamedTuple):
    """Where one service of a registry appears in the mesh."""

    namespace: str
    name: str
    host: str
    is_repaired: bool
    """Whether the registry's name had to be changed beyond Slime's two replacements."""


def name_service(
    registry_name: str, service_ns: str, policy: ConversionPolicy, scope: Scope, code: str = ""
) -> ServiceName:
    """Return the names of a service whose instances belong to the service namespace `service_ns` ("" is none).

    `code` is the project code of the instances, "" is none.
    """
    base = folded = fold(registry_name)
    domain = _CLUSTER_DOMAIN if service_ns and policy.k8s_domain_suffix else ""
    suffix = _prefixed(policy.dom_suffix) + _prefixed(service_ns)
    if code or policy.host_with_group or policy.host_with_namespace:
        suffix = _qualify(scope, policy) + _prefixed(policy.dom_suffix) + _spell(code, policy) + _prefixed(service_ns)
    if policy.profile is Profile.ISTIO:
        base = make_legal(folded, _NAME_LIMIT - len(suffix + domain), closes_host=not suffix)
    name = base + suffix
    namespace = name.rpartition(".")[2] if policy.ns_host and "." in name else policy.resource_ns
    return ServiceName(namespace, name, name + domain, base != folded)


def name_service_namespace(label: str | None, policy: ConversionPolicy) -> str:
    """Return the service namespace of an instance whose `k8sNs` label is `label` (None: it has none)."""
    if not policy.ns_host:
        return ""
    service_ns = policy.default_service_ns if label is None else label
    if policy.profile is Profile.SLIME or not service_ns:
        return service_ns
    return make_legal(fold(service_ns), _LABEL_LIMIT, closes_host=not policy.k8s_domain_suffix)


def fold(name: str) -> str:
    """Apply Slime's two replacements: lower case, dashes for underscores."""
    return name.lower().replace("_", "-")


def make_legal(text: str, limit: int, *, closes_host: bool) -> str:
    """Return `text` as lower-case DNS labels of at most `limit` characters in total.

    Legal text comes back unchanged. Everything else is cleaned and gets a digest of the text, so that two names
    never become one by losing what made them different. Text that closes a host must not end in an integer.
    """
    if len(text) <= limit and _match_legal(text) and (not closes_host or is_fqdn(text)):
        return text
    digest = xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))[:_DIGEST_DIGITS]
    room = max(0, limit - _DIGEST_DIGITS - 1)
    labels = (_replace_illegal("-", label)[:_LABEL_LIMIT].strip("-") for label in text.split("."))
    head, _, last = ".".join(label for label in labels if label)[:room].rstrip("-.").rpartition(".")
    last = last[: _LABEL_LIMIT - _DIGEST_DIGITS - 1].rstrip("-") or "service"
    return f"{head}.{last}-{digest}" if head else f"{last}-{digest}"


def _qualify(scope: Scope, policy: ConversionPolicy) -> str:
    group = _spell(fold(scope.group), policy) if policy.host_with_group else ""
    return group + (_spell(fold(scope.namespace), policy) if policy.host_with_namespace else "")


def _spell(part: str, policy: ConversionPolicy) -> str:
    if part and policy.profile is Profile.ISTIO:
        part = make_legal(fold(part), _QUALIFIER_LIMIT, closes_host=True)
    return _prefixed(part)


def _prefixed(part: str) -> str:
    return f".{part}" if part else ""
