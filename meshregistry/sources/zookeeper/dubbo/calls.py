"""The calls of one interface, for the call model: its providers' and its consumers' applications."""

from collections.abc import Iterable, Mapping

from meshregistry.model.call_model import ServiceCalls
from meshregistry.model.dubbo import DubboConverter
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.sources.zookeeper.dubbo.consumers import Consumer


def list_calls(
    scope: Scope,
    services: Mapping[str, tuple[Instance, ...]],
    consumers: Iterable[Consumer],
    converter: DubboConverter,
) -> tuple[ServiceCalls, ...]:
    """Return who provides and who calls the services of an interface.

    The conversion names the services, so that a Sidecar names what there is. Those without providers that selectors
    accept have no host, so nobody depends on them. In the slime profile consumers ask for a service as it is named by
    what its providers' parameters become: their own are written and checked as labels, too, but not relabelled (Slime
    pkg/source/zookeeper/conversion.go).
    """
    references = frozenset(consumers)
    if not converter.is_exact:
        written = {each.as_labels(checks_values=converter.checks_values) for each in references}
        references = frozenset([each for each in written if each.application])
    calls = []
    for name, instances in services.items():
        key = ServiceKey(scope, name)
        for named in converter.name_services(key, instances):
            callers = frozenset([each.application for each in references if each.wants(named.key)])
            claimant = key if converter.is_exact and named.is_served else None
            calls.append(ServiceCalls(named.host, named.applications, callers, claimant))
    return tuple(sorted(calls, key=lambda each: (each.service, each.claimant or ())))
