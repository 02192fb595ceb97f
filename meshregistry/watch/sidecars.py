"""istiod's validation of a Sidecar, as far as Sidecars of a registry can break it; independent of the server's own.

Source: istiod ``pkg/config/validation/validation.go`` (ValidateSidecar, validateWorkloadSelector,
validateSidecarEgressPortBindAndCaptureMode) and ``agent/validation.go`` (ValidateNamespaceSlashWildcardHostname).
Messages: ``networking/v1alpha3/sidecar.proto``. Ingress listeners and traffic policies are not looked into.
"""

from collections.abc import Iterator

from meshregistry.watch.domains import is_label, wildcard_domain_faults
from meshregistry.watch.fields import DecodeError, Fields

SIDECAR = "Sidecar"

_SELECTOR, _INGRESS, _EGRESS, _OUTBOUND_POLICY, _INBOUND_POOL = 1, 2, 3, 4, 7
_PORT, _BIND, _HOSTS = 1, 2, 4
_NAMESPACE_SIGNS = ("*", ".", "~")


def sidecar_faults(body: bytes) -> Iterator[str]:
    """Why istiod would not store it; nothing if it would."""
    try:
        sidecar = Fields(body)
        yield from _selector_faults(sidecar)
        listeners = list(sidecar.messages(_EGRESS))
        if not listeners and not any(map(sidecar.has, (_INGRESS, _OUTBOUND_POLICY, _INBOUND_POOL))):
            yield "sidecar: empty configuration provided"
        for number, listener in enumerate(listeners, 1):
            yield from _listener_faults(listener, is_last=number == len(listeners))
    except DecodeError as error:
        yield f"sidecar: {error}"


def _selector_faults(sidecar: Fields) -> Iterator[str]:
    for key, value in sidecar.message(_SELECTOR).text_map(1).items():
        if not key:
            yield "empty key is not supported in selector"
        if "*" in key or "*" in value:
            yield f"wildcard is not supported in selector: {key}={value}"


def _listener_faults(listener: Fields, *, is_last: bool) -> Iterator[str]:
    if listener.has(_PORT):
        number = listener.message(_PORT).uint32(1)
        if not number and not listener.text(_BIND).startswith("unix://"):
            yield "sidecar: ports with 0 value must have a unix domain socket bind address"
    elif not is_last:
        yield "sidecar: the egress listener with empty port should be the last listener in the list"
    hosts = listener.texts(_HOSTS)
    if not hosts:
        yield "sidecar: egress listener must contain at least one host"
    for host in hosts:
        yield from _host_faults(host)


def _host_faults(text: str) -> Iterator[str]:
    namespace, slash, host = text.partition("/")
    if not slash:
        yield f"host must be of form namespace/dnsName: {text!r}"
        return
    if not namespace or not host:
        yield "config namespace and dnsName in host entry cannot be empty"
    if namespace not in _NAMESPACE_SIGNS and not is_label(namespace):
        yield f"invalid namespace value {namespace!r} in sidecar"
    if host == "*":
        return
    if "." not in host:
        yield f"short names (non FQDN) are not allowed: {host!r}"
    yield from wildcard_domain_faults(host)
    if "*" in host and not host.startswith("*."):
        yield f"partial wildcard {host!r} not allowed"
