"""How much of a source is taken: what is beyond its limits waits, and what was taken before stays.

A registry in which somebody registers without end must not cost the others their place, or every istiod its memory.
What waits is remembered by the very objects that its source remembers, and is taken as soon as there is room: the
source will not tell of it again until it changes.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Final, NamedTuple

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Instance, Scope, ServiceKey
from meshregistry.model.rejects import Reject, print_subject
from meshregistry.store.contributions import Contributions
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.rules import SourceLimits, SourceRules
from meshregistry.telemetry.metrics import Metrics

SERVICES_LIMIT: Final = "services_limit"
INSTANCES_LIMIT: Final = "instances_limit"
LIMIT_REASONS: Final = (SERVICES_LIMIT, INSTANCES_LIMIT)
"""Of rejects."""

_RETRIED = 500
"""Services that are tried again at a time, at most."""

_log = logging.getLogger(__name__)


class Taken(NamedTuple):
    """What of a reading is taken, and what is reported about the rest."""

    instances: tuple[Instance, ...]
    rejects: tuple[Reject, ...] = ()


class _Account:
    """What is taken of one source, and what waits."""

    def __init__(self) -> None:
        self.counts: dict[ServiceKey, int] = {}
        """Service → its instances that are taken; more than none."""

        self.taken: dict[ServiceKey, tuple[Instance, ...]] = {}
        """These instances; none for services that another process had taken, until they are read."""

        self.total = 0
        self.untaken: dict[ServiceKey, tuple[Instance, ...]] = {}
        """Services of which nothing is taken, with all that their source told of them, in the order of arrival."""

        self.partly: dict[ServiceKey, tuple[Instance, ...]] = {}
        """The same for those of which something is taken."""

        self.refused = 0
        """Instances that wait."""

        self.told = (0, 0)

    def put(self, key: ServiceKey, instances: tuple[Instance, ...], taken: tuple[Instance, ...]) -> None:
        """Make this all that is known of a service."""
        before = self.counts.pop(key, 0)
        waited = self.untaken.pop(key, None) or self.partly.pop(key, None)
        self.refused -= len(waited) - before if waited else 0
        self.taken.pop(key, None)
        self.total += len(taken) - before
        if taken:
            self.counts[key], self.taken[key] = len(taken), taken
        if len(taken) < len(instances):
            self.refused += len(instances) - len(taken)
            (self.partly if taken else self.untaken)[key] = instances


class Quota:
    """Owner of the accounts; called by the reducer only."""

    def __init__(
        self, rules: Mapping[str, SourceRules], contributions: Contributions, book: HoldBook, metrics: Metrics
    ) -> None:
        """The reducer's rules, which change, and the parts that know what a service has or had."""
        self._rules = rules
        self._contributions = contributions
        self._book = book
        self._gauge = metrics.refused_by_limits
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)

    def restore(self, claims: Mapping[ServiceKey, Iterable[Claim]]) -> None:
        """Count what another process had taken, whatever the limits are now."""
        for key, each in claims.items():
            account = self._accounts[key.scope.source]
            account.counts[key] = sum(len(claim.endpoints) for claim in each)
            account.total += account.counts[key]

    def admit(self, key: ServiceKey, instances: tuple[Instance, ...]) -> Taken:
        """Return what is taken of a service, all of whose instances are given.

        What was taken before stays, whatever the limits say, and so do addresses that the service had a moment ago or
        has from another process.
        """
        account, limits = self._accounts[key.scope.source], self._limits(key.scope.source)
        room = limits.instances - account.total + account.counts.get(key, 0) if limits.instances else len(instances)
        is_beyond = bool(limits.services) and key not in account.counts and len(account.counts) >= limits.services
        if not instances or (len(instances) <= room and not is_beyond):
            account.put(key, instances, instances)
            return Taken(instances)
        old, new = self._split(key, instances)
        if is_beyond and not old:
            account.put(key, instances, ())
            return Taken((), (_report(key, SERVICES_LIMIT, f"{limits.services} services are taken", len(instances)),))
        taken = (*old, *new[: max(0, room - len(old))])
        account.put(key, instances, taken)
        if len(taken) == len(instances):
            return Taken(taken)
        left_out = len(instances) - len(taken)
        return Taken(taken, (_report(key, INSTANCES_LIMIT, f"{limits.instances} instances are taken", left_out),))

    def order(
        self, source: str, services: Mapping[str, tuple[Instance, ...]]
    ) -> Iterable[tuple[str, tuple[Instance, ...]]]:
        """Return services in the order in which they are to be admitted.

        Where not all of them may find room it is that of their names, so that every replica takes the same.
        """
        account, limits = self._accounts[source], self._limits(source)
        count = sum(map(len, services.values())) if limits.instances else 0
        is_tight = (limits.services and len(account.counts) + len(services) > limits.services) or (
            limits.instances and account.total + count > limits.instances
        )
        return sorted(services.items()) if is_tight else services.items()

    def list_services(self, scopes: Collection[Scope]) -> list[ServiceKey]:
        """Return the services of scopes of which something is taken or waits."""
        accounts = [self._accounts[source] for source in {scope.source for scope in scopes}]
        return [key for each in accounts for key in (*each.counts, *each.untaken) if key.scope in scopes]

    @property
    def has_turn(self) -> bool:
        """Whether there is room for something that waits."""
        return any(count for source in self._accounts for count in self._count_turns(source))

    def take_turn(self) -> list[tuple[ServiceKey, tuple[Instance, ...]]]:
        """Return what waits and has room now, at least for a part of it: those that have waited longest first.

        Each must be admitted next.
        """
        found: list[tuple[ServiceKey, tuple[Instance, ...]]] = []
        for source, account in self._accounts.items():
            partly, untaken = self._count_turns(source)
            found += [*islice(account.partly.items(), partly), *islice(account.untaken.items(), untaken)]
        return found

    def tell(self) -> None:
        """Count and log what waits now."""
        for source, account in self._accounts.items():
            waiting = (len(account.untaken) + len(account.partly), account.refused)
            if waiting == account.told:
                continue
            self._gauge.labels(source, "services").set(waiting[0])
            self._gauge.labels(source, "instances").set(waiting[1])
            if not account.told[0]:
                _log.warning("limit.reached source=%s services=%d instances=%d", source, *waiting)
            elif not waiting[0]:
                _log.info("limit.left source=%s", source)
            account.told = waiting

    def _count_turns(self, source: str) -> tuple[int, int]:
        """Return how many services there is room for: of those that are taken in part, and of the others."""
        account, limits = self._accounts[source], self._limits(source)
        instances = limits.instances - account.total if limits.instances else _RETRIED
        services = limits.services - len(account.counts) if limits.services else _RETRIED
        if instances <= 0:
            return 0, 0
        partly = min(len(account.partly), instances, _RETRIED)
        return partly, max(0, min(len(account.untaken), services, instances - partly, _RETRIED))

    def _split(self, key: ServiceKey, instances: tuple[Instance, ...]) -> tuple[list[Instance], list[Instance]]:
        """Return what stays in any case, and the others in the order in which they find room."""
        account = self._accounts[key.scope.source]
        taken = account.taken.get(key)
        places = {(each.address, each.port) for each in taken or ()}
        addresses = {address for address, _ in self._book.departed(key)}
        if taken is None:
            claims = self._contributions.of(key)
            addresses |= {endpoint.address for claim in claims for endpoint in claim.endpoints}
        old, new = list[Instance](), list[Instance]()
        for each in instances:
            is_old = (each.address, each.port) in places or each.address in addresses
            (old if is_old else new).append(each)
        return old, sorted(new)

    def _limits(self, source: str) -> SourceLimits:
        rules = self._rules.get(source)
        return rules.limits if rules else SourceLimits()


def _report(key: ServiceKey, reason: str, limit: str, left_out: int) -> Reject:
    subject = print_subject(str(key))
    setting = "max_services" if reason == SERVICES_LIMIT else "max_instances"
    detail = f"{limit} of {key.scope.source} ({setting}); {left_out} instances wait for room"
    return Reject(subject, reason, subject, detail)
