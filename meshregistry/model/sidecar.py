"""Sidecars: which services the workloads of one application may call, and istiod's rules for them.

Shape: Slime pkg/source/zookeeper/sidecar.go. Rules: istiod pkg/config/validation/validation.go, ValidateSidecar.
"""

import msgspec

from meshregistry.model.grammar import is_dns_label, is_host, is_label_key, is_label_value, is_utf8
from meshregistry.model.instance import Pairs
from meshregistry.model.policy import Profile
from meshregistry.model.rejects import Reject, print_subject

NON_NAMESPACED = ("sidecar.config.istio.io/nonNsSpec", "true")
"""Tells Slime's istiod that the selector reaches beyond the resource's namespace."""

_REVISION_LABEL = "istio.io/rev"
_LABEL_VALUE_LIMIT = 63


class EgressListener(msgspec.Struct, frozen=True, gc=False, order=True):
    """One egress listener; without a protocol it has no port and catches all."""

    hosts: tuple[str, ...]
    """`namespace/host` each, sorted."""

    protocol: str = ""


class Sidecar(msgspec.Struct, frozen=True, gc=False):
    """One Sidecar with its metadata; every sequence is in canonical order."""

    namespace: str
    name: str
    workload_labels: Pairs
    egress: tuple[EgressListener, ...]
    labels: Pairs = ()
    annotations: Pairs = ()

    @property
    def resource_name(self) -> str:
        """The name on the wire: `namespace/name`, exactly one slash."""
        return f"{self.namespace}/{self.name}"


class SidecarPolicy(msgspec.Struct, frozen=True):
    """How an application's dependencies become a Sidecar; names and defaults are Slime's."""

    profile: Profile = Profile.ISTIO
    resource_ns: str = "dubbo"
    workload_label: str = "app"
    protocol: str = "DUBBO"
    """Of the egress port, as the ServiceEntries have it; slime profile only."""

    revision: str = ""


class ValidatedSidecar(msgspec.Struct, frozen=True):
    """A Sidecar that may be published, None when there is none, and what was done to it."""

    sidecar: Sidecar | None
    rejects: tuple[Reject, ...] = ()


def build_sidecar(application: str, hosts: tuple[str, ...], policy: SidecarPolicy) -> ValidatedSidecar:
    """Return the publishable Sidecar of an application that calls `hosts`.

    Slime gives one that calls nothing a listener without hosts. For a stock istiod that is no Sidecar, and one that
    reaches nothing would cut off what is not Dubbo, so the istio profile has none.
    """
    is_istio = policy.profile is Profile.ISTIO
    listener = EgressListener(tuple(f"*/{host}" for host in sorted(hosts)), "" if is_istio else policy.protocol)
    sidecar = Sidecar(
        policy.resource_ns,
        f"{application}.dubbo.generated",
        ((policy.workload_label, application),),
        (listener,),
        ((_REVISION_LABEL, policy.revision),) if policy.revision else (),
        () if is_istio else (NON_NAMESPACED,),
    )
    if is_istio and not hosts:
        return ValidatedSidecar(None)
    return validate_sidecar(sidecar, policy.profile)


def validate_sidecar(sidecar: Sidecar, profile: Profile) -> ValidatedSidecar:
    """Return the publishable form: hosts that istiod refuses are dropped alone, the rest holds the Sidecar back.

    A valid Sidecar comes back as the same object. In the slime profile only what breaks the wire is handled.
    """
    resource = print_subject(sidecar.resource_name)
    fault = _find_fault(sidecar, profile)
    if fault:
        return ValidatedSidecar(None, (Reject(resource, fault, resource, "held back"),))
    is_legal = is_sidecar_host if profile is Profile.ISTIO else is_utf8
    bad = sorted({host for listener in sidecar.egress for host in listener.hosts if not is_legal(host)})
    rejects = tuple(Reject(resource, "host_invalid", print_subject(host), "dropped") for host in bad)
    if not bad:
        return ValidatedSidecar(sidecar)
    egress = tuple(_without(listener, bad) for listener in sidecar.egress)
    if profile is Profile.ISTIO and not all(listener.hosts for listener in egress):
        return ValidatedSidecar(None, (*rejects, Reject(resource, "host_missing", resource, "held back")))
    return ValidatedSidecar(msgspec.structs.replace(sidecar, egress=egress), rejects)


def is_sidecar_host(text: str) -> bool:
    """Whether istiod takes it as a host of an egress listener: `namespace/host`, where a host has a dot.

    Only a whole first label may be a wildcard, unlike in a ServiceEntry.
    """
    namespace, slash, host = text.partition("/")
    is_namespace = namespace in ("*", ".", "~") or is_dns_label(namespace)
    return bool(slash) and is_namespace and (host == "*" or _is_domain(host))


def _is_domain(host: str) -> bool:
    return "." in host and is_host(host) and ("*" not in host or host.startswith("*."))


def _find_fault(sidecar: Sidecar, profile: Profile) -> str:
    """Return why a Sidecar cannot be published at all, or ""."""
    texts = [sidecar.namespace, sidecar.name, *(text for pair in sidecar.workload_labels for text in pair)]
    if not sidecar.name or "/" in sidecar.namespace + sidecar.name:
        return "name_invalid"
    if not all(map(is_utf8, texts)):
        return "utf8"
    if profile is Profile.SLIME:
        return ""
    if not all(map(_is_selector_pair, sidecar.workload_labels)):
        return "selector_invalid"
    return "" if sidecar.egress and all(listener.hosts for listener in sidecar.egress) else "host_missing"


def _is_selector_pair(pair: tuple[str, str]) -> bool:
    return is_label_key(pair[0]) and is_label_value(pair[1]) and len(pair[1]) <= _LABEL_VALUE_LIMIT


def _without(listener: EgressListener, bad: list[str]) -> EgressListener:
    return EgressListener(tuple(host for host in listener.hosts if host not in bad), listener.protocol)
