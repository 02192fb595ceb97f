"""The istiod version families the model can imitate, and in what they differ.

Source: istiod ``pkg/adsc`` (ConfigInitialRequests) and ``pkg/config/schema/collections`` at the tags 1.18.0 to
1.31.0-rc.0; the behaviour flags come from ``pkg/config/validation`` and ``pilot/pkg/serviceregistry/serviceentry``.
"""

from dataclasses import dataclass

MESH_CONFIG = "core/v1alpha1/MeshConfig"
SERVICE_ENTRY = "ServiceEntry"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the releases of a family do differently from others."""

    network_replaces_address: bool
    """An endpoint without an address is valid if it names a network."""
    dynamic_dns: bool
    """Resolution DYNAMIC_DNS is known."""
    target_port_is_service_level: bool
    """A changed ``target_port`` changes the service, not only its endpoints."""
    resolution_is_service_level: bool
    """A changed resolution alone changes the service."""
    traffic_distribution_is_service_level: bool
    """The traffic-distribution annotation is part of the service."""
    equal_endpoints_are_pushed: bool
    """A re-applied entry is pushed to Envoys even if its endpoints are the same."""
    outputs_are_compared: bool
    """The converted endpoints are compared before anything else happens (krt): an emptied list is pushed, and the
    position of an endpoint in its list is part of its identity."""


@dataclass(frozen=True, slots=True)
class Family:
    """Releases of istiod that behave alike as a client."""

    name: str
    types: tuple[str, ...]
    """The type URLs (``group/version/Kind``) it asks for, in the order of its first requests."""
    behaviour: Behaviour

    @property
    def gating_types(self) -> tuple[str, ...]:
        """The types that each need one response before istiod calls itself ready."""
        return tuple(type_url for type_url in self.types if type_url != MESH_CONFIG)

    @property
    def service_entry_type(self) -> str:
        """The type URL under which this family asks for ServiceEntry."""
        return next(type_url for type_url in self.types if kind_of(type_url) == SERVICE_ENTRY)


def kind_of(type_url: str) -> str:
    """The Kind of a ``group/version/Kind`` type URL."""
    return type_url.rpartition("/")[2]


_TYPES_118 = (
    MESH_CONFIG,
    "security.istio.io/v1beta1/AuthorizationPolicy",
    "networking.istio.io/v1alpha3/DestinationRule",
    "networking.istio.io/v1alpha3/EnvoyFilter",
    "networking.istio.io/v1alpha3/Gateway",
    "security.istio.io/v1beta1/PeerAuthentication",
    "networking.istio.io/v1beta1/ProxyConfig",
    "security.istio.io/v1beta1/RequestAuthentication",
    "networking.istio.io/v1alpha3/ServiceEntry",
    "networking.istio.io/v1alpha3/Sidecar",
    "telemetry.istio.io/v1alpha1/Telemetry",
    "networking.istio.io/v1alpha3/VirtualService",
    "extensions.istio.io/v1alpha1/WasmPlugin",
    "networking.istio.io/v1alpha3/WorkloadEntry",
    "networking.istio.io/v1alpha3/WorkloadGroup",
)

_TYPES_124 = (
    MESH_CONFIG,
    "security.istio.io/v1/AuthorizationPolicy",
    "networking.istio.io/v1/DestinationRule",
    "networking.istio.io/v1alpha3/EnvoyFilter",
    "networking.istio.io/v1/Gateway",
    "security.istio.io/v1/PeerAuthentication",
    "networking.istio.io/v1beta1/ProxyConfig",
    "security.istio.io/v1/RequestAuthentication",
    "networking.istio.io/v1/ServiceEntry",
    "networking.istio.io/v1/Sidecar",
    "telemetry.istio.io/v1/Telemetry",
    "networking.istio.io/v1/VirtualService",
    "extensions.istio.io/v1alpha1/WasmPlugin",
    "networking.istio.io/v1/WorkloadEntry",
    "networking.istio.io/v1/WorkloadGroup",
)

_TYPES_130 = (*_TYPES_124[:11], "extensions.istio.io/v1alpha1/TrafficExtension", *_TYPES_124[11:])

ISTIOD_118 = Family(
    "1.18",
    _TYPES_118,
    Behaviour(
        network_replaces_address=False,
        dynamic_dns=False,
        target_port_is_service_level=False,
        resolution_is_service_level=False,
        traffic_distribution_is_service_level=False,
        equal_endpoints_are_pushed=True,
        outputs_are_compared=False,
    ),
)
"""Asks as 1.18 to 1.23 do; compares and pushes as 1.18.0 to 1.18.5, the most wasteful of them."""

ISTIOD_124 = Family(
    "1.24",
    _TYPES_124,
    Behaviour(
        network_replaces_address=True,
        dynamic_dns=False,
        target_port_is_service_level=True,
        resolution_is_service_level=True,
        traffic_distribution_is_service_level=False,
        equal_endpoints_are_pushed=False,
        outputs_are_compared=False,
    ),
)
"""1.24 to 1.29; validates as the strictest of them, which do not know DYNAMIC_DNS."""

ISTIOD_130 = Family(
    "1.30",
    _TYPES_130,
    Behaviour(
        network_replaces_address=True,
        dynamic_dns=True,
        target_port_is_service_level=True,
        resolution_is_service_level=True,
        traffic_distribution_is_service_level=True,
        equal_endpoints_are_pushed=False,
        outputs_are_compared=True,
    ),
)
"""1.30 and later."""

FAMILIES = {family.name: family for family in (ISTIOD_118, ISTIOD_124, ISTIOD_130)}
