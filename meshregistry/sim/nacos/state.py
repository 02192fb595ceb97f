"""What a Nacos server knows about services, without any of its protocols.

Rules as observed on Nacos 2.3.1 and 3.1.0: a service is ephemeral or persistent, one address occurs once
per service, a service outlives its last instance. Left out: instances do not expire for want of
heartbeats, HTTP shows changes at once (a real server up to 0.6 s later), and an operator's edit does not
survive the next registration.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

DEFAULT_GROUP = "DEFAULT_GROUP"
DEFAULT_CLUSTER = "DEFAULT"
PUBLIC = "public"


class RegistryRefusal(Exception):
    """A request that Nacos refuses; `code` is its code in the v3 envelope, the text is Nacos's own."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey:
    """Identity of a service; `name` has no group in it."""

    name: str
    group: str = DEFAULT_GROUP
    namespace: str = PUBLIC

    @property
    def grouped(self) -> str:
        """The name as Nacos prints it: `GROUP@@name`."""
        return f"{self.group}@@{self.name}"


@dataclass(frozen=True, slots=True)
class Instance:
    """One registered address; `weight` is Nacos's double in 0..10000, `ip` may be a host name."""

    ip: str
    port: int
    weight: float = 1.0
    healthy: bool = True
    enabled: bool = True
    ephemeral: bool = True
    cluster: str = DEFAULT_CLUSTER
    metadata: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceChange:
    """An operator's edit; None leaves a field alone, metadata is merged over what is there."""

    weight: float | None = None
    enabled: bool | None = None
    metadata: Mapping[str, str | None] = field(default_factory=dict)

    def applied_to(self, instance: Instance) -> Instance:
        """The instance with this edit."""
        return replace(
            instance,
            weight=instance.weight if self.weight is None else self.weight,
            enabled=instance.enabled if self.enabled is None else self.enabled,
            metadata={**instance.metadata, **self.metadata},
        )


@dataclass(frozen=True, slots=True)
class Namespace:
    """A created namespace as the listings show it."""

    id: str
    name: str
    description: str | None = None


class Service:
    """One service and its instances by (ip, port).

    `rendered` belongs to the views: whatever they derived from the content, forgotten with each change.
    `protect_threshold` is None unless somebody created the service explicitly.
    """

    __slots__ = ("ephemeral", "instances", "key", "protect_threshold", "rendered")

    def __init__(self, key: ServiceKey, *, ephemeral: bool) -> None:
        self.key = key
        self.ephemeral = ephemeral
        self.instances: dict[tuple[str, int], Instance] = {}
        self.protect_threshold: float | None = None
        self.rendered: dict[str, bytes] = {}

    def put(self, instance: Instance) -> None:
        """Add the instance or overwrite the one at its address."""
        self.instances[instance.ip, instance.port] = instance
        self.rendered.clear()

    def drop(self, ip: str, port: int) -> bool:
        """Take the instance at this address away; False if there is none."""
        gone = self.instances.pop((ip, port), None) is not None
        if gone:
            self.rendered.clear()
        return gone

    def clusters(self) -> dict[str, list[Instance]]:
        """The instances by cluster name; no cluster without an instance."""
        grouped: dict[str, list[Instance]] = {}
        for instance in self.instances.values():
            grouped.setdefault(instance.cluster, []).append(instance)
        return grouped


Listener = Callable[[ServiceKey, int, int], None]
"""Told of a changed service: its key, how many instances it had and how many it has."""


class Registry:
    """All namespaces, services and instances of one simulated server; the only owner of this state."""

    def __init__(self) -> None:
        self._services: dict[str, dict[ServiceKey, Service]] = {}
        self._namespaces: dict[str, Namespace] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Tell the listener of every change of a service's instances from now on."""
        self._listeners.append(listener)

    def create_service(self, key: ServiceKey, *, ephemeral: bool, protect_threshold: float = 0.0) -> None:
        """Create an empty service with settings of its own; raises RegistryRefusal if it is there already."""
        services = self._services.setdefault(key.namespace, {})
        if key in services:
            raise RegistryRefusal(21007, f"specified service already exists, serviceName : {key.grouped}")
        services[key] = Service(key, ephemeral=ephemeral)
        services[key].protect_threshold = protect_threshold

    def register(self, key: ServiceKey, instance: Instance) -> None:
        """Register or overwrite an instance; raises RegistryRefusal if the service is of the other kind."""
        services = self._services.setdefault(key.namespace, {})
        service = services.get(key)
        if service is None:
            service = services[key] = Service(key, ephemeral=instance.ephemeral)
        if service.ephemeral != instance.ephemeral:
            raise RegistryRefusal(30000, _kind_clash(service))
        before = len(service.instances)
        service.put(instance)
        self._tell(service, before)

    def deregister(self, key: ServiceKey, ip: str, port: int) -> bool:
        """Remove an instance; False if there was none. The service stays, empty."""
        service = self.find(key)
        if service is None or not service.drop(ip, port):
            return False
        self._tell(service, len(service.instances) + 1)
        return True

    def forget_ephemeral(self) -> list[tuple[ServiceKey, Instance]]:
        """Lose every ephemeral service as a restarted node does, without a word; return what they held."""
        lost = []
        for services in self._services.values():
            for key in [key for key, each in services.items() if each.ephemeral]:
                lost += [(key, instance) for instance in services.pop(key).instances.values()]
        return lost

    def update(self, key: ServiceKey, ip: str, port: int, change: InstanceChange) -> bool:
        """Change an instance as an operator does; False for an unknown address (Nacos says ok to that).

        Raises RegistryRefusal for an unknown service.
        """
        service = self.find(key)
        if service is None:
            where = f"namespace: {key.namespace}, service: {key.grouped}"
            raise RegistryRefusal(21004, f"service not found, {where}")
        known = service.instances.get((ip, port))
        if known is not None:
            service.put(change.applied_to(known))
            self._tell(service, len(service.instances))
        return known is not None

    def remove_service(self, key: ServiceKey) -> None:
        """Remove an empty service; raises RegistryRefusal if it is unknown or has instances."""
        service = self.find(key)
        if service is None:
            raise RegistryRefusal(21008, f"service {key.grouped} not found!")
        if service.instances:
            reason = f"Service {key.grouped} is not empty, can't be delete. Please unregister instance first"
            raise RegistryRefusal(21009, reason)
        del self._services[key.namespace][key]

    def create_namespace(self, namespace: Namespace) -> None:
        """Make a namespace appear in the listing; raises RegistryRefusal if it is there already."""
        if namespace.id in self._namespaces or namespace.id == PUBLIC:
            raise RegistryRefusal(22002, f"namespaceId [{namespace.id}] already exist")
        self._namespaces[namespace.id] = namespace

    def namespaces(self) -> list[Namespace]:
        """The created namespaces, without the built-in public one."""
        return list(self._namespaces.values())

    def find(self, key: ServiceKey) -> Service | None:
        """The service, or None."""
        return self._services.get(key.namespace, {}).get(key)

    def services(self, namespace: str) -> list[Service]:
        """All services of a namespace, in order of creation; empty for an unknown namespace."""
        return list(self._services.get(namespace, {}).values())

    def counts(self) -> tuple[int, int]:
        """Numbers of services and instances over all namespaces."""
        services = [each for known in self._services.values() for each in known.values()]
        return len(services), sum(len(each.instances) for each in services)

    def _tell(self, service: Service, before: int) -> None:
        for listener in self._listeners:
            listener(service.key, before, len(service.instances))


def matching(services: Iterable[Service], group_part: str, name_part: str) -> list[Service]:
    """The services a catalogue filter finds: Nacos matches `.*GROUP.*@@.*NAME.*` as a regular expression."""
    if not group_part and not name_part:
        return list(services)
    pattern = re.compile(f".*{group_part}.*@@.*{name_part}.*")
    return [each for each in services if pattern.fullmatch(each.key.grouped)]


def _kind_clash(service: Service) -> str:
    mine, other = ("ephemeral", "persistent") if service.ephemeral else ("persistent", "ephemeral")
    name = service.key.grouped
    return f"errCode: 400, errMsg: Current service {name} is {mine} service, can't register {other} instance. "
