"""What the reducer knows of pods: their labels go over those of endpoints when a resource is built."""

from collections.abc import Iterable

from meshregistry.model.claim import Claim
from meshregistry.model.pods import PodLabels, PodsChanged, patch_claim
from meshregistry.store.contributions import Contributions


class PodPatches:
    """Owner of the pods' labels by address; called by the reducer only."""

    def __init__(self, contributions: Contributions) -> None:
        self._contributions = contributions
        self._pods: dict[str, PodLabels] = {}

    def note(self, update: PodsChanged) -> set[str]:
        """Take what has changed; returns the resources that have an endpoint at one of the addresses."""
        changed = {address for address, pod in update.pods.items() if self._pods.get(address) != pod}
        for address in changed:
            pod = update.pods[address]
            if pod is None:
                del self._pods[address]
            else:
                self._pods[address] = pod
        return self._contributions.resources_at(changed) if changed else set()

    def patch(self, claims: Iterable[Claim]) -> tuple[Claim, ...]:
        """Return the claims with what is known of their endpoints' pods."""
        if not self._pods:
            return tuple(claims)
        return tuple(patch_claim(claim, self._pods) for claim in claims)
