"""How each source's services are converted and guarded, and how other rules reach the single writer."""

from collections.abc import Mapping

import msgspec

from meshregistry.model.policy import ConversionPolicy
from meshregistry.store.guard import GuardPolicy


class SourceLimits(msgspec.Struct, frozen=True):
    """How many registered services and instances of one source are taken; 0 is no limit."""

    services: int = 0
    instances: int = 0


class SourceRules(msgspec.Struct, frozen=True):
    """How one source's services are converted and guarded."""

    conversion: ConversionPolicy
    guard: GuardPolicy
    makes_sidecars: bool = False
    """Whether Sidecars come from the source; from the rules that say no on, it has none."""

    limits: SourceLimits = SourceLimits()


class RulesReplaced(msgspec.Struct, frozen=True):
    """Other rules from now on, ordered with what the sources say: nothing of a stopped source follows.

    Conversion changes a service when its source tells of it again, so that a source whose conversion has changed is
    among `restarted`.
    """

    rules: Mapping[str, SourceRules]
    """Of every enabled source."""

    retired: frozenset[str] = frozenset()
    """Sources that are enabled no longer: all that they said is withdrawn, under their guard."""

    restarted: frozenset[str] = frozenset()
    """Sources, new ones included, that begin anew: scopes they do not speak of until they are read are withdrawn."""

    fingerprints: Mapping[str, str] = {}
    """Source → fingerprint of its settings until now: until it is read, what is known of it was made by those."""

    def end_sidecars(self, before: Mapping[str, SourceRules]) -> list[str]:
        """Return the sources that made Sidecars by the rules before and make none any more."""
        makers = [source for source, rules in before.items() if rules.makes_sidecars]
        return [
            each for each in makers if each in self.retired or not self.rules.get(each, before[each]).makes_sidecars
        ]
