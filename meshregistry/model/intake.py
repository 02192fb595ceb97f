"""Which instances of a registry service count, and to which services of the mesh they belong.

The steps of Slime's Nacos source in its order (pkg/source/nacos/httpclient.go, source.go, conversion.go): inject,
relabel, name, select, split by project code. A policy without any of them has no intake at all.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from meshregistry.model.instance import Instance, Pairs, Scope, ServiceKey, sort_pairs
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.relabel import build_namer, relabel
from meshregistry.model.selection import InstanceSelector, Predicate, Selection

PROJECT_CODE_KEY = "projectCode"
_GROUP_SEPARATOR = "@@"


class Admitted(NamedTuple):
    """An instance that counts; its metadata is complete."""

    service: str
    code: str
    """The project code that the service's name carries, "" is none."""

    instance: Instance


def inject_place(scope: Scope, policy: ConversionPolicy) -> Pairs:
    """Return the metadata that the place of a service adds to its instances."""
    registry_id = scope.registry_id
    injected = {
        policy.meta_key_namespace: scope.namespace,
        policy.meta_key_group: scope.group,
        policy.registry_id_meta_key if registry_id else "": registry_id,
    }
    injected.pop("", None)
    return sort_pairs(injected)


def gather_metadata(instance: Instance, injected: Pairs, policy: ConversionPolicy) -> dict[str, str]:
    """Return what relabelling begins with: the metadata, what its place adds, and what the instance itself says."""
    own = {policy.meta_key_cluster: instance.cluster} if policy.meta_key_cluster else {}
    return {**dict(instance.metadata), **dict(injected), **own}


def build_intake(policy: ConversionPolicy) -> "Intake | None":
    """Return the intake of a policy, None when it would pass every instance unchanged."""
    is_plain = (
        policy.selection == Selection(by_address=policy.selection.by_address)
        and not policy.relabel
        and policy.service_naming is None
        and not policy.project_code
        and not policy.meta_key_cluster
    )
    return None if is_plain else Intake(policy)


class Intake:
    """The steps of one policy, made ready."""

    def __init__(self, policy: ConversionPolicy) -> None:
        self._policy = policy
        self._selector = InstanceSelector(policy.selection)
        self._name = build_namer(policy.service_naming) if policy.service_naming else None

    def admit(self, key: ServiceKey, instances: Iterable[Instance], injected: Pairs) -> list[Admitted]:
        """Return the instances that count, in the order given; `injected` overrides pairs of the same key."""
        admitted = list(self._select(key, instances, injected))
        return list(self._split(admitted)) if self._policy.project_code else admitted

    def _select(self, key: ServiceKey, instances: Iterable[Instance], injected: Pairs) -> Iterator[Admitted]:
        names = _list_names(key, grouped=self._policy.grouped_services)
        accepts = self._selector.choose(names)
        for registered in instances:
            metadata = gather_metadata(registered, injected, self._policy)
            relabel(metadata, self._policy.relabel)
            service = self._name(names[-1], registered, metadata) if self._name else key.name
            judge: Predicate = self._selector.choose((service,)) if self._name else accepts
            if judge(metadata, registered.address):
                yield Admitted(service, "", _rewrite(registered, metadata))

    def _split(self, admitted: list[Admitted]) -> Iterator[Admitted]:
        """Give each instance the code of its project.

        Slime drops instances without a code, and one empty code among them makes an entry of all instances under the
        plain name. The istio profile keeps those without a code under the plain name.
        """
        codes = [dict(each.instance.metadata).get(PROJECT_CODE_KEY) for each in admitted]
        is_slime = self._policy.profile is Profile.SLIME
        with_all = {each.service for each, code in zip(admitted, codes, strict=True) if code == "" and is_slime}
        for each, code in zip(admitted, codes, strict=True):
            if code or (each.service not in with_all and not is_slime):
                yield each._replace(code=code or "")
            if each.service in with_all:
                yield each


def _list_names(key: ServiceKey, *, grouped: bool) -> tuple[str, ...]:
    """Return the names by which selectors know a service; naming takes the last one."""
    if not key.scope.group:
        return (key.name,)
    with_group = f"{key.scope.group}{_GROUP_SEPARATOR}{key.name}"
    return (with_group,) if grouped else (with_group, key.name)


def _rewrite(instance: Instance, metadata: dict[str, str]) -> Instance:
    pairs = sort_pairs(metadata)
    return instance if pairs == instance.metadata else msgspec.structs.replace(instance, metadata=pairs)
