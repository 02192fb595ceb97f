"""What is known of when registries spoke, and whose word counts more: as it is handed on to another process."""

from collections.abc import Mapping

import msgspec

from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.store.departures import Place


class Hearsay(msgspec.Struct, frozen=True):
    """What `store/freshness.py` remembers, apart from its owner; times in monotonic seconds."""

    statements: Mapping[Scope, float] = {}
    """Scope → its registry's last statement; without a group it is about every group."""

    given_up: Mapping[ServiceKey, frozenset[Place]] = {}
    """What services of stale scopes have left to others."""

    newcomers: Mapping[tuple[Place, ServiceKey], float] = {}
    """Who has newly registered which place lately, the oldest first."""

    doubted: frozenset[Scope] = frozenset()
    """What `store/doubts.py` remembers: scopes whose registry was away and has not spoken of all services since."""
