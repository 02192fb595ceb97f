"""The calls of one interface, for the call model: its providers' and its consumers' applications."""

from collections.abc import Iterable, Mapping

from meshregistry.model.call_model import ServiceCalls
from meshregistry.model.dubbo_key import DUBBO_SCHEME, DubboKey, parse_key, scheme_of
from meshregistry.model.dubbo_naming import name_as_slime, name_hosts
from meshregistry.model.instance import Instance
from meshregistry.model.policy import Profile
from meshregistry.sources.zookeeper.dubbo.consumers import Consumer


def list_calls(
    interface: str,
    services: Mapping[str, tuple[Instance, ...]],
    consumers: Iterable[Consumer],
    profile: Profile,
    host_suffix: str,
) -> tuple[ServiceCalls, ...]:
    """Return who provides and who calls the services of an interface.

    Services without providers have no host, so nobody depends on them; providers that selectors leave out count. A
    service is named as Slime names it in Sidecars, by its key; in the istio profile by its hosts, one for every scheme.
    """
    references = tuple(consumers)
    calls = []
    for name, instances in services.items():
        key = parse_key(interface, name)
        callers = frozenset([each.application for each in references if each.wants(key)])
        providers: dict[str, set[str]] = {}
        for host, application in _list_providers(key, instances, profile, host_suffix):
            providers.setdefault(host, set()).add(application)
        calls += [ServiceCalls(host, frozenset(names - {""}), callers) for host, names in providers.items()]
    return tuple(sorted(calls, key=lambda each: each.service))


def _list_providers(
    key: DubboKey, instances: tuple[Instance, ...], profile: Profile, host_suffix: str
) -> list[tuple[str, str]]:
    """Return the host and the application of every provider; an application may be ""."""
    told = [(scheme_of(instance), dict(instance.metadata)) for instance in instances]
    if profile is Profile.SLIME:
        hosts = [(name_as_slime(key.interface, params), params) for scheme, params in told if scheme == DUBBO_SCHEME]
    else:
        by_scheme = name_hosts(key, frozenset([scheme for scheme, _ in told]), host_suffix)
        hosts = [(by_scheme[scheme], params) for scheme, params in told]
    return [(host, params.get("application", "")) for host, params in hosts]
