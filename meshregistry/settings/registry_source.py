"""Slime's RegistrySource resource: a patch of ZooKeeper's selectors, laid over the settings.

Source: Slime api/v1alpha1/conversion.go and pkg/bootstrap/patch.go. Lists are added to those of the settings, entries
of maps replace theirs. Different on purpose: `abnormalInstanceIPs` names a service as interface:group:version and is
found by it; in Slime it never matches, as the filter looks for the interface alone.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from meshregistry.errors import SettingsError
from meshregistry.settings.root import Settings
from meshregistry.settings.selection import EndpointSelector, IpRanges


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True)


class _Interface(_Part):
    interface: str = ""
    group: str = ""
    version: str = ""


class _Zookeeper(_Part):
    available_interfaces: tuple[_Interface, ...] = ()
    global_abnormal_instance_ips: Mapping[str, tuple[str, ...]] = {}
    abnormal_instance_ips: Mapping[str, tuple[str, ...]] = {}

    model_config = ConfigDict(
        alias_generator=lambda name: to_camel(name).replace("Ips", "IPs"), extra="ignore", frozen=True
    )


class _RegistrySource(_Part):
    zookeeper: _Zookeeper | None = None


def patch_settings(settings: Settings, spec: object) -> Settings:
    """Return the settings with the spec of a RegistrySource over them. Raises SettingsError for one that is none."""
    try:
        patch = _RegistrySource.model_validate(spec).zookeeper
        if patch is None:
            return settings
        source = settings.zookeeper_source
        update = {
            "endpoint_selectors": (*source.endpoint_selectors, *_list_selectors(patch)),
            "serviced_endpoint_selectors": {**source.serviced_endpoint_selectors, **_list_serviced(patch)},
        }
    except ValidationError as error:
        places = sorted({".".join(map(str, each["loc"])) for each in error.errors(include_input=False)})
        raise SettingsError([f"RegistrySource: spec.{place}: not what it must be" for place in places]) from None
    return settings.model_copy(update={"zookeeper_source": source.model_copy(update=update)})


def _list_selectors(patch: _Zookeeper) -> list[EndpointSelector]:
    addresses = {address for each in patch.global_abnormal_instance_ips.values() for address in each}
    ranges = IpRanges(ips=tuple(sorted(addresses)))
    labels = [
        {name: value for name, value in each.model_dump().items() if value} for each in patch.available_interfaces
    ]
    if not labels:
        return [EndpointSelector(exclude_ip_ranges=ranges)] if addresses else []
    return [EndpointSelector(match_labels=each, exclude_ip_ranges=ranges) for each in labels]


def _list_serviced(patch: _Zookeeper) -> dict[str, tuple[EndpointSelector, ...]]:
    return {
        service: (EndpointSelector(exclude_ip_ranges=IpRanges(ips=tuple(sorted(addresses)))),)
        for service, addresses in patch.abnormal_instance_ips.items()
    }
