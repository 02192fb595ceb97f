"""The calls of one interface, for the call model: its providers' and its consumers' applications."""

from collections.abc import Iterable, Mapping

from meshregistry.model.call_model import ServiceCalls
from meshregistry.model.dubbo_key import DUBBO_SCHEME, parse_key, scheme_of
from meshregistry.model.dubbo_naming import name_hosts
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

    Services without providers have no host, so nobody depends on them. A service is named as Slime names it in
    Sidecars, by its key; in the istio profile by its hosts, one for every scheme.
    """
    consumers = tuple(consumers)
    calls = []
    for name, instances in services.items():
        key = parse_key(interface, name)
        callers = frozenset(consumer.application for consumer in consumers if consumer.wants(key))
        if profile is Profile.SLIME:
            own = [each for each in instances if scheme_of(each) == DUBBO_SCHEME]
            hosts = {DUBBO_SCHEME: name} if own else {}
        else:
            hosts = name_hosts(key, frozenset(map(scheme_of, instances)), host_suffix)
        for scheme, host in hosts.items():
            providers = {dict(each.metadata).get("application", "") for each in instances if scheme_of(each) == scheme}
            calls.append(ServiceCalls(host, frozenset(providers - {""}), callers))
    return tuple(sorted(calls, key=lambda each: each.service))
